"""Putting a report on disk, each file whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from simulator.errors import RunError
from simulator.reports import spreadsheets
from simulator.reports.language import ENGLISH, LANGUAGES, speaking
from simulator.reports.run import Run
from simulator.reports.summary import summary_text


def write(run: Run, folder: Path, language: str = ENGLISH) -> None:
    """Write the reports of ``run`` into ``folder``, which is made if it is not there.

    ``summary.md``, ``report.html`` (self-contained), ``charts/*.svg`` with ``charts/*.csv`` beside
    them, ``intervals.csv``, ``recommendation.csv``. In another ``language`` than English,
    one of ``LANGUAGES``: ``summary.TAG.md`` and ``report.TAG.html`` alone, the tables being
    the same. Each file is written under a temporary name and renamed, so that a reader never finds
    half of one.

    Raises:
        RunError: the folder or a file cannot be written.
        KeyError: no such language.
    """
    # The page brings matplotlib and jinja2 with it, which nobody waits for before there is a run.
    from simulator.reports import plots
    from simulator.reports.html import page

    others = [_named(tag) for tag in LANGUAGES if tag != language]
    other = next((name for name in others if (folder / name).is_file()), None)
    with speaking(language):
        charts = plots.charts(run)
        summary, html = summary_text(run), page(run, charts, other)
    if language != ENGLISH:
        _write(folder / f"summary.{language}.md", summary)
        _write(folder / _named(language), html)
        _sync(folder)
        return
    files = {
        "summary.md": summary,
        "intervals.csv": spreadsheets.csv(spreadsheets.intervals(run)),
        "recommendation.csv": spreadsheets.csv(run.table("recommendation")),
    }
    for chart in charts:
        files[f"charts/{chart.name}.svg"] = chart.svg
        files[f"charts/{chart.name}.csv"] = spreadsheets.csv(chart.data)
    files[_named(language)] = html
    for name, text in files.items():
        _write(folder / name, text)
    # A chart that this run does not have would be an earlier run's.
    for old in (folder / "charts").glob("*.[sc][vs][gv]"):
        if f"charts/{old.name}" not in files:
            old.unlink(missing_ok=True)
    if charts:
        _sync(folder / "charts")
    _sync(folder)


def _named(tag: str) -> str:
    """The page's file in a language."""
    return "report.html" if tag == ENGLISH else f"report.{tag}.html"


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunError(
            f"{path}: cannot write the report ({error.strerror}); expected a folder that you may "
            "write to with room left; choose another with --out"
        ) from error


def _sync(folder: Path) -> None:
    # The rename itself is durable only once the folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

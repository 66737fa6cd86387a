"""Names that options take: what they may be, the nearest to a mistyped one, and completion.

Completion runs at every press of the tab key, so it reads a run's manifest and nothing heavier.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

# As [history] format has them; the models themselves would be slow to load here.
FORMATS = (
    "sample",
    "jsonl",
    "csv",
    "parquet",
    "zendesk",
    "intercom",
    "tau2",
    "twitter-cdp",
    "stc3",
    "bank-calls",
)
# As every part of the product says that an option does not take a name.
_REFUSED = re.compile(r"--[\w-]+ (?P<value>.+): expected one of (?P<allowed>[^;]+)")
LISTED = ", ".join(FORMATS[1:-1]) + f" or {FORMATS[-1]}"


def hinted(message: str) -> str:
    """An error about a name, with the nearest of those that are allowed."""
    found = _REFUSED.fullmatch(message)
    if not found:
        return message
    near = difflib.get_close_matches(found["value"], found["allowed"].split(", "), n=1)
    return f"{message}; did you mean {near[0]}?" if near else message


def runs(incomplete: str) -> list[str]:
    """Folders of runs as typed so far, and folders on the way there once something is."""
    folder, _, _ = incomplete.rpartition("/")
    places = [Path(folder or ("/" if incomplete.startswith("/") else "."))]
    if not incomplete:
        places.append(Path("outputs"))
    offered = []
    for one in sorted(one for place in places if place.is_dir() for one in place.iterdir()):
        if (one / "manifest.json").is_file():
            offered.append(str(one))
        elif incomplete and one.is_dir() and not one.name.startswith("."):
            offered.append(f"{one}/")
    return _begin(offered, incomplete)


def candidates(ctx: typer.Context, incomplete: str) -> list[str]:
    """Candidates of the run that is named before."""
    return _begin(_scenario(ctx).get("candidates", {}), incomplete)


def stages(ctx: typer.Context, incomplete: str) -> list[str]:
    """Stages of the run that is named before."""
    ladder = _scenario(ctx).get("rollout", {}).get("stages", [])
    return _begin([one["name"] for one in ladder], incomplete)


def segments(ctx: typer.Context, incomplete: str) -> list[str]:
    """Segments of the run that is named before."""
    try:
        with (_run(ctx) / "recommendation.csv").open(encoding="utf-8-sig", newline="") as file:
            found = {row.get("segment") or "" for row in csv.DictReader(file)}
    except (OSError, ValueError, csv.Error):
        return []
    return _begin(sorted(found - {""}), incomplete)


def formats(incomplete: str) -> list[str]:
    """Formats of a history."""
    return _begin(FORMATS, incomplete)


def scenarios(incomplete: str) -> list[str]:
    """Scenario files here and in ``scenarios``, and folders on the way, as typed so far."""
    folder, _, _ = incomplete.rpartition("/")
    places = [Path(folder or ("/" if incomplete.startswith("/") else "."))]
    if not incomplete:
        places.append(Path("scenarios"))
    found = [one for place in places if place.is_dir() for one in sorted(place.iterdir())]
    offered = [str(one) for one in found if one.suffix == ".toml"]
    offered += [f"{one}/" for one in found if incomplete and one.is_dir()]
    return _begin(offered, incomplete)


def _begin(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _run(ctx: typer.Context) -> Path:
    # An option that still waits for its value stops the parser before it has named the arguments.
    left = next((one for one in ctx.args if not one.startswith("-")), ".")
    return Path(str(ctx.params.get("run") or left))


def _scenario(ctx: typer.Context) -> dict[str, Any]:
    try:
        manifest = json.loads((_run(ctx) / "manifest.json").read_text("utf-8"))
        return dict(manifest["scenario"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


RunFolderPath = Annotated[
    Path, typer.Argument(help="Folder of a run.", show_default=False, autocompletion=runs)
]
ScenarioPath = Annotated[
    Path,
    typer.Argument(help="Scenario file (TOML).", show_default=False, autocompletion=scenarios),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")]

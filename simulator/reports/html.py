"""``report.html``: one page without a font or a request, to decide from and to print.

Its one script sorts and filters what is there; the page's policy names it by its hash, so that no
other can run. Without it the page shows everything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from simulator.reports import (
    answer,
    definitions,
    examples,
    how_far,
    language,
    models,
    prices,
    readings,
    sections,
    spectrum,
    spreadsheets,
    staffed,
    support,
    validity,
    what_if,
    wording,
)
from simulator.reports.drawing import Chart, slug
from simulator.reports.run import Run


@cache
def environment() -> jinja2.Environment:
    """Templates with the filters that all pages share."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simulator.reports"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        language.translated, language.translated_n, newstyle=True
    )
    environment.filters.update(
        visible=visible_markup,
        plain=wording.visible,
        stage=wording.stage_label,
        metric=wording.metric_label,
        percent=wording.percent,
        listed=wording.listed,
        sentence=answer.sentence,
        readable=wording.readable,
        heard=heard_markup,
        said=language.translated,
        breaks=_breaks,
        code=_code,
    )
    return environment


def visible_markup(text: str) -> Markup:
    """``text`` escaped, its control and direction-changing characters shown as small tags."""
    parts = wording.UNSEEN.split(text.replace("\r\n", "\n"))
    found = wording.UNSEEN.findall(text.replace("\r\n", "\n"))
    shown = Markup("")
    for part, character in zip(parts, [*found, ""], strict=True):
        shown += escape(part)
        if character:
            shown += Markup('<span class="unseen">U+{}</span>').format(f"{ord(character):04X}")
    return shown


def heard_markup(text: str, stages: Sequence[str] = ()) -> Markup:
    """A sentence from a table in the language spoken now, escaped; marked where it stays English.

    ``stages``: names in it that are shown as tables show them.
    """
    heard = language.heard(text)
    shown = visible_markup(wording.readable(heard, stages))
    # Some callers have heard it already: what has Chinese in it is not English.
    unknown = heard == text and re.search("[A-Za-z]{2}", text) and not re.search("[一-鿿]", text)
    if unknown and language.spoken() != language.ENGLISH:
        return Markup('<span lang="en">{}</span>').format(shown)
    return shown


def _breaks(text: str) -> Markup:
    """A name escaped, with room for a line end after each underscore and hyphen."""
    return Markup("<wbr>").join(visible_markup(part) for part in re.split("(?<=[_-])", text))


def _code(text: str) -> Markup:
    """``text`` escaped, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>" if place % 2 else "{}").format(part)
        for place, part in enumerate(parts)
    )


def page(run: Run, charts: Sequence[Chart], other: str | None = None) -> str:
    """The report as one HTML document, in the language that is spoken.

    Every number in it carries its place in the tables, in ``<data value="..." data-from="table/
    stage/candidate/segment/bound/metric/column">``, so that a reader, a script or a test can go
    back to the source. Text that came from a log is escaped, and no template is built from data.
    ``other``: the file that lies beside it in the other language, if one does.
    """
    best = answer.leader(run)
    cells = [sections.cell(run, *cell) for cell in run.cells]
    left_out = answer.promises_left_out(run)
    ladders = sections.ladders(run, best)
    script, policy = _script()
    return (
        environment()
        .get_template("report.html")
        .render(
            run=run,
            scenario=run.scenario,
            manifest=run.manifest,
            spoken=language.spoken(),
            other=other,
            languages=language.LANGUAGES,
            script=script,
            script_policy=policy,
            made=_made(run),
            currency=run.scenario.money.currency,
            headline=answer.headline(run),
            warning=validity.warning(run),
            ask_again=models.ask_again(run),
            models_asked=models.asked(run),
            known_as=models.known_as(run),
            left_out=models.left_out(run),
            left_out_words=models.LEFT_OUT,
            priced=prices.sentences(run),
            saving_sentence=readings.money_spread(run, best),
            paid_sentence=staffed.paid_saving(run, best),
            breakdown_sentence=readings.breakdown(run, best),
            risk_sentence=readings.risk(run),
            promises_left_out=left_out,
            automatic=any(run.automatic(*cell) for cell in run.cells),
            ahead=best is not None and best.stage != run.baseline,
            proposal=answer.proposal(run),
            best=best,
            matrix=how_far.matrix(run),
            ladders=ladders,
            cells=cells,
            heads={
                "waits": [*sections.WAITS],
                "at_times": sections.at_times(run),
                "daily": [m for m in sections.DAILY if any(cell[m].figures for cell in cells)],
                "outcomes": [*sections.OUTCOMES],
                "parts": [m for m in sections.PARTS if m != "promise_money" or not left_out],
            },
            metrics=wording.METRICS,
            gates=sections.gates(run),
            thresholds=sections.thresholds(run),
            segments=sections.segments(run),
            support=sections.labelled(run),
            staffed=[
                {
                    "stage": stage,
                    "candidate": candidate,
                    "hours": staffed.hours(run, (stage, candidate)),
                }
                for stage, candidate in staffed.cells(run)
            ],
            staffing_target=staffed.target(run),
            not_staffed=staffed.missing(run),
            paid=any(cell["paid_saving_money"].figures for cell in cells),
            verdict=validity.verdict(run),
            verdict_sentence=validity.sentence(run),
            criteria=validity.criteria(run),
            checks=validity.checks(run),
            remarks=validity.remarks(run),
            examples=examples.examples(run, run.redact),
            spectrum=spectrum.section(run),
            what_if=what_if.section(run),
            charts=[
                (chart, Markup(chart.svg), _link(chart)) for chart in _folded(run, charts, ladders)
            ],
            assumed=run.table("assumed").sort("name").to_dicts(),
            definitions=_defined(run, cells),
            in_english=language.spoken() == language.ENGLISH,
            methods=sections.methods(run, best),
            unknown=wording.UNKNOWN,
        )
    )


@cache
def _script() -> tuple[Markup, str]:
    """``page.js``, and the source expression by which the page's policy lets it and no other run.

    See Content Security Policy Level 3, section 2.3.1: the hash of what stands between the tags.
    """
    source = (resources.files("simulator.reports") / "templates" / "page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return Markup(source), f"sha256-{digest}"


def _folded(run: Run, charts: Sequence[Chart], ladders: list[dict[str, Any]]) -> list[Chart]:
    """``charts``, the load of candidates whose ladder is folded away in a section of their own."""
    folded = {
        f"load-{slug(ladder['advice'].candidate, run)}" for ladder in ladders if not ladder["open"]
    }
    return [
        replace(chart, section="load_of_others") if chart.name in folded else chart
        for chart in charts
    ]


def _made(run: Run) -> str:
    """When the run was made, to the minute; as the manifest has it where it is no ISO time."""
    text = str(run.manifest.get("created_at") or "")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at:%Y-%m-%d %H:%M} {at.tzname() or ''}".rstrip()


def _defined(run: Run, cells: Sequence[Mapping[str, Any]]) -> list[definitions.Definition]:
    """Terms, and the metrics that the page shows."""
    shown = {
        *sections.WAITS,
        *sections.at_times(run),
        *(metric for metric in sections.DAILY if any(cell[metric].figures for cell in cells)),
        *sections.OUTCOMES,
        *support.shown_metrics(run, support.all_cells(run)),
    }
    found = definitions.for_page(run)
    return [one for one in found if one.name in shown or one.name not in wording.METRICS]


def _link(chart: Chart) -> str:
    data = base64.b64encode(spreadsheets.csv(chart.data).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{data}"

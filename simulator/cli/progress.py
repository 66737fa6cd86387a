"""Progress on standard error: a bar with time left at a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from simulator.cli.terminal import is_plain

if TYPE_CHECKING:
    from rich.progress import TaskID

# In a pipe a long stage says how far it is no more often than this.
_QUIET_S = 10.0
NAMES = {
    "history": "reading the history",
    "backtest": "back-testing the desk",
    "points": "finding decision points",
    "contexts": "judging contexts",
    "replay": "replaying through the candidates",
    "verdicts": "judging the replies",
    "model_verdicts": "asking models about the replies",
    "rollout": "settling each stage",
    "contact_center": "simulating the desk",
    "staffing": "looking for the fewest agents",
    "money": "counting money",
    "what_if": "asking what if",
    "evidence": "drawing labels and testing gates",
    "assumed": "listing what was assumed",
    "report": "writing the report",
    "compare": "comparing candidates",
    "prompts": "writing the prompts",
    "cases": "looking for boundary cases",
    "files": "valuing replies and writing the files",
}


# Stages whose steps a reader counts by the second, and what they are.
RATES = {"replay": "replies"}


class Tell(Protocol):
    """What the pipeline calls: stage, steps done, steps in all (0: not known)."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Show it."""


@contextmanager
def progress() -> Iterator[Tell]:
    """Show progress while the block runs, and at its end how long it took."""
    began = time.monotonic()
    stages: set[str] = set()
    with _plain(began) if is_plain(sys.stderr) else _bars() as tell:

        def noting(stage: str, done: int, total: int, /) -> None:
            stages.add(stage)
            tell(stage, done, total)

        yield noting
    # Where nothing was to be done there is nothing to say.
    if stages:
        print(f"took {spent(time.monotonic() - began)}", file=sys.stderr)


@contextmanager
def _plain(began: float) -> Iterator[Tell]:
    told: dict[str, tuple[float, int]] = {}

    def plain(stage: str, done: int, total: int, /) -> None:
        now = time.monotonic()
        then, before = told.get(stage, (began, 0))
        if stage in told and (done == 0 or now - then < _QUIET_S):
            return
        far = how_far(stage, done, total, done - before, now - then) if done else ""
        told[stage] = now, done
        print(f"{now - began:6.1f} s  {NAMES[stage]}{far}", file=sys.stderr)

    yield plain


@contextmanager
def _bars() -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Time(ProgressColumn):
        """Seconds gone, seconds left where the number of steps is known, a replay's pace."""

        def render(self, task: Task) -> Text:
            gone, left = task.elapsed or 0.0, task.time_remaining
            text = spent(gone) + ("" if left is None else f", about {spent(left)} left")
            what = RATES.get(task.fields["stage"])
            return Text(f"{text}, {task.speed:.3g} {what}/s" if what and task.speed else text)

    console = Console(stderr=True)
    # A narrow terminal has room for the words alone.
    bar_width = 24 if console.width >= 100 else 8 if console.width >= 80 else 1
    name = TextColumn("{task.description:<34}" if console.width >= 80 else "{task.description}")
    columns = (name, BarColumn(bar_width=bar_width), Time())
    # Leaving the block, by an error or Ctrl-C too, takes the bar away and shows the cursor again.
    with Progress(*columns, console=console, transient=True) as bars:
        shown: dict[str, TaskID] = {}

        def bar(stage: str, done: int, total: int, /) -> None:
            if stage not in shown:
                for task in shown.values():
                    bars.update(task, visible=False)
                shown[stage] = bars.add_task(NAMES[stage], total=total or None, stage=stage)
            bars.update(shown[stage], completed=done, total=total or None)

        yield bar


def spent(seconds: float) -> str:
    """A length of time to the second: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def how_far(stage: str, done: int, total: int, more: int, in_s: float) -> str:
    """How far a stage is, for a plain line, with the time left; of the replay with its pace.

    Args:
        stage: its name.
        done: steps done.
        total: steps in all; 0: not known.
        more: of ``done``, those since the stage was last told of.
        in_s: seconds since then.
    """
    if not total:
        return f" ({done})"
    text = f"{done} of {total}"
    if more > 0 and in_s > 0:
        pace = more / in_s
        text += f", {pace:.3g} {RATES[stage]}/s" if stage in RATES else ""
        text += f", about {spent((total - done) / pace)} left"
    return f" ({text})"

"""``shadowdesk doctor``: what this machine can run, and the command that installs what is missing.

It only reports, so it ends with 0 whatever it finds. Neither torch nor vllm is imported in this
process: see :mod:`simulator.cli.doctor.libraries`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from simulator.cli.doctor.diagnosis import Facts, Problem, Way

# Those that pyproject.toml names: older ones are refused, newer ones untried.
PYTHONS = ("3.11", "3.12", "3.13")
_CORE = ("polars", "duckdb", "numpy", "numba", "simpy", "matplotlib")
_WIDTH = 100
_GIB = 1 << 30


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="Print the same facts as JSON.")] = False,
) -> None:
    """Say what this machine can run, and the command to install what is missing.

    Example: shadowdesk doctor

    With --json: shadowdesk, python, machine, core, libraries, ways, problems.
    """
    import json

    from simulator.cli.doctor import libraries, machine
    from simulator.cli.doctor.diagnosis import Facts, diagnosis

    found = libraries.look()
    installed = [name for name, one in found.items() if one.version]
    facts = Facts(machine.look(Path("outputs")), found, tuple(libraries.clashes(installed)))
    ways, problems = diagnosis(facts, _product())
    report = as_json(facts, ways, problems)
    typer.echo(json.dumps(report, indent=2) if json_ else "\n".join(in_words(report)))


def _product() -> str:
    """What pip takes for shadowdesk: its name where it is installed, else the folder it is in."""
    from simulator.cli.doctor.libraries import version

    here = Path(__file__).resolve().parents[3]
    if version("shadowdesk"):
        return "shadowdesk"
    return "." if here == Path.cwd() else str(here)


def as_json(facts: Facts, ways: Sequence[Way], problems: Sequence[Problem]) -> dict[str, Any]:
    """All that was found, ready for JSON; sizes in bytes, null for what is not known."""
    import platform

    from simulator import __version__
    from simulator.cli.doctor.libraries import COMPANIONS, EXTRAS, version

    python = platform.python_version()
    here = facts.machine._asdict()
    extra_of = {name: extra for extra, names in EXTRAS.items() for name in names}
    return {
        "shadowdesk": __version__,
        "python": {
            "version": python,
            "supported": list(PYTHONS),
            "is_supported": python.rpartition(".")[0] in PYTHONS,
        },
        "machine": here
        | {
            "outputs": str(facts.machine.outputs),
            "gpus": [gpu._asdict() for gpu in facts.machine.gpus],
        },
        "core": {name: version(name) for name in _CORE},
        "libraries": [
            one._asdict() | {"extra": extra_of.get(one.name)}
            for one in facts.libraries.values()
            if one.version or one.name not in COMPANIONS
        ],
        "ways": [way._asdict() for way in ways],
        "problems": [problem._asdict() for problem in problems],
    }


def in_words(report: Mapping[str, Any]) -> Iterator[str]:
    """The report in lines of at most 100 columns; only commands may be longer."""
    python, here = report["python"], report["machine"]
    untried = "" if python["is_supported"] else f"; tried with {', '.join(PYTHONS)} only"
    yield f"shadowdesk {report['shadowdesk']}, Python {python['version']}{untried}"
    features = here["features"]
    yield ""
    yield "Machine"
    yield from _row("system", f"{here['system']} {here['release']}, {here['architecture']}")
    yield from _row("processor", f"{here['cpu'] or 'model not known'}, {_cores(here['cores'])}")
    yield from _row("features", "not known" if features is None else " ".join(features) or "none")
    free, total = _size(here["memory_free_bytes"]), _size(here["memory_bytes"])
    yield from _row("memory", f"{free} free of {total}")
    for gpu in here["gpus"]:
        yield from _row(
            "GPU",
            f"{gpu['name']}, {_size(gpu['memory_bytes'])}, driver {gpu['driver'] or 'not known'}, "
            f"compute capability {gpu['capability'] or 'not known'}",
        )
    if not here["gpus"]:
        yield from _row("GPU", here["gpu_fault"] or "none found")
    yield from _row("disk", f"{_size(here['disk_free_bytes'])} free for {here['outputs']}")
    yield ""
    yield "Libraries"
    core = (f"{name} {version or 'missing'}" for name, version in report["core"].items())
    yield from _row("core", ", ".join(core))
    for one in report["libraries"]:
        yield from _row(one["extra"] or "(others)", f"{one['name']} {_state(one)}")
    yield ""
    yield "Ways to run a model"
    for way in report["ways"]:
        why = f": {way['why']}" if way["why"] else ""
        yield from _row(way["name"], f"{way['status'].replace('_', ' ')}{why}")
        last = len(way["install"]) - 1
        for number, command in enumerate(way["install"]):
            yield f"    {command}{' &&' if number < last else ''}"
    if report["problems"]:
        yield ""
        yield "What does not go together"
    for problem in report["problems"]:
        yield from _row(problem["name"], problem["what"])
        yield from _row("", problem["symptom"])
        yield from _row("", f"mend it: {problem['fix']}")
    yield ""
    yield "The quickstart and the candidates without a model run without any of these ways."


def _row(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {name:<18}",
        subsequent_indent=" " * 20,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _state(library: Mapping[str, Any]) -> str:
    if library["version"] is None:
        return "not installed"
    if library["imports"]:
        return str(library["version"])
    verb = "does not import" if library["imports"] is False else "not known"
    return f"{library['version']}, {verb}: {library['error']}"


def _size(size_bytes: int | None) -> str:
    return "not known" if size_bytes is None else f"{size_bytes / _GIB:.1f} GiB"


def _cores(n: int) -> str:
    return f"{n} core{'s' * (n > 1)}"

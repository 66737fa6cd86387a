"""What a machine is made of, as far as models care: processor, memory, GPUs, disk.

Read from what the system and the makers' tools say (``/proc``, ``nvidia-smi``, ``rocm-smi``), never
through a library that could crash. What is not said is null.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

# Of the processor's features, those that decide which kernels a model runs on. Arm's names in
# /proc/cpuinfo: asimd is NEON.
FEATURES = (
    *("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16", "sve"),
)
_TOOL_LIMIT_S = 5
_NVIDIA = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,driver_version,compute_cap",
    "--format=csv,noheader,nounits",
)
_AMD = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json")


class Gpu(NamedTuple):
    """A GPU. ``capability``: NVIDIA's compute capability ("9.0") or AMD's target ("gfx942")."""

    maker: str
    name: str
    memory_bytes: int | None
    driver: str | None
    capability: str | None


class Machine(NamedTuple):
    """What was found. ``cores``: those that this process may use. ``features``: null, not known.

    ``gpu_fault``: why a tool for GPUs that is there gave nothing.
    """

    system: str
    release: str
    architecture: str
    cpu: str | None
    cores: int
    features: tuple[str, ...] | None
    memory_bytes: int | None
    memory_free_bytes: int | None
    gpus: tuple[Gpu, ...]
    gpu_fault: str | None
    outputs: Path
    disk_free_bytes: int | None


def look(outputs: Path) -> Machine:
    """This machine; ``outputs``: where runs are written, there already or not."""
    model, features = cpu(_text("/proc/cpuinfo"))
    total, free = memory(_text("/proc/meminfo"))
    gpus, fault = _gpus()
    place = outputs.resolve()
    while not place.exists():
        place = place.parent
    return Machine(
        system=platform.system(),
        release=platform.release(),
        architecture=platform.machine(),
        cpu=model,
        cores=_cores(),
        features=features,
        memory_bytes=total,
        memory_free_bytes=free,
        gpus=gpus,
        gpu_fault=fault,
        outputs=outputs.resolve(),
        disk_free_bytes=shutil.disk_usage(place).free,
    )


def cpu(text: str) -> tuple[str | None, tuple[str, ...] | None]:
    """Model and features (those of :data:`FEATURES`) from the text of ``/proc/cpuinfo``."""
    first: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        first.setdefault(key.strip(), value.strip())
    flags = first.get("flags", first.get("Features"))
    found = None if flags is None else tuple(one for one in FEATURES if one in flags.split())
    return first.get("model name") or None, found


def memory(text: str) -> tuple[int | None, int | None]:
    """Bytes in all, and bytes free for a new program, from the text of ``/proc/meminfo``."""
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if number.isdigit() and unit == "kB":
            found[key] = int(number) * 1024
    return found.get("MemTotal"), found.get("MemAvailable")


def nvidia(text: str) -> tuple[Gpu, ...]:
    """GPUs from what ``nvidia-smi`` answers to name, memory (MiB), driver, compute capability."""
    found = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) == 4:
            name, mebibytes, driver, capability = (_said(one) for one in row)
            size = int(mebibytes) << 20 if mebibytes and mebibytes.isdigit() else None
            found.append(Gpu("nvidia", name or "NVIDIA GPU", size, driver, capability))
    return tuple(found)


def amd(text: str) -> tuple[Gpu, ...]:
    """GPUs from the JSON of ``rocm-smi``, whose keys differ in their capitals by version."""
    try:
        cards = json.loads(text)
    except ValueError:
        return ()
    said = {
        card: {key.lower(): str(value) for key, value in facts.items()}
        for card, facts in cards.items()
    }
    driver = said.pop("system", {}).get("driver version")
    found = []
    for facts in said.values():
        size = facts.get("vram total memory (b)", "")
        name = facts.get("card series") or facts.get("card model") or "AMD GPU"
        size_bytes = int(size) if size.isdigit() else None
        found.append(Gpu("amd", name, size_bytes, driver, facts.get("gfx version")))
    return tuple(found)


def _gpus() -> tuple[tuple[Gpu, ...], str | None]:
    for command, parsed in ((_NVIDIA, nvidia), (_AMD, amd)):
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TOOL_LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return (), f"{command[0]} is here but does not answer: {error}"
        found = parsed(done.stdout) if done.returncode == 0 else ()
        if found:
            return found, None
        said = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()[0]
        return (), f"{command[0]} is here but finds no GPU; it says: {said}"
    return (), None


def _said(value: str) -> str | None:
    value = value.strip()
    return None if not value or value.startswith("[") else value


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1

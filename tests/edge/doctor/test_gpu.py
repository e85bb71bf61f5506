"""What `mnv2-edge doctor` finds on Jetsons that are well and on ones that are not, and its trial of the GPU."""

import dataclasses
import json
from pathlib import Path

import msgspec
import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.doctor import Finding, Machine
from mnv2_edge.doctor.checks import CHECKS, JETSON_CHECKS
from mnv2_edge.doctor.device.jetson import check_gpu, check_jetpack, check_memory, check_power, check_tensorrt
from mnv2_edge.doctor.gpu.report import assess_trial, describe_trial, read_trial
from mnv2_edge.doctor.gpu.trial import GpuTrial, run_trial
from mnv2_edge.doctor.probe import Probe, run_command, run_python
from mnv2_engines.demo import demo_engine_path
from support.fake_jetson import FakeJetson
from support.fake_packages import write_fake_packages

MEMINFO = "MemTotal: 7620000 kB\nMemAvailable: {available} kB\nSwapFree: {swap} kB\n"
QUERY = "NV Power Mode: {name}\n{number}"


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, tmp_path):
    return FakeJetson(monkeypatch, tmp_path / "root")


def system(root: Path, *, release: str = "R36 (release), REVISION: 4.3", available: int = 5_000_000) -> Path:
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/nv_tegra_release").write_text(f"# {release}, GCID: 1, BOARD: generic\n")
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/meminfo").write_text(MEMINFO.format(available=available, swap=0))
    return root


@pytest.fixture
def machine(tmp_path):
    """Return a Jetson on which all is well."""
    return Machine(
        python=(3, 10, 12),
        distributions={},
        requirements=(),
        plugins=(),
        engine=demo_engine_path(),
        home=tmp_path,
        run_python=lambda code, *_, **_options: Probe("TensorRT 10.3.0" if "TensorRT" in code else "Orin", ""),
        run_command=lambda *_: Probe(QUERY.format(name="MAXN_SUPER", number=2), ""),
        root=system(tmp_path / "root"),
        list_cameras=lambda: (),
        may_open=lambda _path: True,
        brokers=(),
        log_in=lambda _login: None,
    )


def change(machine: Machine, **fields: object) -> Machine:
    return dataclasses.replace(machine, **fields)


def test_a_jetson_that_is_well(machine) -> None:
    findings = {check.name: check.look(machine) for check in JETSON_CHECKS}
    assert {name: finding.verdict for name, finding in findings.items()} == dict.fromkeys(findings, "ok")
    assert findings["jetpack"].why == "L4T 36.4.3"
    assert findings["power"].why == "power mode MAXN_SUPER"
    assert findings["memory"].why == "4882 MiB of memory and 0 MiB of swap are free"
    assert not {check.name for check in JETSON_CHECKS} & {check.name for check in CHECKS}


@pytest.mark.parametrize("release", ["R32 (release), REVISION: 7.4", "R35 (release), REVISION: 5.0"])
def test_a_jetpack_that_cannot_be_served(machine, tmp_path, release) -> None:
    finding = check_jetpack(change(machine, root=system(tmp_path / "old", release=release)))
    assert finding.verdict == "fail"
    assert "JetPack 6.0 (L4T 36.3) is the oldest that can be served" in finding.why
    assert "--target litert" in finding.mend


def test_another_machine(machine, tmp_path) -> None:
    assert check_jetpack(change(machine, root=tmp_path / "nothing")).why == "this is not a Jetson"
    (tmp_path / "container/proc/device-tree").mkdir(parents=True)
    (tmp_path / "container/proc/device-tree/compatible").write_text("nvidia,tegra234\0")
    finding = check_jetpack(change(machine, root=tmp_path / "container"))
    assert "does not see the Jetson's L4T" in finding.why
    assert "/etc/nv_tegra_release" in finding.mend


def test_the_reason_and_the_command_come_from_whoever_tried(machine) -> None:
    """Here both really are tried, in child processes: there is no TensorRT and no package for CUDA."""
    here = change(machine, run_python=run_python)
    tensorrt = check_tensorrt(here)
    assert tensorrt.verdict == "fail"
    assert "TensorRT's Python module is not installed (L4T 36.4.3)" in tensorrt.why
    assert tensorrt.mend == "sudo apt install python3-libnvinfer"
    gpu = check_gpu(here)
    assert gpu.verdict == "fail"
    assert "no Python package for CUDA can be imported" in gpu.why
    assert gpu.mend.startswith("pip install 'cuda-python>=1")


@pytest.mark.parametrize(
    ("probe", "verdict", "words"),
    [
        (Probe("NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN\n0", ""), "ok", "power mode MAXN"),
        (Probe("NV Power Mode: 15W\n0", ""), "warn", "power mode 15W, not MAXN"),
        (Probe("something else", ""), "warn", "names no power mode"),
        (Probe("", "nvpmodel cannot be started: No such file or directory"), "warn", "unknown: nvpmodel cannot be"),
    ],
)
def test_power_modes(machine, probe, verdict, words) -> None:
    finding = check_power(change(machine, run_command=lambda *_: probe))
    assert finding.verdict == verdict
    assert words in finding.why
    assert bool(finding.mend) == (verdict != "ok" and not probe.trouble)


def test_a_board_that_is_short_of_memory(machine, tmp_path) -> None:
    finding = check_memory(change(machine, root=system(tmp_path / "small", available=300_000)))
    assert finding.verdict == "warn"
    assert finding.mend == "sudo systemctl isolate multi-user.target"
    assert check_memory(change(machine, root=tmp_path / "nothing")).verdict == "warn"


def test_a_program_that_is_not_there() -> None:
    assert "cannot be started" in run_command("no-such-program-of-nvidia").trouble


# The trial


@pytest.mark.parametrize("provider", ["cuda-python", "pycuda"])
def test_the_trial_builds_runs_compares_and_times(jetson, provider) -> None:
    jetson.use_provider(provider)
    trial = run_trial(jetson.root, runs=5)
    assert (trial.facts.tensorrt, trial.facts.l4t, trial.facts.gpu) == ("10.3.0", "36.4.0", "Orin")
    assert trial.provider.startswith(provider)
    assert trial.same == trial.pictures == 24
    assert trial.sqnr_db > 40.0  # the plan is in FP16, the reference in float32: near, and not equal
    ways = [(timing.backend, timing.memory, timing.graph) for timing in trial.timings]
    graphs = [False, True] if provider == "cuda-python" else [False]
    assert bool(trial.graph_trouble) == (provider == "pycuda")
    assert ways == [
        *(("tensorrt", memory, graph) for graph in graphs for memory in ("mapped", "copy")),
        ("litert", "", False),
    ]
    assert jetson.gpu.live == []
    assert assess_trial(trial).verdict == "ok"


def test_a_network_that_cannot_be_captured_is_told_of_and_timed_without(jetson) -> None:
    jetson.gpu.capturable = False
    trial = run_trial(jetson.root, runs=2)
    assert not any(timing.graph for timing in trial.timings)
    assert "not permitted when stream is capturing" in trial.graph_trouble
    text = describe_trial(trial, board="a board", power="MAXN")
    assert "| CUDA graphs | none: the demo network's plan" in text


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> GpuTrial:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return run_trial(FakeJetson(monkeypatch, tmp_path_factory.mktemp("trial")).root, runs=2)


def test_what_computes_something_else_is_a_failure(trial) -> None:
    for wrong in (msgspec.structs.replace(trial, same=23), msgspec.structs.replace(trial, sqnr_db=12.0)):
        finding = assess_trial(wrong)
        assert finding.verdict == "fail"
        assert "TensorRT and LiteRT differ" in finding.why


def test_the_block_says_what_a_report_needs(trial) -> None:
    text = describe_trial(trial, board="NVIDIA Jetson Orin Nano", power="power mode 15W")
    for words in (
        "NVIDIA Jetson Orin Nano",
        "| TensorRT | 10.3.0 |",
        "| L4T | 36.4.0 |",
        "power mode 15W",
        "compute capability 8.7",
    ):
        assert words in text
    assert "| TensorRT FP16, mapped, CUDA graph |" in text
    assert "| LiteRT int8, 1 thread |" in text
    assert "24 of 24 equal" in text


def test_a_trial_that_crashes_is_a_finding() -> None:
    finding = read_trial(Probe("", "it crashed with SIGSEGV"))
    assert isinstance(finding, Finding)
    assert finding.verdict == "fail"
    assert "it crashed with SIGSEGV" in finding.why


class TestCommand:
    @pytest.fixture
    def here(self, machine, monkeypatch, trial):
        def run(code: str, *_arguments: str, **_options: object) -> Probe:
            return Probe(msgspec.json.encode(trial).decode() if "doctor.gpu.trial" in code else "TensorRT 10.3.0", "")

        fake = change(machine, run_python=run)
        monkeypatch.setattr("mnv2_edge.doctor.machine.this_machine", lambda *_, **__: fake)
        monkeypatch.setattr("mnv2_edge.doctor.checks.CHECKS", ())

    def test_a_jetson_is_asked_more(self, here, capsys) -> None:
        assert program.main(["doctor"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines[1:-2]] == ["jetpack", "tensorrt", "gpu", "power", "memory"]

    def test_the_trial_ends_with_the_block(self, here, capsys) -> None:
        assert program.main(["doctor", "--tensorrt"]) == 0
        out = capsys.readouterr().out
        assert "gpu-trial  ok" in out
        assert "\nTensorRT report, 20" in out

    def test_json_has_it_all(self, here, capsys) -> None:
        assert program.main(["doctor", "--tensorrt", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["checks"][-1]["name"] == "gpu-trial"
        assert report["tensorrt"]["facts"]["tensorrt"] == "10.3.0"

    def test_without_tensorrt_there_is_no_trial_but_a_reason(self, machine, monkeypatch, capsys) -> None:
        fake = change(machine, run_python=lambda *_, **_options: Probe("", "TensorRT is not there: `do this`"))
        monkeypatch.setattr("mnv2_edge.doctor.machine.this_machine", lambda *_, **__: fake)
        monkeypatch.setattr("mnv2_edge.doctor.checks.CHECKS", ())
        assert program.main(["doctor", "--tensorrt"]) == 1
        out = capsys.readouterr().out
        assert "gpu-trial" not in out
        assert "\n    do this\n" in out


def test_the_command_on_a_fake_jetson(tmp_path, monkeypatch, capsys) -> None:
    """The whole of it, child processes included, with fakes of NVIDIA's modules on PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", write_fake_packages(tmp_path / "modules"))
    monkeypatch.setattr("mnv2_edge.doctor.checks.CHECKS", ())
    assert program.main(["doctor", "--tensorrt"]) == 0, capsys.readouterr()
    assert "24 of 24 pictures as LiteRT in float" in capsys.readouterr().out

"""Checks of what TensorRT needs: JetPack, its Python module, access to a GPU, power and memory."""

import re
from typing import Final

from mnv2_edge.doctor import Finding, Machine
from mnv2_engines.errors import MemoryShortageError
from mnv2_engines.tensorrt.jetson import is_jetson, read_jetson
from mnv2_engines.tensorrt.memory import read_free_memory, require_memory

__all__ = ["check_gpu", "check_jetpack", "check_memory", "check_power", "check_tensorrt"]

_IMPORT: Final = """
import sys
from pathlib import Path
from mnv2_engines.errors import EnginesError
from mnv2_engines.tensorrt.module import import_tensorrt
try:
    print("TensorRT", import_tensorrt(Path(sys.argv[1])).__version__)
except EnginesError as exc:
    sys.exit(str(exc))
"""
_FIND_GPU: Final = """
import sys
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.errors import EnginesError
try:
    cuda = open_cuda()
except EnginesError as exc:
    sys.exit(str(exc))
gpu = cuda.gpu
memory = "shares its memory with the CPU" if gpu.integrated else "has memory of its own"
graphs = "CUDA graphs" if cuda.has_graphs else "no CUDA graphs"
print(f"{gpu.name} ({gpu.compute_capability}), {memory}; CUDA {gpu.driver_cuda}, {cuda.name}, {graphs}")
"""
_COMMAND: Final = re.compile(r"`([^`]+)`")
_POWER_MODE: Final = re.compile(r"NV Power Mode:\s*(?P<name>\S.*)")
_TYPICAL_MODEL_BYTES: Final = 14 << 20
"""MobileNetV2 1.0 at 224 pixels, as ONNX."""


def check_jetpack(machine: Machine) -> Finding:
    """Check whether the JetPack of this board is supported."""
    jetson = read_jetson(machine.root)
    if jetson.unsupported:
        return Finding("fail", jetson.unsupported, "mnv2-edge build-engine MODEL.onnx --target litert --calibration 0")
    if not jetson.is_jetson:
        container = is_jetson(machine.root)
        unseen = "a container that does not see the Jetson's L4T: its upgrades go unnoticed"
        why = unseen if container else "not a Jetson"
        mend = "docker run -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro --runtime nvidia ..." if container else ""
        return Finding("warn", f"this is {why}", mend)
    jetpack = f"JetPack {jetson.jetpack}, " if jetson.jetpack else ""
    return Finding("ok", f"{jetpack}L4T {jetson.l4t}")


def check_tensorrt(machine: Machine) -> Finding:
    """Import TensorRT, in a process of its own: a library that does not fit may crash it."""
    return _finding(machine, _IMPORT, str(machine.root))


def check_gpu(machine: Machine) -> Finding:
    """Open the GPU through whichever Python package for CUDA is there."""
    return _finding(machine, _FIND_GPU)


def check_power(machine: Machine) -> Finding:
    """Read the power mode: it decides how fast a Jetson is, by a factor of up to four."""
    probe = machine.run_command("nvpmodel", "-q")
    if probe.trouble:
        return Finding("warn", f"the power mode is unknown: {probe.trouble}")
    mode = _POWER_MODE.search(probe.output)
    if mode is None:
        return Finding("warn", "nvpmodel -q names no power mode", "sudo nvpmodel -q --verbose")
    name = mode["name"].strip()
    if not name.upper().startswith("MAXN"):
        return Finding(
            "warn",
            f"power mode {name}, not MAXN, which is the fastest of boards that have it; the command lists all of them, "
            "`sudo nvpmodel -m NUMBER` sets one",
            "sudo nvpmodel -p --verbose",
        )
    return Finding("ok", f"power mode {name}")


def check_memory(machine: Machine) -> Finding:
    """Find out whether a build would survive."""
    from mnv2_engines.tensorrt.format import WORKSPACE_MIB

    free = read_free_memory(machine.root)
    if free is None:
        return Finding("warn", "how much memory is free is unknown: there is no /proc/meminfo")
    try:
        require_memory(_TYPICAL_MODEL_BYTES, WORKSPACE_MIB, free)
    except MemoryShortageError as exc:
        return Finding("warn", str(exc), "sudo systemctl isolate multi-user.target")
    return Finding("ok", f"{free.available} MiB of memory and {free.swap} MiB of swap are free")


def _finding(machine: Machine, code: str, *arguments: str) -> Finding:
    probe = machine.run_python(code, *arguments)
    if probe.trouble:
        command = _COMMAND.search(probe.trouble)
        return Finding("fail", probe.trouble, command[1] if command else "")
    return Finding("ok", probe.output.splitlines()[-1])

"""Find out which names our code uses of cuda-python and pycuda, and which names those have."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["names_in_cudart", "names_in_pycuda", "used_calls", "used_names"]

_CUDART = {"rt": "", "cudart": "", "self._cudart": "", "found": "cudaDeviceProp."}
_PYCUDA = {
    "driver": "",
    "self._driver": "",
    "device": "Device.",
    "attributes": "device_attribute.",
    "stream": "Stream.",
    "context": "Context.",
    "array.base": "HostPointer.",  # the base class of PagelockedHostAllocation
    "allocation": "PagelockedHostAllocation.",
    "self._streams[stream]": "Stream.",
    "self._allocations.pop(address)": "DeviceAllocation.",
}
"""What an expression in our source is in the package; the names in it are methods of that class."""


def used_names(source: str, package: str) -> set[str]:
    """Return what a provider's source takes from its package, for example `cudaError_t.cudaSuccess`."""
    found = {name for node in ast.walk(ast.parse(source)) if (name := _name(node, package))}
    return found - {name.rpartition(".")[0] for name in found}


def used_calls(source: str) -> dict[str, int]:
    """Return with how many arguments each of cuda-python's functions is called."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {name: len(call.args) for call in calls if (name := _name(call.func, "cuda-python")) and "." not in name}


def _name(node: ast.AST, package: str) -> str | None:
    roots = _CUDART if package == "cuda-python" else _PYCUDA
    chain: list[str] = []
    while isinstance(node, ast.Attribute):
        chain.insert(0, node.attr)
        node = node.value
        root = roots.get(ast.unparse(node))
        if root is not None:
            return ".".join((root + ".".join(chain)).split(".")[:2])  # what is behind belongs to Python's own types
    return None


def names_in_cudart(folder: Path, module: str) -> dict[str, int | None]:
    """Import the real module from a folder of packages, in a process of its own.

    Return what it has, and for functions how many arguments they take: their documentation begins with their signature.
    """
    code = f"""
import json, re, {module} as rt
names = {{}}
for name in dir(rt):
    signature = re.match(name + r"\\((.*)\\)", (getattr(rt, name).__doc__ or "").strip().split("\\n")[0])
    names[name] = len([one for one in signature[1].split(", ") if one]) if signature else None
for kind in ("cudaError_t", "cudaMemcpyKind", "cudaStreamCaptureMode", "cudaDeviceProp"):
    names |= {{f"{{kind}}.{{name}}": None for name in dir(getattr(rt, kind))}}
print(json.dumps(names))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    names: dict[str, int | None] = json.loads(done.stdout)
    return names


_CLASS = re.compile(r'py::(?:class_|enum_)<[^;{]*?>\s*(?:\w+\s*)?\(\s*"(?P<owner>\w+)"')
_METHOD = re.compile(
    r'\.(?:def|value|add_property|attr)\(\s*"(?P<method>\w+)"|\bDEF_SIMPLE_METHOD\((?P<simple_method>\w+)\)'
)
_FUNCTION = re.compile(
    r'\bpy::def\(\s*"(?P<function>\w+)"|\bDEF_SIMPLE_FUNCTION\((?P<simple_function>\w+)\)|'
    r"\bDECLARE_EXC\((?P<error>\w+)"
)


def names_in_pycuda(wrapper: str) -> set[str]:
    """Read the names that pycuda's C++ source `src/wrapper/wrap_cudadrv.cpp` gives to Python."""
    matches = [match for pattern in (_CLASS, _METHOD, _FUNCTION) for match in pattern.finditer(wrapper)]
    found: set[str] = set()
    owner = ""
    for match in sorted(matches, key=lambda match: match.start()):
        ((group, name),) = [(group, name) for group, name in match.groupdict().items() if name]
        if group == "owner":
            owner = name
        found.add(f"{owner}.{name}" if "method" in group else name)
    return found

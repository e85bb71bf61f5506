"""The choice between the two Python packages for CUDA."""

import sys
from typing import Final, Literal, TypeAlias

from mnv2_engines.cuda import CudaRuntime
from mnv2_engines.cuda.cuda_python import CudaPythonRuntime, import_cudart
from mnv2_engines.cuda.pycuda_driver import PycudaRuntime, import_pycuda_driver
from mnv2_engines.errors import BackendUnavailableError

__all__ = ["CudaProvider", "open_cuda"]

CudaProvider: TypeAlias = Literal["auto", "cuda-python", "pycuda"]

_FIRST_WITH_CUDA_13: Final = (3, 12)
"""JetPack 7 has Python 3.12 and CUDA 13, JetPack 6 has Python 3.10 and CUDA 12."""


def open_cuda(provider: CudaProvider = "auto") -> CudaRuntime:
    """Open GPU 0 through cuda-python, or else through pycuda.

    The first that can be imported is taken; it is not given up for the other when it finds no GPU. Raises
    BackendUnavailableError when neither can be imported, or there is no GPU.
    """
    reasons = []
    if provider in {"auto", "cuda-python"}:
        try:
            return CudaPythonRuntime(import_cudart())
        except BackendUnavailableError:
            raise
        except ImportError as exc:
            reasons.append(f"cuda-python: {exc}")
    if provider in {"auto", "pycuda"}:
        try:
            return PycudaRuntime(import_pycuda_driver())
        except BackendUnavailableError:
            raise
        except ImportError as exc:
            reasons.append(f"pycuda: {exc}")
    raise BackendUnavailableError(
        f"no Python package for CUDA can be imported ({'; '.join(reasons)}): `pip install '{_requirement(provider)}'`"
    )


def _requirement(provider: CudaProvider) -> str:
    if provider == "pycuda":
        return "pycuda>=2022.1"
    return "cuda-python>=13,<14" if sys.version_info >= _FIRST_WITH_CUDA_13 else "cuda-python>=12,<13"

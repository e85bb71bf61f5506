"""Say in the same words what both Python packages for CUDA find missing."""

__all__ = ["cuda_version", "no_gpu", "old_driver"]


def cuda_version(number: int) -> str:
    """Return `12.6` for 12060, which is how CUDA writes it."""
    return f"{number // 1000}.{number % 1000 // 10}"


def no_gpu(reason: str) -> str:
    """Return the message for a machine on which CUDA finds no GPU; `reason` is CUDA's own text."""
    return (
        f"there is no NVIDIA GPU that this process can use ({reason}): in a container start it with "
        "`--runtime nvidia`; on other machines `mnv2-edge build-engine MODEL.onnx --target litert --calibration FOLDER`"
    )


def old_driver(package: str, serves: str, needs: str) -> str:
    """Return the message for a Python package that is newer than the driver."""
    major = serves.partition(".")[0]
    return (
        f"{package} needs a driver for CUDA {needs}, this one serves CUDA {serves}: "
        f"`pip install 'cuda-python>={major},<{int(major) + 1}'`"
    )

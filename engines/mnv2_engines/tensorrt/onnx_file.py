"""An ONNX file for TensorRT, with its batch fixed at one picture."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mnv2_engines.errors import BackendUnavailableError, ModelError
from mnv2_engines.files.regular_file import require_regular

if TYPE_CHECKING:
    import onnx

__all__ = ["encode_model", "fix_batch", "import_onnx", "load_model"]


def load_model(path: Path) -> onnx.ModelProto:
    """Read a model with the weights that lie beside it, if there are such.

    Raises ModelError for a file that is missing, unreadable or no ONNX, BackendUnavailableError without onnx.
    """
    lib = import_onnx()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # onnx depends on it, without types

    try:
        require_regular(path)
        model: onnx.ModelProto = lib.load(str(path))
    except DecodeError as exc:
        raise ModelError(
            f"{path} is not an ONNX file: {exc}; expected what torch.onnx.export or tf2onnx writes"
        ) from exc
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc.strerror or exc}; expected an ONNX file") from exc
    except (ValueError, lib.checker.ValidationError) as exc:  # external weights that are missing or lead elsewhere
        raise ModelError(f"{path} cannot be read with its weights: {exc}; copy both files together") from exc
    return model


def encode_model(model: onnx.ModelProto) -> bytes:
    """Return the file's bytes; the same model gives the same bytes."""
    return bytes(model.SerializeToString(deterministic=True))


def fix_batch(model: onnx.ModelProto) -> None:
    """Set a batch that the file leaves open to one, so that TensorRT plans for one shape and needs no profile.

    Whatever else is open stays so, and a batch that the file states is not touched.
    """
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    symbols = set()
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name in weights or not dims or dims[0].dim_value > 0:
            continue
        symbols.add(dims[0].dim_param)
        dims[0].dim_value = 1
    symbols.discard("")
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_value = 1
    if symbols:
        del graph.value_info[:]  # they may name the symbol too, and TensorRT works them out by itself


def import_onnx() -> ModuleType:
    """Return the module `onnx`. Raises BackendUnavailableError when there is none."""
    try:
        import onnx
        import onnx.checker
        import onnx.defs
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError as exc:
        raise BackendUnavailableError("onnx is not importable: run `pip install onnx`") from exc
    module: ModuleType = onnx
    return module

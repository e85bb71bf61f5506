"""A network in the form that the TensorRT version takes: typed from version 10 on, by flag before."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from mnv2_engines.errors import ModelError
from mnv2_engines.tensorrt.build_log import TensorRtLog
from mnv2_engines.tensorrt.fp16.conversion import to_fp16
from mnv2_engines.tensorrt.onnx_file import encode_model

if TYPE_CHECKING:
    import onnx

__all__ = ["NetworkFile", "PlanPrecision", "is_typed", "make_network_file", "parse_network"]

PlanPrecision: TypeAlias = Literal["fp16", "fp32"]

_ERRORS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class NetworkFile:
    """The ONNX file that TensorRT reads, and how the model was changed for it."""

    onnx: bytes
    kept: tuple[str, ...] = ()
    """Nodes that stay float32 in an FP16 file."""
    warnings: tuple[str, ...] = ()


def is_typed(trt: ModuleType) -> bool:
    """Return whether this version computes in the types that the file states (10 on), or as its flags allow (8.6)."""
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def make_network_file(trt: ModuleType, model: onnx.ModelProto, precision: PlanPrecision) -> NetworkFile:
    """Return the file for this version of TensorRT: in FP16 where the file decides, else as it is.

    Raises ModelError for a model that cannot be converted.
    """
    if precision == "fp32" or not is_typed(trt):
        return NetworkFile(encode_model(model))
    half = to_fp16(model)
    return NetworkFile(encode_model(half.model), half.kept, half.warnings)


def parse_network(trt: ModuleType, builder: Any, logger: object, log: TensorRtLog, onnx: bytes) -> tuple[Any, Any]:  # noqa: ANN401 - TensorRT has no types
    """Return an `INetworkDefinition` of an ONNX file, and the parser, which owns its weights: hold on to both.

    Raises ModelError with TensorRT's own words when it does not take the file.
    """
    flags = trt.NetworkDefinitionCreationFlag
    flag = flags.STRONGLY_TYPED if is_typed(trt) else flags.EXPLICIT_BATCH
    network = builder.create_network(1 << int(flag))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        raise ModelError(f"TensorRT {trt.__version__} does not take the network: {_complaints(parser, log)}; {_NEXT}")
    if network.num_layers == 0:  # an empty file is a valid protobuf, and parses
        raise ModelError(f"TensorRT {trt.__version__} found no network in {len(onnx)} bytes: expected an ONNX file")
    return network, parser


_NEXT: Final = "export the model with other operators or another opset, or build with --target litert"


def _complaints(parser: Any, log: TensorRtLog) -> str:  # noqa: ANN401 - TensorRT has no types
    """Return the parser's errors in one line; its log, when it lists none."""
    texts = [_complaint(parser.get_error(index)) for index in range(min(parser.num_errors, _ERRORS_SHOWN))]
    return "; ".join(texts) or log.said()


def _complaint(error: Any) -> str:  # noqa: ANN401 - TensorRT has no types
    text = " ".join(str(error.desc()).split())
    if error.node() < 0:
        return text
    where = f"node number {error.node()}"
    if hasattr(error, "node_operator"):  # 10 on
        where += f", {error.node_operator()} {error.node_name()}".rstrip()
    return f"{where}: {text}"

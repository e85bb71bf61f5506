"""What builds plans in the fake of TensorRT: a plan holds the very ONNX file that it was made of."""

import enum
from types import ModuleType

import onnx

from support.fake_tensorrt import Severity, fake_plan


def add_builder(module: ModuleType) -> None:  # noqa: C901 - a whole module
    """Give the fake module what its version builds with."""
    major = int(module.__version__.partition(".")[0])

    class NetworkDefinitionCreationFlag(enum.IntEnum):
        if major < 11:
            EXPLICIT_BATCH = 0
        if major >= 10:
            STRONGLY_TYPED = 1 if major == 10 else 0

    class BuilderFlag(enum.IntEnum):
        if major < 11:
            FP16 = 0
        TF32 = 6 if major >= 10 else 7

    class MemoryPoolType(enum.IntEnum):
        WORKSPACE = 0

    class ITimingCache:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def combine(self, other: "ITimingCache", ignore_mismatch: bool) -> bool:
            self._content = self._content or other._content
            return True

        def serialize(self) -> bytes:
            return self._content

    class IBuilderConfig:
        builder_optimization_level = 3
        if major >= 10:
            progress_monitor: object = None

        def __init__(self) -> None:
            self._flags = {BuilderFlag.TF32}
            self._cache: ITimingCache | None = None

        def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
            pass

        def set_flag(self, flag: BuilderFlag) -> None:
            self._flags.add(flag)

        def clear_flag(self, flag: BuilderFlag) -> None:
            self._flags.discard(flag)

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
            return ITimingCache(serialized_timing_cache)

        def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
            self._cache = cache
            return True

        def get_timing_cache(self) -> ITimingCache | None:
            return self._cache

    class INetworkDefinition:
        def __init__(self, flags: int) -> None:
            self._typed = bool(major >= 10 and flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED)
            self._onnx = b""

        @property
        def num_layers(self) -> int:
            return len(onnx.load_from_string(self._onnx).graph.node)

    class OnnxParser:
        num_errors = 0

        def __init__(self, network: INetworkDefinition, logger: object) -> None:
            self._network, self._logger = network, logger

        def parse(self, model: bytes) -> bool:
            self._network._onnx = bytes(model)
            return True

    class Builder:
        def __init__(self, logger: object) -> None:
            self._logger = logger

        def create_network(self, flags: int = 0) -> INetworkDefinition:
            return INetworkDefinition(flags)

        def create_builder_config(self) -> IBuilderConfig:
            return IBuilderConfig()

        def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
            half = any(
                tensor.data_type == onnx.TensorProto.FLOAT16
                for tensor in onnx.load_from_string(network._onnx).graph.initializer
            )
            if half and not network._typed:
                self._logger.log(Severity.ERROR, "a file in FP16 wants a strongly typed network")
                return None
            return fake_plan(network._onnx)

    class IProgressMonitor:
        pass

    members = [NetworkDefinitionCreationFlag, BuilderFlag, MemoryPoolType, ITimingCache, IBuilderConfig, Builder]
    members += [INetworkDefinition, OnnxParser, *([IProgressMonitor] if major >= 10 else [])]
    for member in members:
        setattr(module, member.__name__, member)

"""Make a verified engine of an ONNX file: the file itself, with a manifest that says what it was measured to do."""

from contextlib import closing
from pathlib import Path

from mnv2_edge_example.onnx_backend import OnnxRuntimeBackend
from mnv2_edge_example.onnx_format import OnnxRuntimeOptions
from mnv2_engines.building.builder import BuildProgress, Candidate, versions_of
from mnv2_engines.building.measure import final_operators, measure, record_first_answer
from mnv2_engines.building.request import BuildRequest
from mnv2_engines.proof.self_test import load_in_child
from mnv2_engines.tflite import compile_model

__all__ = ["OnnxRuntimeBuilder"]


class OnnxRuntimeBuilder:
    """Keeps the network as it is; another format would be converted to here."""

    def build(self, request: BuildRequest, progress: BuildProgress) -> Candidate:
        """See `EngineBuilder`."""
        progress("read", 0, 1)
        reference = compile_model(request.model, pictures=(), preprocess=request.preprocess, precision="fp32")
        engine = request.model.read_bytes()
        progress("read", 1, 1)
        options = OnnxRuntimeOptions(threads=request.threads)
        with closing(OnnxRuntimeBackend(engine, str(request.model), options)) as backend:
            return Candidate(
                engine=engine,
                preprocess=request.preprocess,
                reference=reference,
                verification=measure(backend, reference, request, request.preprocess, progress),
                golden=record_first_answer(backend, request, request.preprocess),
                runtimes=versions_of("onnxruntime", "onnx", "numpy"),
                final_operators=final_operators(reference),
            )

    def check_first_load(self, path: Path) -> None:
        """Load it where a crash hurts nobody, and run its golden test there."""
        load_in_child(path)

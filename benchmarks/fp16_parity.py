"""Compare FP16 networks with their float originals on photographs, each activation rounded as a GPU would.

    python benchmarks/fp16_parity.py CROPS MODEL.onnx...

CROPS is a folder of PNG files. Per network and output: signal to noise of the worst picture and of the median one, in
dB, and how many pictures keep their top class; once with weights rounded to the nearest FP16 number, once so that each
filter keeps its sum, as `build-engine` does. Pictures are RGB, (x - 127.5) / 127.5; classifiers are judged by logits.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime

from mnv2_engines.parity import Noise
from mnv2_engines.tensorrt.fp16 import conversion as fp16
from mnv2_engines.tensorrt.fp16.half import HalfArray, filters_to_half, to_half
from mnv2_engines.tensorrt.onnx_file import fix_batch, load_model
from mnv2_engines.tensors import FloatArray, TensorArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.half_emulation import emulate_half

TAILS = {"Softmax", "ArgMax", "Identity"}
"""What is cut off: probabilities and class numbers hide how far the scores are apart."""
EQUAL_DB = 200.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crops", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture")
    args = parser.parse_args()
    for path in args.models:
        model = load_model(path)
        fix_batch(model)
        cut_tail(model)
        height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:])
        pictures = list(read_pictures(args.crops, height, width))[:: args.every]
        wanted = run(model, pictures)
        for name, rounding in (("nearest", nearest), ("sums kept", filters_to_half)):
            fp16.filters_to_half = rounding
            compare(f"{path.stem:32} {name:10}", wanted, run(emulate_half(fp16.to_fp16(model).model), pictures))


def nearest(array: TensorArray, _axis: int) -> HalfArray:
    return to_half(array)


def cut_tail(model: onnx.ModelProto) -> None:
    graph = model.graph
    while graph.node[-1].op_type in TAILS:
        scores = onnx.helper.make_tensor_value_info(graph.node[-1].input[0], onnx.TensorProto.FLOAT, None)
        graph.output[0].CopyFrom(scores)
        del graph.node[-1]


def read_pictures(folder: Path, height: int, width: int) -> Iterator[FloatArray]:
    for path in sorted(folder.glob("*.png")):
        picture = cv2.cvtColor(cv2.resize(cv2.imread(str(path)), (width, height)), cv2.COLOR_BGR2RGB)
        yield ((picture.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[np.newaxis]


def run(model: onnx.ModelProto, pictures: Sequence[FloatArray]) -> list[list[FloatArray]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: picture}) for picture in pictures]


def compare(title: str, wanted: list[list[FloatArray]], got: list[list[FloatArray]]) -> None:
    for index in range(len(wanted[0])):
        pairs = [(one[index], other[index]) for one, other in zip(wanted, got, strict=True)]
        levels = []
        for expected, made in pairs:
            noise = Noise()
            noise.add(expected, made)
            levels.append(EQUAL_DB if noise.sqnr_db is None else noise.sqnr_db)
        same = sum(int(expected.argmax() == made.argmax()) for expected, made in pairs)
        print(
            f"{title} output {index}: worst {min(levels):5.1f} dB, median {np.median(levels):5.1f} dB, "
            f"top-1 {same}/{len(pairs)}",
            flush=True,
        )


if __name__ == "__main__":
    main()

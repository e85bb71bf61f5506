"""A real file that ends in TFLite_Detection_PostProcess, run by LiteRT and read by the task."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.preprocessing.geometry import plan_view
from mnv2_engines.preprocessing.preprocess import ResizePolicy
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.detect import make_detect

ANCHORS = np.array([[0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]], np.float32)  # y, x, h, w
SIDE = 6  # 6 x 6 x 3 numbers: the picture's own are box encodings and class scores


def slice_of(model, start, shape):
    """Append a slice of the flattened input and its reshape; return the tensor's index."""
    count = int(np.prod(shape))
    begin, size = constant(model, np.array([start], np.int32)), constant(model, np.array([count], np.int32))
    flat, shaped = tensor(model, f"flat{start}", (count,)), tensor(model, f"shaped{start}", shape)
    operator(model, "SLICE", [1, begin, size], [flat])
    operator(model, "RESHAPE", [flat, constant(model, np.array(shape, np.int32))], [shaped])
    return shaped


def tensor(model, name, shape, kind="FLOAT32", buffer=0):
    table = schema.TensorT()
    table.name, table.shape, table.buffer = name, np.array(shape, np.int32), buffer
    table.type = getattr(schema.TensorType, kind)
    model.subgraphs[0].tensors.append(table)
    return len(model.subgraphs[0].tensors) - 1


def constant(model, array):
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(array.tobytes(), np.uint8)
    model.buffers.append(buffer)
    kind = "INT32" if array.dtype == np.int32 else "FLOAT32"
    return tensor(model, f"constant{len(model.buffers)}", array.shape, kind, len(model.buffers) - 1)


def operator(model, name, inputs, outputs, custom=None):
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
    code.customCode = name if custom else None
    model.operatorCodes.append(code)
    table = schema.OperatorT()
    table.opcodeIndex = len(model.operatorCodes) - 1
    table.inputs, table.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
    if custom:
        table.customOptions = np.frombuffer(custom, np.uint8)
    elif name == "RESHAPE":
        table.builtinOptionsType, table.builtinOptions = schema.BuiltinOptions.ReshapeOptions, schema.ReshapeOptionsT()
    model.subgraphs[0].operators.append(table)


@pytest.fixture(scope="module")
def detector() -> bytes:
    """Return a detector of three anchors whose boxes and scores are the first numbers of its picture."""
    model = schema.ModelT()
    model.version, model.description = 3, "test"
    model.buffers, model.operatorCodes, graph = [schema.BufferT()], [], schema.SubGraphT()
    graph.tensors, graph.operators, graph.name = [], [], "main"
    model.subgraphs = [graph]
    picture = tensor(model, "picture", (1, SIDE, SIDE, 3))
    flat = tensor(model, "flat", (SIDE * SIDE * 3,))
    operator(model, "RESHAPE", [picture, constant(model, np.array([SIDE * SIDE * 3], np.int32))], [flat])
    boxes, scores = slice_of(model, 0, (1, 3, 4)), slice_of(model, 12, (1, 3, 4))
    options = flexbuffers.Builder()
    with options.Map():
        for key, number in (("max_detections", 10), ("max_classes_per_detection", 1), ("num_classes", 3)):
            options.Int(key, number)
        reals = {"nms_score_threshold": 0.1, "nms_iou_threshold": 0.5}
        reals |= {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}
        for key, real in reals.items():
            options.Float(key, real)
        options.Bool("use_regular_nms", False)
    name = "TFLite_Detection_PostProcess"
    outputs = [tensor(model, f"{name}{suffix}", ()) for suffix in ("", ":1", ":2", ":3")]
    operator(model, name, [boxes, scores, constant(model, ANCHORS)], outputs, custom=bytes(options.Finish()))
    graph.inputs, graph.outputs = np.array([picture], np.int32), np.array(outputs, np.int32)
    builder = flatbuffers.Builder(1 << 14)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_its_boxes_classes_and_count_are_read(detector):
    backend = LiteRtBackend(detector)
    try:
        task = make_detect(
            TaskOptions(outputs=backend.output_specs, input=backend.input_spec, labels=("person", "bicycle", "car"))
        )
        buffer = backend.allocate_input().reshape(-1)
        # Scores of a background and three classes an anchor: a car at the first, a person at the last.
        buffer[12:24] = [0.1, 0.0, 0.2, 0.9, 0.9, 0.1, 0.0, 0.0, 0.1, 0.8, 0.0, 0.1]
        view = plan_view(480, 640, SIDE, SIDE, ResizePolicy("stretch"))
        found = task.decode(backend.infer(buffer.reshape(backend.input_spec.shape)), view)
        assert found.summary == "1 person, 1 car"
        car, person = found.detections
        assert (car.label, round(car.score, 3)) == ("car", 0.9)
        box = car.box_px
        assert (box.left, box.top, box.width, box.height) == pytest.approx((0.0, 0.0, 320.0, 240.0), abs=0.01)
        box = person.box_px
        assert (box.left, box.top, box.width, box.height) == pytest.approx((320.0, 240.0, 320.0, 240.0), abs=0.01)
    finally:
        backend.close()

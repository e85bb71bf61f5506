"""The segmenter: published figures, the dilated blocks, and what it writes."""

import numpy as np
import onnx
import pytest

from mnv2_engines.errors import ContractError
from mnv2_engines.inspection import inspect_model
from mnv2_engines.networks.counting import layer_macs, layer_parameters
from mnv2_engines.networks.deeplab import ASPP_RATES, DeepLabV3
from mnv2_engines.networks.dense_writer import random_weights, write_deeplab
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.segment import make_segment
from mnv2_engines.testing import check_task
from mnv2_engines.tflite import compile_model
from mnv2_engines.tflite.runner import Runner
from support.onnx_networks import run_onnx


@pytest.mark.parametrize(("aspp", "parameters"), [(False, 2.11), (True, 4.52)])
def test_table_7s_parameters(aspp, parameters):
    layers = DeepLabV3(aspp=aspp).convolutions()
    assert round(layer_parameters(layers, batch_norm=True) / 1e6, 2) == parameters


def test_table_7s_work_without_aspp():
    assert layer_macs(DeepLabV3().convolutions()) / 1e9 == pytest.approx(2.75, rel=0.004)


def test_table_7s_work_with_aspp_is_that_of_maps_padded_to_the_rates():
    """5.8 B: TensorFlow cuts a map into `rate` by `rate` parts to dilate, and pads 33 to 36 for that, for each rate."""
    network = DeepLabV3(aspp=True)
    assert network.map_hw == (33, 33)
    macs = layer_macs(network.convolutions())
    assert macs / 1e9 == pytest.approx(5.36, abs=0.005)
    wide = [branch for branch in network.branches if branch.dilation > 1]
    padded = [-(-33 // rate) * rate for rate in ASPP_RATES]
    assert padded == [36, 36, 36]
    more = sum(layer_macs([branch]) * (side**2 / 33**2 - 1) for branch, side in zip(wide, padded, strict=True))
    assert round((macs + more) / 1e9, 1) == 5.8


@pytest.mark.parametrize(
    ("aspp", "macs", "parameters"), [(False, 2_740_709_056, 2_113_557), (True, 5_363_508_928, 4_523_541)]
)
def test_inspect_counts_the_written_file_alike(tmp_path, aspp, macs, parameters):
    network = DeepLabV3(aspp=aspp)
    path = tmp_path / "voc.onnx"
    path.write_bytes(write_deeplab(network, random_weights(network)))
    inspection = inspect_model(path)
    assert inspection.macs == layer_macs(network.convolutions()) == macs
    assert inspection.parameters == layer_parameters(network.convolutions(), batch_norm=True) == parameters


def test_the_papers_network_has_exactly_this_work(shared):
    inspection = inspect_model(shared / "models" / "deeplabv3_mnv2_pascal_quant.tflite")
    assert layer_macs(DeepLabV3().convolutions()) == inspection.macs


@pytest.mark.parametrize(
    ("stride", "size", "dilations"),
    [
        (16, 33, [1] * 14 + [2] * 3),  # the stride of the sixth stage is left out, what follows is spread
        (8, 65, [1] * 7 + [2] * 7 + [4] * 3),
    ],
)
def test_where_strides_are_left_out_the_rest_is_dilated(stride, size, dilations):
    network = DeepLabV3(output_stride=stride)
    assert network.map_hw == (size, size)
    assert [block.convolutions[-2].dilation for block in network.blocks] == dilations
    assert layer_parameters(network.convolutions()) == layer_parameters(DeepLabV3().convolutions())
    rates = [branch.dilation for branch in DeepLabV3(output_stride=stride, aspp=True).branches]
    assert rates == ([1, 6, 12, 18] if stride == 16 else [1, 12, 24, 36])


@pytest.mark.parametrize("aspp", [False, True])
@pytest.mark.parametrize("argmax", [False, True])
def test_it_compiles_and_is_read_without_further_ado(tmp_path, aspp, argmax):
    network = DeepLabV3(5, (65, 97), width=0.35, aspp=aspp, argmax=argmax)
    path = tmp_path / "net.onnx"
    path.write_bytes(write_deeplab(network, random_weights(network)))
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 65, 97, 3), dtype=np.uint8))
    compiled = compile_model(path, pictures=pictures, preprocess=Preprocess())
    with Runner(compiled.tflite, threads=1) as runner:
        assert runner.operators().count("DELEGATE") == 1
    assert compiled.outputs[0].shape == ((1, 65, 97) if argmax else (1, 5, 65, 97))
    task = make_segment(TaskOptions(outputs=compiled.outputs, input=compiled.input))
    check_task(task, compiled.outputs)


def test_dilation_sees_as_far_as_the_stride_that_it_replaces(tmp_path):
    """Every second pixel of the denser map is the coarser network's: same weights, same reach."""
    dense, coarse = (DeepLabV3(3, (65, 65), width=0.35, output_stride=stride, argmax=False) for stride in (8, 16))
    weights = random_weights(dense)
    maps = []
    for network in (dense, coarse):
        model = onnx.load_from_string(write_deeplab(network, weights))
        model.graph.output.insert(0, onnx.helper.make_empty_tensor_value_info("features.17.conv.3"))
        path = tmp_path / f"{network.output_stride}.onnx"
        onnx.save(model, path)
        picture = np.random.default_rng(1).normal(0, 1, (1, 3, 65, 65)).astype(np.float32)
        maps.append(run_onnx(path, picture)[0])
    assert maps[0].shape[2:] == (9, 9)
    assert maps[1].shape[2:] == (5, 5)
    assert np.allclose(maps[0][:, :, ::2, ::2], maps[1], atol=1e-3 * np.abs(maps[1]).max())


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"size_hw": (16, 65)}, {"output_stride": 4}])
def test_what_is_no_segmenter_is_refused(wrong):
    with pytest.raises(ContractError, match="no segmenter"):
        DeepLabV3(**wrong)

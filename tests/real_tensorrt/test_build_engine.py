"""A whole `build_engine` with NVIDIA's real parser and builder in it; what they built is then run by ONNX Runtime."""

import sys

import cv2
import pytest

from mnv2_engines.building.build import build_engine
from mnv2_engines.building.builders.tensorrt import TensorRtBuilder
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.building.verification import AccuracyLimits
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess
from support.fake_jetson import FakeJetson
from support.fake_tensorrt import fake_plan

pytestmark = pytest.mark.tensorrt

RUN_TIME = frozenset({"DataType", "Runtime", "TensorIOMode"})
NETWORKS = {"mobilenet_v2_1.0_224.onnx": 224, "ped_ssdlite_300.onnx": 300, "deeplabv3_mnv2_dm05_pascal.onnx": 513}


class Watched:
    """Pass everything on to another object but what is given."""

    def __init__(self, other, **own):
        self.__dict__.update(own)
        self._other = other

    def __getattr__(self, name):
        return getattr(self._other, name)

    def __setattr__(self, name, value):
        if name == "_other":
            self.__dict__[name] = value
        else:
            setattr(self._other, name, value)


def join(gate, rtx, fake):
    """Return a module that builds with NVIDIA's code, and runs what was parsed instead of the plan."""
    parsed = []

    class ILogger(rtx.ILogger):
        def __init__(self):
            rtx.ILogger.__init__(self)
            self._constructed = True

    def make_parser(network, logger):
        parser = gate.OnnxParser(network, logger)

        def parse(model):
            parsed.append(model)
            return parser.parse(model)

        return Watched(parser, parse=parse)

    def make_builder(logger):
        builder = gate.Builder(logger)

        def build_serialized_network(network, config):
            plan = builder.build_serialized_network(network, config)
            return None if plan is None else fake_plan(parsed[-1])

        return Watched(builder, build_serialized_network=build_serialized_network)

    own = {name: getattr(fake, name) for name in RUN_TIME}
    return Watched(gate, ILogger=ILogger, OnnxParser=make_parser, Builder=make_builder, **own)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_real_network_is_built_verified_and_installed(name, gate, rtx, shared, monkeypatch, tmp_path):
    jetson = FakeJetson(monkeypatch, tmp_path / "root")
    monkeypatch.setitem(sys.modules, "tensorrt", join(gate("10.3.0"), rtx, jetson.tensorrt))
    photographs = sorted((shared / "calibration").glob("*.png"))[::20]
    size = NETWORKS[name]
    pictures = [fit_picture(cv2.imread(str(path)), "BGR", size, size, Preprocess())[0] for path in photographs]
    request = BuildRequest(
        model=shared / "models" / name,
        output=tmp_path / "network.plan",
        preprocess=Preprocess(),
        calibration=Pictures("", ()),
        validation=Pictures("photographs", pictures),
        name="network",
        target="tensorrt",
        precision="fp16",
        limits=AccuracyLimits.of("fp16"),
    )
    phases = {}
    result = build_engine(
        request,
        lambda phase, done, _total: phases.setdefault(phase, []).append(done),
        {"tensorrt": TensorRtBuilder(root=jetson.root)},
    )
    assert result.installed
    assert result.faults == ()
    assert len(phases["build"]) > 20  # TensorRT's own progress
    for output in result.manifest.verification.outputs:
        assert output.holds == "classes" or output.sqnr_db > 40

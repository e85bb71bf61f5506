"""The MobileNetV2 family: its architecture as data, written out as ONNX, counted as the paper counts."""

from mnv2_engines.networks.head import HeadLayer, classifier_head
from mnv2_engines.networks.mobilenet_v2 import MobileNetV2
from mnv2_engines.networks.onnx_writer import NetworkWeights, initial_weights, write_network

__all__ = ["HeadLayer", "MobileNetV2", "NetworkWeights", "classifier_head", "initial_weights", "write_network"]

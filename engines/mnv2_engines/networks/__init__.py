"""The MobileNetV2 family: its architecture as data, written out as ONNX, counted as the paper counts.

The classifier, the detector SSDLite and the segmenter DeepLabv3 share the same blocks.
"""

from mnv2_engines.networks.deeplab import DeepLabV3
from mnv2_engines.networks.dense_writer import random_weights, write_deeplab, write_ssdlite
from mnv2_engines.networks.head import HeadLayer, classifier_head
from mnv2_engines.networks.layer_writer import NetworkWeights
from mnv2_engines.networks.mobilenet_v2 import MobileNetV2
from mnv2_engines.networks.onnx_writer import initial_weights, write_network
from mnv2_engines.networks.ssdlite import SSDLite

__all__ = [
    "DeepLabV3",
    "HeadLayer",
    "MobileNetV2",
    "NetworkWeights",
    "SSDLite",
    "classifier_head",
    "initial_weights",
    "random_weights",
    "write_deeplab",
    "write_network",
    "write_ssdlite",
]

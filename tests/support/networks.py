"""Small networks with lively weights: every BatchNorm does something, so that a mix-up shows."""

import numpy as np

from mnv2_engines.networks import MobileNetV2, initial_weights

TINY = MobileNetV2(width=0.1, size_hw=(32, 32), classes=5)


def lively_weights(network=TINY, seed=3):
    """Return the features by torchvision's names, and kernel (classes, features) and bias of the classifier."""
    random = np.random.default_rng(seed)
    features = {}
    for name, array in initial_weights(network, seed).features.items():
        if name.endswith("running_var") or (name.endswith("weight") and array.ndim == 1):
            features[name] = random.uniform(0.5, 1.5, array.shape).astype(np.float32)
        elif array.ndim == 1:
            features[name] = random.normal(0.0, 0.3, array.shape).astype(np.float32)
        else:
            features[name] = array
    kernel = random.normal(size=(network.classes, network.feature_channels)).astype(np.float32)
    return features, kernel, random.normal(size=network.classes).astype(np.float32)


def state_dict(network=TINY, seed=3):
    """Return what PyTorch's `state_dict()` holds, counters included."""
    features, kernel, bias = lively_weights(network, seed)
    found = {}
    for name, array in features.items():
        found[name] = array
        if name.endswith("running_var"):
            found[name.replace("running_var", "num_batches_tracked")] = np.array(7, np.int64)
    return {**found, "classifier.1.weight": kernel, "classifier.1.bias": bias}

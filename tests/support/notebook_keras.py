"""Train with real Keras, then do what the guide's notebook does: run by a Python that has tensorflow-cpu and Pillow.

Usage: notebook_keras.py PRETRAINED.npz GUIDE_CODE.py, in the folder that holds photos/.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(0)
train = keras.utils.image_dataset_from_directory("photos/train", image_size=(96, 96), batch_size=32, seed=0)
base = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)

# The weights of `pretrained` in the order of the network, which both frameworks share.
pretrained = np.load(sys.argv[1])
kernels = [name for name in pretrained if name.startswith("features") and pretrained[name].ndim == 4]
norms = [name.removesuffix(".running_mean") for name in pretrained if name.endswith(".running_mean")]
for layer, name in zip([one for one in base.layers if "Conv2D" in type(one).__name__], kernels, strict=True):
    order = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
    layer.set_weights([pretrained[name].transpose(order)])
for layer, name in zip([one for one in base.layers if isinstance(one, layers.BatchNormalization)], norms, strict=True):
    layer.set_weights([pretrained[f"{name}.{kind}"] for kind in ("weight", "bias", "running_mean", "running_var")])

image = keras.Input((96, 96, 3))
features = base(keras.applications.mobilenet_v2.preprocess_input(image), training=False)
hidden = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(features))
model = keras.Model(image, layers.Dense(len(train.class_names), activation="softmax")(hidden))
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(train, epochs=5, verbose=2)

exec(compile(Path(sys.argv[2]).read_text(), sys.argv[2], "exec"))  # the guide's block: it measures and saves

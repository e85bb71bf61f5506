"""Save models on keras.applications' MobileNetV2 with real Keras (2 or 3), with what they compute.

Usage: save_keras_models.py OUTPUT_FOLDER
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)


def base(alpha, size_hw, **options):
    return keras.applications.MobileNetV2((*size_hw, 3), alpha=alpha, include_top=False, weights=None, **options)


def transfer_learning():
    """A frozen base in a Sequential, with rescaling inside and a head of two dense layers."""
    body = base(0.35, (96, 96))
    body.trainable = False
    return keras.Sequential(
        [
            keras.Input((96, 96, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            body,
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(32, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def flattened():
    """Augmentation and preprocess_input before the base, pooling windows and Flatten behind it, not square."""
    image = keras.Input((96, 128, 3))
    augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.2)])
    x = keras.applications.mobilenet_v2.preprocess_input(augment(image))
    x = layers.MaxPooling2D(2, strides=1)(base(0.5, (96, 128))(x, training=False))
    x = layers.LeakyReLU(0.1)(layers.Dense(16)(layers.Flatten()(x)))
    return keras.Model(image, layers.Dense(3)(x))


def inline():
    """The base's own layers in one model with the head, and Flatten straight behind them."""
    body = base(0.75, (64, 64))
    return keras.Model(body.input, layers.Dense(4, activation="sigmoid")(layers.Flatten()(body.output)))


def largest():
    """Pooling inside of the base."""
    body = base(1.3, (96, 96), pooling="max")
    return keras.Model(body.input, layers.Dense(6, use_bias=False)(body.output))


def with_top():
    return keras.applications.MobileNetV2((64, 64, 3), alpha=1.0, weights=None, classes=10)


output = Path(sys.argv[1])
for make, rescales in (
    (transfer_learning, True),
    (flattened, True),
    (inline, False),
    (largest, False),
    (with_top, False),
):
    model = make()
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            count = layer.gamma.shape[0]
            vectors = [
                random.uniform(0.5, 1.5, count),
                *random.normal(0, 0.3, (2, count)),
                random.uniform(0.5, 2, count),
            ]
            layer.set_weights(vectors)
    pixels = random.uniform(0, 255, (1, *model.input_shape[1:])).astype(np.float32)
    scores = model.predict(pixels if rescales else pixels / 127.5 - 1, verbose=0)
    np.savez(output / f"{make.__name__}.npz", pixels=pixels, scores=scores)
    model.save(output / f"{make.__name__}.keras")
    model.save(output / f"{make.__name__}.h5")

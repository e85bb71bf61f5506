"""Read what Keras saves: .keras and .h5 files with a MobileNetV2."""

"""Files that Keras saves: .keras and .h5 with a MobileNetV2."""

"""The networks: model files, building engines for this device, running them."""

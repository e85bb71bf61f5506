"""The way from pixels to the network's input tensor."""

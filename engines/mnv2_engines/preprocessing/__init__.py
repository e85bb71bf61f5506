"""From pixels to the network's input tensor."""

"""Turn a frame into the network's input: crop, resize, colour, quantise, into the backend's buffer."""

"""The network that serves: which one a configuration means, how it is loaded, how it is replaced."""

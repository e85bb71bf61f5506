"""The setup of a device in a conversation: choose camera, model and broker, try each, write the configuration.

What is asked and what follows from it is here; how a terminal looks is for `mnv2_edge.cli.ui.terminal` to know.
"""

"""Set a device up in a conversation: pick camera, model and broker, try each, and write the configuration.

What is asked and what follows from it is here; how a terminal looks is for `mnv2_edge.cli.ui.terminal` to know.
"""

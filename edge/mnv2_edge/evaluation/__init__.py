"""Evaluation: pictures whose truth is known go through the frame path, and the answers are compared.

`mnv2_engines.evaluation` does the counting; here is what reads folders and runs networks.
"""

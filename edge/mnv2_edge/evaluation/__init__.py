"""Feed pictures whose truth is known through the frame path, and have the answers judged.

`mnv2_engines.evaluation` does the counting; here is what reads folders and runs networks.
"""

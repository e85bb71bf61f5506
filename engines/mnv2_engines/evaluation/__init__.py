"""Figures of what a network says about pictures whose truth is known.

One module a task: an accumulator takes one picture's truth and predictions at a time and never holds a picture, so that
any number of them fits into a small board; figures are worked out at the end. Nothing here reads files.
"""

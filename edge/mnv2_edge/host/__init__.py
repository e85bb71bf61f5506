"""Read what a board says of itself: heat, power, memory, storage. By the kernel's files under a `root` that tests fill.

A reader returns None where this machine does not say, and never raises for what it finds: a board that cannot be read
is no fault.
"""

"""What a board reports: heat, power, memory, storage. Read from the kernel's files under a `root` that tests fill.

A reader returns None where this machine does not say, and never raises for what it finds: a board that cannot be read
is not a fault.
"""

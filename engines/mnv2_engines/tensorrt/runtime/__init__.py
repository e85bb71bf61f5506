"""Runtime of a plan: its tensors, its launches, its backend."""

"""What every command shares: flags, groups, tables, progress, prompts, signals."""

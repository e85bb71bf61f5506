"""An hour of kills, full disks, hostile files and endurance, counted into one table: `python -m campaign`."""

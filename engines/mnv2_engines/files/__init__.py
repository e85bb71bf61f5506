"""Files that survive a crash, and files that notice damage."""

"""Where a study lives: its database and who writes it, and its folder on this machine or object storage."""

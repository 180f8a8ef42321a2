"""Compute: whatever treats Ray or this process as a machine. It knows no survey, no study and no network."""

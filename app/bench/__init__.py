"""Measures a whole installation on this machine: through real HTTP, against the same rows without it."""

"""Riserbo: the private room behind a bank's public reply."""

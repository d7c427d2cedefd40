"""The complaint being worked: its public thread, its owner, its clocks, its notes.

open → claimed → answered → closed; a new public message of the same author reopens it.
"""

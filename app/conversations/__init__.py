"""The room: one per binding. One counter numbers all that its stream carries; a held answer gets its number on release.

Its row carries the level of the one customer session that is in it, written by `binding` through this service.
"""

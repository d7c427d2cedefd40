"""Pure security code: bytes, keys and times in; values or exceptions out.

Nothing here reads a clock, a setting, a file or the network, and nothing here logs.
"""

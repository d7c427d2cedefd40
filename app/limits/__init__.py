"""Repetition and guessing: idempotent answers, guess counters and rates in the database; traffic limits in memory.

What bounds guessing lives in the database, in the transaction of the guess, and fails closed.
"""

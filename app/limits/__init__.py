"""Repetition and guessing: idempotent answers, guess counters and rates in the database.

What bounds guessing lives in the database, in the transaction of the guess, and fails closed.
"""

"""The outbox: what leaves the house, or is worked on after the answer, joins the transaction that decides it.

Payloads are sealed and wiped when done. Senders (SMS, mail) are ports; texts hold no content of a room.
"""

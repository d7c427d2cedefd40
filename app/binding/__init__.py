"""Proofs and bindings: one browser session, one attempt, handle first, then customer.

STARTED → HANDLE_PENDING → HANDLE_OK → CUSTOMER_PENDING → CUSTOMER_OK → BOUND; REFUSED, CANCELLED and EXPIRED end it.
Every transition is a compare-and-set on (id, state, version) with its leaf in the same transaction.
"""

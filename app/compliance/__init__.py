"""Compliance: exports that an outsider can verify. Reads everything; writes only its own requests."""

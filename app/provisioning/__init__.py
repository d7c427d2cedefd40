"""Joiners and leavers by SCIM 2.0 (RFC 7643, 7644): the bank's identity management makes, changes and ends accounts."""

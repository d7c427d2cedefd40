"""The evidence log. Every feature may record; this feature knows none of them.

A leaf is finished inside the business transaction, under no lock but that of its own stream; the sequencer gives it
its place in the Merkle log afterwards, and the signer signs what it has itself seen grow. Leaves hold no personal data.
"""

"""Signed-in browsers and API tokens, of visitors and of staff: opaque, stored hashed, revocable at once."""

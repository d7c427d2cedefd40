"""Schema of both databases; `main/` and `keys/` hold one history each. Imports nothing of `app`, which moves on."""

"""What every door does with HTTP: framing, limits, problems, request ids, logs and servers; no business here."""

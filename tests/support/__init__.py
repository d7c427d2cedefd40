"""The machines that tests run against: a real PostgreSQL, a real Chromium, a real SMTP server, all on loopback."""

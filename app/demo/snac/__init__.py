"""Two real social servers on loopback: snac2 (ActivityPub, Mastodon's client API), and people with accounts on them."""

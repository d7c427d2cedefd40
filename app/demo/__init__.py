"""The throw-away bank: social network, phone, stub identity provider, seeded story. Never in production."""

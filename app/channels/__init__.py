"""The public networks: small ports, one connector a network. Connectors share nothing but the ports."""

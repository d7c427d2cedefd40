"""Bank staff: accounts, roles, sign-in with password and authenticator, tokens for the API."""

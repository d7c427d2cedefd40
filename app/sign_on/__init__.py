"""The bank's own sign-in for its staff: OpenID Connect for the console, with logout that comes from the provider."""

"""Programs of the bank (a CRM): registered with public keys and scopes, and given short access tokens by ourselves."""

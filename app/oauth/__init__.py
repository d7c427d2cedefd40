"""The client's side of OAuth 2 and OpenID Connect: what a server offers, and the few requests that we make there.

Always the strongest that the server's metadata offer: pushed requests (RFC 9126), signed ones (RFC 9101), tokens bound
to a key (RFC 9449), an assertion instead of a secret (RFC 7523). Everything leaves by the outbound client.

    server.AuthorizationServer   metadata and keys of one issuer, remembered for a while
    client.OAuthClient           our registration there: push, redeem, userinfo, revoke
    requests                     the parameters of an authorization request, and their signed form
"""

"""What may be left out without a forgery being missed: another check refuses the same, or it is no check at all."""

from __future__ import annotations

from typing import Final

NO_DIFFERENCE: Final = {
    "security.jwts: unb64url(parsed.text.rpartition('.')[2]), not called": "joserfc 1.8 refuses other spellings, too",
    "security.jwts: isinstance(name, str), always": "what is no text is on no list of algorithms either",
    "security.jwts: if not isinstance(key, RSAKey) and (not (isinstance(key, ECKey) and key.curve_name == 'P-256')), "
    "without isinstance(key, ECKey)": "no other kind of key is on that curve",
    "security.logout_tokens: Expected without algorithms": "the default, written out",
    "security.sd_jwt: _ALWAYS_OPEN without 'iss'": "looked for in the open before: of no issuer",
    "security.sd_jwt: _ALWAYS_OPEN without 'exp'": "looked for in the open before: without an end",
    "security.sd_jwt: _ALWAYS_OPEN without 'cnf'": "looked for in the open before: of no holder",
    "security.sd_jwt: _ALWAYS_OPEN without 'vct'": "looked for in the open before: of no type",
    "security.sd_jwt: only name != '_sd_alg', without name != '_sd_alg'": "a name more among the claims",
    "security.sd_jwt: only name != '_sd', without name != '_sd'": "a name more among the claims",
    "security.certificates: may_be_present(ExtendedKeyUsage), left out": "a permission",
    "security.certificates: may_be_present(CertificatePolicies), left out": "a permission",
    "security.certificates: max_chain_depth(LONGEST_CHAIN), left out": "no chain of that length is read",
    "security.client_assertions: if not isinstance(named, str) or not 0 < len(named) <= _LONGEST_NAME, "
    "without not isinstance(named, str)": "joserfc 1.8 refuses names that are no text, too",
    "security.client_assertions: Expected without longest": "the life since `iat`, which is now, is bounded as well",
    **dict.fromkeys(
        (
            f"security.passkeys: only isinstance(word, str) and word in _TRANSPORTS, without {one}"
            for one in (
                "isinstance(word, str) and word in _TRANSPORTS",
                "isinstance(word, str)",
                "word in _TRANSPORTS",
            )
        ),
        "a hint for the browser",
    ),
    **dict.fromkeys(
        (
            "app.oauth.server: if now >= asked_at + REMEMBERED, always",
            "app.oauth.server: if fresh is keys",
            "app.oauth.server: newer_than is not None and asked_at <= newer_than and (now >= asked_at + "
            "BETWEEN_REFRESHES), without asked_at <= newer_than",
            "app.oauth.server: newer_than is not None and asked_at <= newer_than and (now >= asked_at + "
            "BETWEEN_REFRESHES), without now >= asked_at + BETWEEN_REFRESHES",
        ),
        "how often keys are asked for: tests/app/oauth/test_server.py",
    ),
    **dict.fromkeys(
        (
            "app.oauth.metadata: if document.get('request_parameter_supported') is not True",
            "app.oauth.metadata: _lists(document.get('request_object_signing_alg_values_supported', [OWN_ALGORITHM]), "
            "OWN_ALGORITHM), always",
            "app.oauth.client: if self.key is None, always",
            "app.oauth.client: metadata.binds_tokens, always",
        ),
        "how we ask, which is the server's to refuse: tests/app/oauth/test_client.py, tests/app/oauth/test_metadata.py",
    ),
    **dict.fromkeys(
        ("app.oauth.client: if not nonce", "app.oauth.client: answer.status in (400, 401), always"),
        "whether a request is made once more: tests/app/oauth/test_client.py",
    ),
    "app.oauth.client: await self._post(metadata.revoke, {'token': token}, now, key=bound_to), not called": "gives a token back",
    "app.binding.openid_provider: await self.client.revoke(tokens, answer.now), not called": "gives tokens back",
    "app.binding.openid_provider: await self.client.server.checked(lambda keys: keys, now), not called": "the doctor's",
    "app.binding.openid_provider: only not there, without not there": "the doctor's",
    "app.binding.openid_provider: only level > enough, without level > enough": "what a step-up asks for",
    "app.binding.flows: parts.scheme in ('https', 'http'), always": "what a page names",
    **dict.fromkeys(
        (
            "app.binding.flows: if flow.used_at is not None",
            "app.binding.flows: taken.scalar_one_or_none() is not None, always",
            "app.binding.flows: where without Flow.used_at.is_(None)",
        ),
        "looked at first, and once more where it is used up, for two at once: tests/app/binding/test_atproto_sign_in.py",
    ),
    "app.channels.openid_sign_in: await self.client.revoke(tokens, now), not called": "gives tokens back",
    "app.channels.atproto_sign_in: await client.revoke(tokens, now, bound_to=bound), not called": "gives tokens back",
    "app.channels.atproto_sign_in: account.handle and account.handle == memo['handle'], without account.handle": "an "
    "account without a handle is shown by its DID either way",
    "app.channels.mastodon_sign_in: await self._revoke(client, token), not called": "gives a token back",
    "app.channels.mastodon_sign_in: await self._servers.post(client.server.revoke, form), not called": "gives a token back",
    **dict.fromkeys(
        (
            "app.channels.mastodon_sign_in: await clients.note_proved(services, self._connector, client.server.site), "
            "not called",
            "app.channels.mastodon_sign_in: await clients.keep(services, self._connector, site, client.as_memo()), "
            "not called",
        ),
        "which clients are kept: tests/app/binding/test_mastodon_clients.py",
    ),
    "app.channels.atproto: await server_at(identities.strangers, issuer).describe(clock()), not called": "the doctor's",
    "app.channels.atproto_identity: len(text) <= LONGEST_DID and _DID.fullmatch(text) is not None, "
    "without len(text) <= LONGEST_DID": "no DID of the two spellings is longer",
    "app.sign_on.accounts: ports.roles, always": "no role stands in a table that is empty",
    "app.sign_on.redirects: await client.revoke(tokens, now), not called": "gives tokens back",
    "app.sign_on.service: sessions.wake_streams(db, session.staff_id), not called": "how soon a stream ends: "
    "tests/app/sign_on/test_logout.py",
    "app.web.sign_on_pages: if not browser or len(browser) > LONGEST_COOKIE, without len(browser) > LONGEST_COOKIE": "one "
    "so long is cut when it comes back, and fits no redirect then",
}

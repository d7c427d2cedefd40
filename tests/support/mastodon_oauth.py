"""The half of the strict Mastodon server that signs people in: clients, codes with PKCE, tokens, `userinfo`."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tests.support.mastodon_entities import App, Grant, Refused, Token

if TYPE_CHECKING:
    from tests.support.mastodon import Server

KNOWN_SCOPES = {"profile", "read", "write", "follow", "push"}
KNOWN_SCOPES |= {"read:accounts", "read:notifications", "read:search", "read:statuses", "write:statuses"}

Answer = tuple[str, str, Callable[[Request], Any]]


class SignIn:
    """The answers of one server to applications that register, send people to sign in, and exchange codes."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> list[Answer]:
        return [
            ("POST", "/api/v1/apps", self.register),
            ("GET", "/api/v1/apps/verify_credentials", self.own_app),
            ("GET", "/.well-known/oauth-authorization-server", self.metadata),
            ("GET", "/.well-known/webfinger", self.webfinger),
            ("GET", "/oauth/authorize", self.authorize),
            ("POST", "/oauth/authorize", self.authorize),
            ("POST", "/oauth/token", self.exchange),
            ("POST", "/oauth/revoke", self.revoke),
            ("GET", "/oauth/userinfo", self.userinfo),
        ]

    def register(self, request: Request) -> dict[str, Any]:
        self._server.count_call("apps", "anybody")
        form = request.state.form
        uris = form.get("redirect_uris", "").split()
        scopes = set((form.get("scopes") or "read").split())
        if not form.get("client_name") or not uris or not all(urlsplit(uri).scheme for uri in uris):
            raise Refused(422, "Validation failed: Redirect URI must be an absolute URI.")
        if not scopes <= KNOWN_SCOPES:
            raise Refused(422, "Validation failed: Scopes doesn't match configured on the server.")
        app = App(secrets.token_urlsafe(16), secrets.token_urlsafe(16), uris, scopes)
        self._server.apps[app.client_id] = app
        made: dict[str, Any] = {
            "id": str(next(self._server.ids)),
            "name": form["client_name"],
            "scopes": sorted(scopes),
            "redirect_uris": uris,
            "client_id": app.client_id,
            "client_secret": app.secret,
            "client_secret_expires_at": 0,
        }
        return made | dict(self._server.says.get("apps", {}))

    def own_app(self, request: Request) -> dict[str, Any]:
        token = self._server.token_in(request)
        return {"name": "app", "scopes": sorted(token.app.scopes if token.app else token.scopes)}

    def metadata(self, _request: Request) -> dict[str, Any]:
        if "no_metadata" in self._server.quirks:
            raise Refused(404, "Not found")
        told = {
            "issuer": f"{self._server.base}/",
            "authorization_endpoint": f"{self._server.base}/oauth/authorize",
            "token_endpoint": f"{self._server.base}/oauth/token",
            "revocation_endpoint": f"{self._server.base}/oauth/revoke",
            "scopes_supported": sorted(KNOWN_SCOPES),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "app_registration_endpoint": f"{self._server.base}/api/v1/apps",
        }
        if "no_userinfo" not in self._server.quirks:
            told["userinfo_endpoint"] = f"{self._server.base}/oauth/userinfo"
        return told | dict(self._server.says.get("metadata", {}))

    def webfinger(self, request: Request) -> dict[str, Any]:
        name, _, host = request.query_params.get("resource", "").removeprefix("acct:").partition("@")
        account = self._server.fediverse.find(name, host)
        if account is None or self._server.site not in (account.site, account.host):
            raise Refused(404, "Not found")
        link = {"rel": "self", "type": "application/activity+json", "href": account.uri}
        return {"subject": f"acct:{name}@{host}", "links": [{"rel": "other", "href": "x"}, link]}

    def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params) or request.state.form
        app = self._server.apps.get(asked.get("client_id", ""))
        if app is None or asked.get("redirect_uri") not in app.redirect_uris:
            raise Refused(400, "invalid_client")
        scopes = set((asked.get("scope") or "read").split())
        back = {"state": asked.get("state", "")} | self._server.says.get("callback", {})
        error = "invalid_scope" if not scopes <= app.scopes else ""
        if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
            error = error or "invalid_request"
        if error or asked.get("response_type") != "code":
            return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'error': error or 'x'} | back)}", 302)
        person = request.state.form.get("username")
        if person is None:
            return HTMLResponse("<form method=post>sign in</form>")
        account = (
            self._server.fediverse.find(person, self._server.site)
            or self._server.fediverse.accounts[f"{self._server.base}/users/{person}"]
        )
        code = secrets.token_urlsafe(24)
        until = self._server.fediverse.now() + timedelta(minutes=10)
        grant = Grant(app, account, asked["redirect_uri"], scopes, asked["code_challenge"], until)
        self._server.grants[code] = grant
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code} | back)}", 302)

    def _client(self, form: dict[str, str]) -> App:
        app = self._server.apps.get(form.get("client_id", ""))
        if app is None or not secrets.compare_digest(app.secret, form.get("client_secret", "")):
            raise Refused(401, "invalid_client")
        return app

    def exchange(self, request: Request) -> dict[str, Any]:
        form = request.state.form
        app = self._client(form)
        grant = self._server.grants.get(form.get("code", ""))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if form.get("grant_type") != "authorization_code":
            raise Refused(400, "unsupported_grant_type")
        if grant is not None and grant.used:
            self._server.tokens = {text: one for text, one in self._server.tokens.items() if one.app is not grant.app}
        if (
            grant is None
            or grant.used
            or grant.app is not app
            or grant.until <= self._server.fediverse.now()
            or grant.redirect_uri != form.get("redirect_uri")
            or challenge.rstrip(b"=").decode() != grant.challenge
            or set(form.get("scope", "read").split()) != grant.scopes
        ):
            raise Refused(400, "invalid_grant")
        grant.used = True
        token = Token(secrets.token_urlsafe(24), grant.account, grant.scopes, app)
        self._server.tokens[token.text] = token
        return {"access_token": token.text, "token_type": "Bearer", "scope": " ".join(sorted(grant.scopes))}

    def revoke(self, request: Request) -> dict[str, Any]:
        token = self._server.tokens.get(request.state.form.get("token", ""))
        if token is not None and token.app is not self._client(request.state.form):
            raise Refused(403, "unauthorized_client")
        self._server.tokens.pop(request.state.form.get("token", ""), None)
        return {}

    def userinfo(self, request: Request) -> dict[str, Any]:
        if "no_userinfo" in self._server.quirks:
            raise Refused(404, "Not found")
        account = self._server.token_in(request, "profile").account
        told = {"iss": f"{self._server.base}/", "sub": self._server.claims(account), "name": account.display}
        return told | {"preferred_username": account.name} | dict(self._server.says.get("userinfo", {}))

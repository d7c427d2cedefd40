"""Every answer of a door carries the strict headers, whoever gave it."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.http.problems import install_problem_handlers
from app.web.headers import SecurityHeaders

# OWASP Secure Headers, except Clear-Site-Data, which belongs to signing out.
REQUIRED = {
    "cache-control": "no-store, max-age=0",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "x-frame-options": "DENY",
    "x-permitted-cross-domain-policies": "none",
    "x-robots-tag": "noindex, nofollow",
}


def make_client(**settings: object) -> httpx2.AsyncClient:
    app = FastAPI(openapi_url=None)
    install_problem_handlers(app)
    app.add_middleware(SecurityHeaders, **({"https": True} | settings))  # type: ignore[arg-type]

    @app.get("/page")
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.csp_nonce)

    @app.get("/loose")
    async def loose() -> Response:
        headers = {
            "Content-Security-Policy": "default-src *",
            "Cache-Control": "public, max-age=600",
            "Server": "secret/1.0",
            "X-Powered-By": "secret",
            "X-Frame-Options": "ALLOWALL",
            "Referrer-Policy": "unsafe-url",
        }
        return Response(headers=headers)

    @app.get("/static/app.js")
    async def static() -> Response:
        return Response(headers={"Cache-Control": "public, max-age=31536000, immutable"})

    @app.get("/static/gone")
    async def gone() -> Response:
        return Response(status_code=404, headers={"Cache-Control": "public, max-age=31536000, immutable"})

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[str]:
        yield "x"

    @app.get("/away")
    async def away() -> RedirectResponse:
        return RedirectResponse("/page", 303)

    @app.get("/bug")
    async def bug() -> Response:
        raise ValueError

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://bank.example")


@pytest.mark.parametrize("path", ["/page", "/loose", "/events", "/away", "/bug", "/nothing", "/static/gone"])
async def test_answer_of_any_kind_has_every_header_once(path: str) -> None:
    async with make_client() as client:
        response = await client.get(path)
    for name, value in REQUIRED.items():
        assert response.headers.get_list(name) == [value], name
    assert len(response.headers.get_list("content-security-policy")) == 1
    assert "server" not in response.headers
    assert "x-powered-by" not in response.headers


async def test_method_not_allowed_has_the_headers_too() -> None:
    async with make_client() as client:
        response = await client.post("/page")
    assert response.status_code == 405
    assert response.headers["x-frame-options"] == "DENY"


async def test_policy_lets_nothing_load_but_our_own() -> None:
    async with make_client() as client:
        response = await client.get("/page")
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; ") if " " in part)
    assert policy == {
        "default-src": "'none'",
        "script-src": f"'nonce-{response.text}'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
        "report-uri": "/csp-report",
    }
    assert response.headers["content-security-policy"].endswith("upgrade-insecure-requests")
    assert not re.search(r"unsafe|\*|data:|http", response.headers["content-security-policy"].replace("upgrade-in", ""))


async def test_nonce_is_new_for_each_answer() -> None:
    async with make_client() as client:
        nonces = {(await client.get("/page")).text for _ in range(20)}
    assert len(nonces) == 20
    assert all(len(nonce) >= 22 for nonce in nonces)


async def test_only_an_immutable_file_may_be_stored() -> None:
    async with make_client() as client:
        assert (await client.get("/static/app.js")).headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_plain_http_promises_no_https() -> None:
    async with make_client(https=False) as client:
        response = await client.get("/page")
    assert "strict-transport-security" not in response.headers
    assert "upgrade-insecure" not in response.headers["content-security-policy"]


async def test_sign_in_targets_and_named_trusted_types_are_added() -> None:
    async with make_client(
        form_targets=["https://square.example", "http://id.localhost:8802"], trusted_types=["r"]
    ) as c:
        policy = (await c.get("/page")).headers["content-security-policy"]
    assert "form-action 'self' https://square.example http://id.localhost:8802;" in policy
    assert "trusted-types r;" in policy


@pytest.mark.parametrize(
    "target", ["https:", "*", "https://*", "javascript:x", "https://a.example; script-src *", "https://a.example/x", ""]
)
def test_form_target_that_is_no_origin_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="origins"):
        SecurityHeaders(FastAPI(), https=True, form_targets=[target])


@pytest.mark.parametrize("name", ["*", "'allow-duplicates'", "a b", "a;b", ""])
def test_policy_name_that_is_no_word_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="one-word"):
        SecurityHeaders(FastAPI(), https=True, trusted_types=[name])

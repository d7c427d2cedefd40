"""Another site cannot make a browser write here."""

from collections.abc import Mapping

import httpx2
import pytest
from fastapi import FastAPI

from app.web.cross_origin import CrossSiteWrites

OWN = "https://bank.example"
COOKIE = {"cookie": "__Host-session=x"}


async def write(headers: Mapping[str, str], path: str = "/write", method: str = "POST") -> int:
    app = FastAPI(openapi_url=None)
    app.add_middleware(CrossSiteWrites, origins=[OWN], exempt=["/webhooks/"])

    @app.api_route("/{path:path}", methods=["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
    async def anything(path: str) -> str:
        return path

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=OWN) as client:
        response = await client.request(method, path, headers=dict(headers))
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "cross_site"
    return response.status_code


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": OWN},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "same-origin, cross-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://bank.example.evil.example"},
        {"origin": "http://bank.example"},
        {"origin": "https://bank.example:8443"},
        {"origin": f"{OWN} https://evil.example"},
        {"referer": f"{OWN}/page"},
        {},
    ],
)
async def test_write_from_elsewhere_is_refused(method: str, headers: dict[str, str]) -> None:
    assert await write(headers | COOKIE, method=method) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"sec-fetch-site": "none"},
        {"origin": OWN},
    ],
)
async def test_our_own_pages_may_write(headers: dict[str, str]) -> None:
    assert await write(headers | COOKIE) == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_reading_from_elsewhere_is_no_write(method: str) -> None:
    assert await write({"sec-fetch-site": "cross-site"} | COOKIE, method=method) == 200


async def test_bearer_token_without_cookie_passes_and_with_cookie_does_not() -> None:
    bearer = {"authorization": "Bearer x", "sec-fetch-site": "cross-site"}
    assert await write(bearer) == 200
    assert await write(bearer | COOKIE) == 403
    assert await write({"authorization": "Basic eDp5", "sec-fetch-site": "cross-site"}) == 403


async def test_program_without_cookie_and_without_browser_marks_passes() -> None:
    assert await write({}) == 200


async def test_sign_in_form_of_another_site_is_refused_even_without_a_cookie() -> None:
    assert await write({"sec-fetch-site": "cross-site"}) == 403
    assert await write({"origin": "https://evil.example"}) == 403


async def test_exempt_path_passes_and_its_look_alike_does_not() -> None:
    assert await write({"sec-fetch-site": "cross-site"}, "/webhooks/square") == 200
    assert await write({"sec-fetch-site": "cross-site"}, "/webhooksx") == 403

"""The Square's pages: what people write stays text, forms come from here, names follow the account."""

from __future__ import annotations

import pytest

from tests.app.demo.conftest import BANK, GIULIA, MARCO, TANIA, Site


async def test_what_people_write_is_escaped_and_addresses_become_harmless_links(site: Site) -> None:
    text = (await site.browser().get("/")).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Marco &lt;b&gt;Bianchi" in text
    link = '<a href="https://example.org/a?b=1&amp;c=2" rel="noopener noreferrer nofollow">https://example.org/a?b=1&amp;c=2</a>).'
    assert link in text


@pytest.mark.parametrize("text", ["javascript:alert(1)", 'https://a.example/"onmouseover="x', "http://a.example/<b>"])
async def test_hostile_addresses_cannot_leave_the_attribute(site: Site, text: str) -> None:
    browser = await site.signed_in(TANIA)
    await browser.post("/posts", data={"text": text})
    shown = (await site.browser().get("/")).text
    assert 'href="javascript' not in shown
    assert "onmouseover=" not in shown.replace("&#34;onmouseover=", "")
    assert "<b>" not in shown


async def test_every_answer_forbids_foreign_scripts_and_frames(site: Site) -> None:
    for path in ("/", "/nothing", "/api/v1/me", "/static/square.css"):
        headers = (await site.browser().get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "'unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_site_answers_on_loopback_names_only(site: Site) -> None:
    for host in ("evil.example", "square.localhost.evil.example", "169.254.169.254", "["):
        assert (await site.browser().get("/", headers={"host": host})).status_code == 421


async def test_pages_are_italian_unless_english_is_chosen(site: Site) -> None:
    browser = site.browser()
    assert '<html lang="it">' in (await browser.get("/")).text
    assert '<html lang="en">' in (await browser.get("/?lang=en")).text
    assert '<html lang="en">' in (await browser.get("/sign-in")).text
    assert '<html lang="it">' in (await browser.get("/?lang=it")).text


async def test_post_and_reply_appear_in_thread_and_timeline(site: Site) -> None:
    browser = await site.signed_in(TANIA)
    await browser.post("/posts", data={"text": "Anche a me!", "in_reply_to": "90001"})
    for path in ("/", "/posts/90001"):
        assert "Anche a me!" in (await site.browser().get(path)).text


async def test_refused_draft_is_kept_in_the_form(site: Site) -> None:
    browser = await site.signed_in(TANIA)
    answer = await browser.post("/posts", data={"text": "x" * 501})
    assert answer.status_code == 422
    assert "x" * 501 in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize("text", ["", "  \n ", "a\x00b", "a\x1bb"])
async def test_empty_posts_and_control_characters_are_refused(site: Site, text: str) -> None:
    before = len(site.square.posts)
    browser = await site.signed_in(TANIA)
    assert (await browser.post("/posts", data={"text": text})).status_code in (400, 422)
    assert len(site.square.posts) == before


async def test_guest_cannot_write_and_foreign_forms_are_refused(site: Site) -> None:
    assert (await site.browser().post("/posts", data={"text": "x"})).status_code == 403
    browser = await site.signed_in(GIULIA)
    foreign = {"sec-fetch-site": "same-site", "origin": "http://bank.localhost:8101"}
    for path in ("/posts", "/sign-in", "/sign-out", "/messages/49518", "/settings/handle", "/settings/messages"):
        answer = await browser.post(path, data={"text": "x", "person": GIULIA.id}, headers=foreign)
        assert answer.status_code == 403, path


async def test_sign_in_sends_nobody_to_another_site(site: Site) -> None:
    for address in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"):
        answer = await site.browser().post("/sign-in", data={"person": GIULIA.id, "next": address})
        assert answer.headers["location"] == "/"


async def test_session_cookie_is_hidden_from_scripts_and_new_at_each_sign_in(site: Site) -> None:
    browser = site.browser()
    first = await browser.post("/sign-in", data={"person": GIULIA.id})
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "domain" not in cookie
    old = browser.cookies["square_session"]
    await browser.post("/sign-in", data={"person": TANIA.id})
    assert browser.cookies["square_session"] != old
    assert site.square.session_person(old) is None


async def test_direct_messages_are_seen_by_the_two_people_alone(site: Site) -> None:
    giulia, tania = await site.signed_in(GIULIA), await site.signed_in(TANIA)
    site.square.send_message(TANIA.id, GIULIA.id, "segreto di Tania")
    assert "segreto di Tania" in (await giulia.get(f"/messages/{TANIA.id}")).text
    assert "segreto di Tania" in (await tania.get("/messages")).text
    bank = await site.signed_in(BANK)
    for path in ("/messages", f"/messages/{TANIA.id}", f"/messages/{GIULIA.id}"):
        assert "segreto" not in (await bank.get(path)).text
    assert (await site.browser().get("/messages")).status_code == 403


async def test_closed_inbox_says_so_and_keeps_the_draft(site: Site) -> None:
    giulia = await site.signed_in(GIULIA)
    answer = await giulia.post(f"/messages/{MARCO.id}", data={"text": "ciao Marco"})
    assert answer.status_code == 422
    assert "ciao Marco" in answer.text


async def test_renamed_handle_can_be_taken_over_but_the_id_stays(site: Site) -> None:
    giulia, tania = await site.signed_in(GIULIA), await site.signed_in(TANIA)
    assert (await tania.post("/settings/handle", data={"handle": "giulia"})).status_code == 422
    assert (await giulia.post("/settings/handle", data={"handle": "@Giulia_2"})).status_code == 303
    assert (await tania.post("/settings/handle", data={"handle": "giulia"})).status_code == 303
    now = site.square.by_handle("giulia")
    assert now is not None
    assert now.id == TANIA.id
    assert "giulia_2" in (await site.browser().get("/posts/90001")).text


async def test_oversized_and_broken_forms_are_refused(site: Site) -> None:
    browser = await site.signed_in(GIULIA)
    assert (await browser.post("/posts", data={"text": "x" * 70_000})).status_code == 413
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"text=%ff", b"text=\xff", b"text=a&text=b", b"&".join(b"a%d=1" % n for n in range(40))):
        assert (await browser.post("/posts", content=body, headers=kind)).status_code == 400
    assert (await browser.post("/posts", json={"text": "x"})).status_code == 415


@pytest.mark.parametrize("path", ["/posts/0", "/posts/x", "/posts/9" * 3, "/@nobody_here", "/messages/1", "/nowhere"])
async def test_unknown_addresses_are_pages_with_404(site: Site, path: str) -> None:
    answer = await (await site.signed_in(GIULIA)).get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text


async def test_fresh_counts_newer_posts_and_the_readers_own_messages(site: Site) -> None:
    site.square.post(TANIA.id, "nuovo", None)
    assert (await site.browser().get("/fresh.json?after=90002")).json() == {"posts": 1, "messages": 0}
    assert (await site.browser().get("/fresh.json?after=x")).json() == {"posts": 3, "messages": 0}
    site.square.send_message(TANIA.id, GIULIA.id, "ciao")
    assert (await (await site.signed_in(GIULIA)).get("/fresh.json")).json()["messages"] == 1
    assert (await (await site.signed_in(TANIA)).get("/fresh.json")).json()["messages"] == 0

"""Every page in every language: whole, escaped, labelled, and made of first-party parts only."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from app.web import own_views, password_views, staff_views, views
from app.web.i18n import LANGUAGES
from app.web.rendering import STATIC, TEMPLATES, render, static_address
from tests.support.page_samples import SLUG, TRAP, page_samples

NONCE = "N0nce"
PAGES = page_samples()
DOCUMENTED = f"{views.__doc__}\n{own_views.__doc__}\n{staff_views.__doc__}\n{password_views.__doc__}"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "path"}
VOID |= {"rect", "circle"}
BEFORE_THE_DESK = {f"staff/{name}.html" for name in ("sign_in", "departing", "arrived")}
ROOM_PAGES = {f"customer/{name}.html" for name in ("room", "locked", "authenticator", "passkeys", "own", "revoke")}
every_page = pytest.mark.parametrize("name", PAGES)
every_language = pytest.mark.parametrize("language", LANGUAGES)


class Elements(HTMLParser):
    """The start tags of a page in order, and whether each is closed where it must be."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


@cache
def elements(name: str, language: str = "it") -> Elements:
    view = PAGES[name]
    return Elements(render(language, view.TEMPLATE, view, nonce=NONCE))


@every_language
@every_page
def test_page_is_whole_and_names_its_language(name: str, language: str) -> None:
    page = elements(name, language)
    assert page.open == []
    assert page.named("html") == [{"lang": language}]
    assert len(page.named("h1")) == 1
    assert len(page.named("main")) == 1


@every_page
def test_page_fits_a_strict_content_security_policy(name: str) -> None:
    page = elements(name)
    assert page.named("style", "iframe", "object", "embed", "base") == []
    for tag, attributes in page.found:
        assert "style" not in attributes, tag
        assert not [key for key in attributes if key.startswith("on")], tag
    for script in page.named("script"):
        assert script["nonce"] == NONCE
        assert script["type"] == "module"
    sources = [part.get("src") or part.get("href") or "" for part in page.named("script", "link", "img")]
    assert len(sources) >= 3
    assert all(source.startswith(("/static/", "/room/")) for source in sources)


@every_page
def test_every_field_has_a_label_and_every_id_is_unique(name: str) -> None:
    page = elements(name)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {label.get("for") for label in page.named("label")}
    for field in page.named("input", "select", "textarea"):
        if field.get("type") not in ("hidden", "radio", "checkbox"):
            assert field["id"] in labelled
    for attribute in ("aria-labelledby", "aria-describedby"):
        named = " ".join(value[attribute] or "" for _, value in page.found if attribute in value).split()
        assert set(named) <= set(ids)


@every_page
def test_every_form_goes_where_the_documented_table_says(name: str) -> None:
    documented = {re.sub(r"\{\w+\}", "{}", path) for path in re.findall(r"(?:GET|POST) +(/\S*)", DOCUMENTED)}
    for form in elements(name).named("form"):
        action = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "{}", (form["action"] or "").replace(SLUG, "{}"))
        assert action in documented
        assert form["method"] == ("get" if action == "/queue" else "post")
    fields = {field["name"] for field in elements(name).named("input", "select", "textarea")}
    assert {field for field in fields if not re.search(rf"\b{field}\b", DOCUMENTED)} == set()


@every_language
@every_page
def test_text_of_others_is_never_markup(name: str, language: str) -> None:
    view = PAGES[name]
    html = render(language, view.TEMPLATE, view, nonce=NONCE)
    assert TRAP not in html
    assert "<img src=x" not in html


def test_traps_are_in_the_samples_at_all() -> None:
    escaped = "&lt;img src=x onerror="
    hit = [name for name, view in PAGES.items() if escaped in render("it", view.TEMPLATE, view, nonce=NONCE)]
    assert {"handle-two-networks", "room", "case", "queue", "verify-not-ours"} <= set(hit)


def test_every_template_has_a_sample() -> None:
    pages = {
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*.html")
        if not path.name.startswith("_") and path.name not in ("base.html", "layout.html")
    }
    assert pages == {view.TEMPLATE for view in PAGES.values()}


def test_missing_value_is_an_error_and_never_an_empty_place() -> None:
    with pytest.raises(UndefinedError):
        render("en", views.Confirm.TEMPLATE, PAGES["landing"], nonce=NONCE)


def test_landing_page_differs_between_links_in_the_link_only() -> None:
    landing = PAGES["landing"]
    assert isinstance(landing, views.Landing)
    other = replace(landing, slug="another")
    one = render("it", landing.TEMPLATE, landing, nonce=NONCE)
    assert render("it", other.TEMPLATE, other, nonce=NONCE) == one.replace(SLUG, "another")


def test_code_pages_tell_nothing_that_the_visitor_did_not_type() -> None:
    assert set(views.CustomerCode.__dataclass_fields__) - set(views.CasePage.__dataclass_fields__) == {
        "kind",
        "minutes",
    }


def test_the_page_says_what_is_weak_about_a_text_message() -> None:
    choice = PAGES["customer"]
    said = {language: render(language, choice.TEMPLATE, choice, nonce=NONCE) for language in ("en", "it")}
    assert "Whoever takes over a number gets its messages: the other ways are safer." in said["en"]
    assert "Chi si impadronisce di un numero ne riceve i messaggi" in said["it"]


def test_a_password_is_typed_behind_a_mask_that_password_managers_can_fill() -> None:
    fields = [field for name in PAGES for field in elements(name).named("input") if "password" in (field["name"] or "")]
    assert fields
    for field in fields:
        kept = "new-password" if field["name"] == "new_password" else "current-password"
        assert (field["type"], field["autocomplete"], field["maxlength"]) == ("password", kept, "256")
        assert not {"readonly", "disabled", "onpaste", "pattern"} & field.keys()
    assert "paste" not in (STATIC / "riserbo.js").read_text()


@every_page
def test_every_page_behind_a_sign_in_has_a_way_out(name: str) -> None:
    template = PAGES[name].TEMPLATE
    actions = [form["action"] for form in elements(name).named("form")]
    assert ("/signout" in actions) == (template.startswith("staff/") and template not in BEFORE_THE_DESK)
    assert ("/room/leave" in actions) == (template in ROOM_PAGES)


def test_percent_sign_in_an_error_is_only_a_percent_sign() -> None:
    problem = replace(PAGES["problem"], error="100% wrong %(name)s")
    assert "100% wrong %(name)s" in render("it", problem.TEMPLATE, problem, nonce=NONCE)


def test_held_answer_shows_its_text_to_nobody_in_the_customers_room() -> None:
    fields = set(views.HeldAnswer.__dataclass_fields__)
    assert fields == {"count", "level", "expires_at"}


def test_stylesheet_and_module_take_nothing_from_elsewhere() -> None:
    style = (STATIC / "riserbo.css").read_text()
    assert not re.search(r"@import|url\(|https?:", style)
    assert len(style) < 30_000
    module = (STATIC / "riserbo.js").read_text()
    assert not re.search(r"https?:|\bimport\b", module)
    assert len(module) < 12_000


def test_module_never_makes_markup_or_code_from_text() -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|createContextualFragment|srcdoc|setHTML|localStorage|sessionStorage"
    assert not re.search(sinks, (STATIC / "riserbo.js").read_text())


def test_static_address_changes_with_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = static_address("riserbo.css")
    (tmp_path / "riserbo.css").write_text("body {}")
    monkeypatch.setattr("app.web.rendering.STATIC", tmp_path)
    static_address.cache_clear()
    after = static_address("riserbo.css")
    static_address.cache_clear()
    assert before != after
    assert before.startswith("/static/riserbo.css?v=")

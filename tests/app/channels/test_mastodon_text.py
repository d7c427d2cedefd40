"""A stranger's HTML becomes text and nothing else; accounts and lengths are read as the servers read them."""

from __future__ import annotations

import pytest

from app.channels.mastodon_text import LONGEST_TEXT, counted, plain_text, tidy_account
from app.channels.ports import AccountNotNamed
from tests.support.mastodon_entities import as_html, length_of

LINK = "https://chat.bancaesempio.example/c/abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Uno</p><p>Due<br>Tre<br />Quattro</p>", "Uno\n\nDue\nTre\nQuattro"),
        ("<p>a &lt;b&gt; &amp; c &#39;d&#39;</p>", "a <b> & c 'd'"),
        ("<ul><li>uno</li><li>due</li></ul>", "- uno\n- due"),
        ("vecchio <script>alert(1)</script><b>testo</b>", "vecchio testo"),
        ("<style>p{}</style><svg><text>x</text></svg>resto", "resto"),
        ('<img src=x onerror="alert(1)">resto', "resto"),
        ("<p>due  spazi\n e una riga</p>", "due spazi e una riga"),
        ('<a href="https://example.org/x">https://example.org/x</a>', "https://example.org/x"),
        ('<a href="https://example.org/x">example.org/x</a>', "example.org/x"),
        ('<a href="https://evil.example/">la mia banca</a>', "la mia banca (https://evil.example/)"),
        ('<a href="javascript:alert(1)">premi</a>', "premi"),
        ('<a href="https://evil.example/"></a>', "https://evil.example/"),
        ('<a href="https://a.example/@x" class="mention">@<span>x</span></a> ciao', "@x ciao"),
        ('<a href="https://a.example/tags/Bollo" rel="tag">#<span>Bollo</span></a>', "#Bollo"),
        ("<script><p>mai chiuso", ""),
        ("<scr<script>ipt>alert(1)</script>", "ipt>alert(1)"),
        ("a\u202eb\u200bc\x00d\x1be", "abcde"),
        ("<!-- niente --><p>x</p><![CDATA[y]]>", "x"),
    ],
)
def test_html_becomes_text(html: str, text: str) -> None:
    assert plain_text(html) == text


@pytest.mark.parametrize(
    "html", ["<" * 50_000, "<a href='" + "x" * 90_000, "<div>" * 30_000, "&" * 60_000, "<p" * 40_000]
)
def test_hostile_markup_ends_soon_and_gives_little(html: str) -> None:
    assert len(plain_text(html)) <= LONGEST_TEXT


def test_the_unseen_part_of_a_shortened_link_is_there() -> None:
    assert plain_text(as_html(f"Ecco {LINK}")) == f"Ecco {LINK}"


@pytest.mark.parametrize(
    ("typed", "account"),
    [
        ("@giulia@social.example", "giulia@social.example"),
        (" giulia@Social.Example ", "giulia@social.example"),
        ("acct:giulia@social.example", "giulia@social.example"),
        ("https://social.example/@giulia", "giulia@social.example"),
        ("https://social.example/users/giulia/", "giulia@social.example"),
        ("＠giulia＠social.example", "giulia@social.example"),
    ],
)
def test_an_account_may_be_named_in_any_usual_spelling(typed: str, account: str) -> None:
    assert tidy_account(typed) == account


@pytest.mark.parametrize(
    "typed",
    [
        "giulia",
        "@giulia",
        "@giulia@",
        "@@",
        "a b@c.example",
        "https://",
        "https://[x/@a",
        "giulia@a.example/x",
        "x@y@z.example",
    ],
)
def test_what_names_no_server_is_no_account_here(typed: str) -> None:
    with pytest.raises(AccountNotNamed):
        tidy_account(typed)


@pytest.mark.parametrize(
    "text",
    [
        "ciao",
        f"@giulia@social.example ciao {LINK}",
        "due https://a.example/x https://b.example/" + "y" * 90,
        "però è già così",
    ],
)
def test_lengths_are_the_servers_own(text: str) -> None:
    assert counted(text, 23) == length_of(text)


def test_an_address_that_a_server_may_not_recognise_counts_in_full() -> None:
    assert counted("http://127.0.0.1:8600/c/abcdefghijklmnopqrstuvwxyz", 23) == 50

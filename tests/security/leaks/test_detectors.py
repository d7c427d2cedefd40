"""Rules that the corpora do not show one by one."""

from __future__ import annotations

import pytest

from security.leaks import Allowed, Fact, Leak, gravest, never_said, scan
from security.leaks.iban import STRUCTURES


def kinds(text: str, **context: object) -> set[tuple[str, str]]:
    return {(leak.kind, leak.severity) for leak in scan(text, **context)}  # type: ignore[arg-type]


def iban(country: str, account: str) -> str:
    remainder = int("".join(str(int(sign, 36)) for sign in account + country + "00")) % 97
    return f"{country}{98 - remainder:02d}{account}"


@pytest.mark.parametrize("country", sorted(STRUCTURES))
def test_an_iban_of_every_country_blocks_and_a_slip_in_it_warns(country: str) -> None:
    parts = STRUCTURES[country].replace("n", " n").replace("a", " a").replace("c", " c").split()
    account = "".join(
        "1234567890"[: int(part[1:])].ljust(int(part[1:]), "7") if part[0] != "a" else "QWER"[: int(part[1:])]
        for part in parts
    )
    good = iban(country, account)
    assert ("iban", "block") in kinds(good)
    slip = good[:-1] + ("8" if good[-1] != "8" else "9") if good[-1].isdigit() else good[:4] + "X" + good[5:]
    assert ("iban", "block") not in kinds(slip)


def test_a_card_number_inside_a_longer_number_or_word_is_none() -> None:
    assert not kinds("pacco 00411111111111111119912")
    assert not kinds("pacco 41111111111111112345678")
    assert not kinds("ID abc4111111111111111xyz")


def test_a_number_of_one_repeated_digit_or_of_counting_groups_is_no_card() -> None:
    assert "card" not in {kind for kind, _ in kinds("4444444444444444 e 6 7 8 9 10 11 12 13 14 15")}


def test_a_tax_code_needs_a_possible_day() -> None:
    assert not kinds("RSSGLI85C39H501X")


def test_a_tax_code_with_a_wrong_check_character_warns() -> None:
    assert kinds("RSSGLI85C52H501A") == {("tax_code_like", "warn")}


def test_sixteen_letters_in_a_row_of_words_are_no_tax_code() -> None:
    assert not kinds("Responsabilmente, unilateralmente e professionalmente")


def test_a_vat_number_after_order_words_needs_its_name() -> None:
    assert ("vat", "block") in kinds("P.IVA 012 345 601 57")
    assert "vat" not in {kind for kind, _ in kinds("12 01234560157 34 ordine")}
    assert not kinds("IT01234560158")


def test_phone_numbers_abroad_need_a_known_country_code_and_length() -> None:
    assert kinds("+1 212 555 0123") == {("phone", "block")}
    assert not kinds("+1 212 555")
    assert not kinds("+999 12")
    assert kinds("0044 20 7946 0958") == {("phone", "block")}


def test_a_mobile_with_country_code_and_no_plus_blocks() -> None:
    assert kinds("scrivi al 393471234567") == {("phone", "block")}


def test_a_number_with_commas_is_a_sum_and_no_phone() -> None:
    assert not kinds("esercizio: 3,471,234,567 azioni")


def test_a_landline_needs_an_area_code_of_its_own() -> None:
    assert kinds("051 1234567") == {("phone", "block")}
    assert not kinds("051234 1234")


@pytest.mark.parametrize("text", ["800-555-0123 free", "numero verde 803 160 160"])
def test_free_phone_numbers_pass(text: str) -> None:
    assert not kinds(text)


def test_a_mention_is_no_address_unless_its_host_has_mailboxes() -> None:
    assert not kinds("@giulia@mastodon.example")
    assert kinds("@giulia@gmail.com") == {("email", "block")}


def test_the_banks_own_address_and_host_pass() -> None:
    hosts = frozenset({"bancaesempio.it"})
    assert not kinds("aiuto@bancaesempio.it su https://www.bancaesempio.it/x", hosts=hosts)
    assert ("email", "block") in kinds("aiuto@bancaesempio.it.example", hosts=hosts)


@pytest.mark.parametrize(
    "link",
    [
        "https://altro.example/x",
        "https://u@bancaesempio.it/",
        "https://bаncaesempio.it/",
        "http://192.0.2.1/",
        "www.x.it",
        "altro.example",
    ],
)
def test_a_link_elsewhere_or_in_disguise_blocks(link: str) -> None:
    assert ("link", "block") in kinds(link, hosts=frozenset({"bancaesempio.it"}))


def test_without_a_list_of_hosts_only_deceptive_links_warn() -> None:
    assert not kinds("https://altro.example/x")
    assert kinds("https://bit.ly/x") == {("link", "warn")}
    assert kinds("https://xn--bncaesempio-x2a.it/") == {("link", "warn")}
    assert not kinds("https://--- nulla", hosts=frozenset({"a.it"}))


def test_a_bic_warns_only_where_it_is_written_as_one() -> None:
    assert kinds("BIC BCITITMM") == {("bic", "warn")}
    assert kinds("UNCRITM1XXX") == {("bic", "warn")}
    assert not kinds("BONIFICO e bcititmm100 e CREDITOR")


def test_a_title_and_a_surname_warn_unless_the_thread_shows_them() -> None:
    assert kinds("Gentile Sig.ra Bianchi") == {("name", "warn")}
    assert not kinds("Gentile sig.ra bianca")
    assert not kinds("Gentile Sig.ra Bianchi", allowed=Allowed(["Anna Bianchi"]))


def test_a_round_sum_in_a_personal_condition_warns() -> None:
    assert kinds("Se la tua giacenza supera 5.000 euro si paga il bollo") >= {("amount", "warn")}


def test_a_balance_with_no_currency_blocks_but_a_date_near_it_does_not() -> None:
    assert kinds("saldo 87,12") == {("amount", "block")}
    assert not kinds("saldo e bonifici: vedi alle 10.30 di domani, oppure dopo")


def test_ask_whether_somebody_is_a_customer_but_never_say_so() -> None:
    assert not kinds("Sei nostro cliente?")
    assert kinds("Sei nostro cliente.") == {("relationship", "block")}
    assert not kinds("Se sei nostro cliente, entra.")
    assert kinds("Se hai un conto, il tuo conto è protetto") == {("relationship", "warn")}


def test_advice_ends_with_its_clause() -> None:
    assert not kinds("Non scriva qui il suo IBAN.")
    assert kinds("Non si preoccupi, le scriviamo: il suo conto è a posto.") == {("relationship", "block")}


class TestFacts:
    def test_short_names_are_found_whole_but_not_across_words(self) -> None:
        facts = (Fact("name", "Anna"), Fact("city", "Bra"), Fact("name", "x"))
        assert kinds("ciao A n n a", facts=facts) == {("fact", "block")}
        assert not kinds("una panna an na bravo brava", facts=facts)
        assert kinds("AnnaBianchi e Bra", facts=facts) == {("fact", "block")}
        assert kinds("Anna84", facts=facts) == {("fact", "block")}

    def test_dates_and_numbers_are_found_in_every_usual_order(self) -> None:
        facts = (Fact("birth_date", "1985-03-12"), Fact("phone", "+39 347 1234567"), Fact("note", "1985-3"))
        for text in ("12/03/1985", "12.3.1985", "12 03 85", "347/123.45.67"):
            assert ("fact", "block") in kinds(text, facts=facts) or ("phone", "block") in kinds(text, facts=facts)

    def test_what_the_thread_shows_may_be_said_again(self) -> None:
        facts = (Fact("name", "Giulia Rossi"),)
        assert not kinds("Ciao Giulia @giulia", facts=facts, allowed=Allowed(["@giulia"]))
        assert kinds("Ciao Giulia Rossi", facts=facts, allowed=Allowed(["@giulia"])) == {("fact", "block")}
        assert not kinds("Chiami +39 02 1234567", allowed=Allowed(["02 1234567"]))
        assert not Allowed([]).covers("Giulia")
        assert not Allowed(["Giulia"]).covers("???")

    def test_an_account_number_in_the_thread_is_still_not_repeated(self) -> None:
        number = "IT60X0542811101000000123456"
        assert kinds(number, allowed=Allowed([number])) == {("iban", "block")}


def test_the_gravest_of_overlapping_findings_stays() -> None:
    assert scan("carta 4111 1111 1111 1111") == (Leak(6, 25, "card", "block"),)


def test_only_what_may_never_be_written_is_never_said() -> None:
    text = "IBAN IT60X0542811101000000123456, carta 5555555555554444, PIN 4821, CVV 123, OTP 482917, password: Luna2026"
    assert {leak.kind for leak in never_said(text)} == {"card", "pin", "cvv", "otp", "password"}
    assert never_said("il suo saldo è di 1.000 euro sul conto 12345678") == ()
    assert {leak.kind for leak in never_said("il P I N è q u a t t r o otto due uno")} <= {"pin"}


def test_sentences_are_left_out_where_they_do_not_matter() -> None:
    text = "Il suo conto con noi: IBAN IT60X0542811101000000123456"
    assert {leak.kind for leak in scan(text)} == {"relationship", "iban"}
    assert {leak.kind for leak in scan(text, sentences=False)} == {"iban"}


def test_the_gravest_are_what_no_room_takes_and_what_names_a_person() -> None:
    text = "CF RSSGLI85C52H501L, carta 4111 1111 1111 1111, IBAN IT60X0542811101000000123456, tel 333 1234567"
    assert {leak.kind for leak in gravest(text)} == {"tax_code", "card"}
    assert {leak.kind for leak in gravest("Il passaporto YA1234567, PIN 4821")} == {"identity_document", "pin"}


@pytest.mark.parametrize("text", ["il 22/11/2026 alle 14:30:15", "dal 01.12.2026 al 31.12.2026", "2026-11-22 02:14:45"])
def test_a_date_and_a_time_are_no_card(text: str) -> None:
    assert never_said(text) == ()
    assert gravest(text) == ()

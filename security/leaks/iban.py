"""International bank account numbers: country, length, structure and check digits (ISO 13616, ISO 7064 mod 97-10)."""

from __future__ import annotations

import re
from typing import Final

from security.leaks.findings import BLOCK, WARN, Leak, Leaks
from security.leaks.streams import Stream

# What follows country and check digits: n digits, a letters, c either, each with its count.
_REGISTRY: Final = """
    AD=n8c12 AE=n19 AL=n8c16 AT=n16 AZ=a4c20 BA=n16 BE=n12 BG=a4n6c8 BH=a4c14 BI=n23 BR=n23a1c1 BY=c4n4c16 CH=n5c12
    CR=n18 CY=n8c16 CZ=n20 DE=n18 DJ=n23 DK=n14 DO=c4n20 EE=n16 EG=n25 ES=n20 FI=n14 FK=a2n12 FO=n14 FR=n10c11n2
    GB=a4n14 GE=a2n16 GI=a4c15 GL=n14 GR=n7c16 GT=c4c20 HN=a4n20 HR=n17 HU=n24 IE=a4n14 IL=n19 IQ=a4n15 IS=n22
    IT=a1n10c12 JO=a4n4c18 KW=a4c22 KZ=n3c13 LB=n4c20 LC=a4c24 LI=n5c12 LT=n16 LU=n3c13 LV=a4c13 LY=n21 MC=n10c11n2
    MD=c2c18 ME=n18 MK=n3c10n2 MN=n16 MR=n23 MT=a4n5c18 MU=a4n19a3 NI=a4n20 NL=a4n10 NO=n11 OM=n3c16 PK=a4c16 PL=n24
    PS=a4c21 PT=n21 QA=a4c21 RO=a4c16 RS=n18 RU=n14c15 SA=n2c18 SC=a4n20a3 SD=n14 SE=n20 SI=n15 SK=n20 SM=a1n10c12
    SO=n19 ST=n21 SV=a4n20 TL=n19 TN=n20 TR=n6c16 UA=n6c19 VA=n18 VG=a4n16 XK=n16 YE=a4n4c18
"""
STRUCTURES: Final = dict(pair.split("=") for pair in _REGISTRY.split())

_AS_DIGIT: Final = str.maketrans("oilsbzgq", "01158299")
_AS_LETTER: Final = str.maketrans("01583", "oisbe")
_COUNT: Final = {"n": "[0-9oilsbzgq]", "a": "[a-z0158]", "c": "[a-z0-9]"}


def _shape(country: str) -> str:
    body = "".join(f"({_COUNT[kind]}{{{count}}})" for kind, count in re.findall(r"([nac])(\d+)", STRUCTURES[country]))
    return f"([0-9oil]{{2}}){body}"


_SHAPES: Final = {country: re.compile(_shape(country)) for country in STRUCTURES}
_KINDS: Final = {country: "n" + "".join(re.findall(r"[nac]", structure)) for country, structure in STRUCTURES.items()}
_START: Final = re.compile(
    r"(?=([a-z01]{2})[0-9oil]{2}[a-z0-9]{11})".replace(
        "[a-z01]{2}",
        "|".join(
            sorted(
                {c.lower() for c in STRUCTURES} | {c.lower().replace("i", "1").replace("o", "0") for c in STRUCTURES}
            )
        ),
    )
)


def _mod97(country: str, check: str, account: str) -> int:
    return int("".join(str(int(character, 36)) for character in account + country + check)) % 97


def _candidates(country: str, groups: tuple[str, ...]) -> list[str]:
    """The two readings of the characters after the country: with and without O and I as digits where both may stand."""
    plain, digital = "", ""
    for kind, group in zip(_KINDS[country], groups, strict=True):
        if kind == "c":
            plain, digital = plain + group, digital + group.translate(_AS_DIGIT)
        else:
            fixed = group.translate(_AS_DIGIT if kind == "n" else _AS_LETTER)
            plain, digital = plain + fixed, digital + fixed
    return [plain, digital]


def find_ibans(stream: Stream) -> Leaks:
    """Account numbers with right check digits block; the mere shape in one piece of text, wrong by a digit, warns."""
    for start in _START.finditer(stream.text):
        country = start[1].translate(_AS_LETTER).upper()
        shape = _SHAPES[country].match(stream.text, start.end(1))
        if shape is None or sum(map(str.isdigit, shape[0])) < 8 or not any(map(str.isdigit, shape[1])):
            continue
        place = stream.span(start.start(), shape.end())
        if any(_mod97(country, text[:2], text[2:]) == 1 for text in _candidates(country, shape.groups())):
            yield Leak(*place, "iban", BLOCK, country)
        elif stream.token_starts(start.start()) and stream.token_ends(shape.end()) and start[1].isalpha():
            yield Leak(*place, "iban_like", WARN, country)


_ODD_VALUES: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ITALIAN_ACCOUNT: Final = re.compile(r"(?=([a-z])([0-9]{10}[a-z0-9]{2}[0-9]{10}))")


def odd_value(character: str) -> int:
    """Value of a letter or digit at an odd place, in the Italian check characters of accounts and tax codes."""
    return _ODD_VALUES[int(character, 36) - 10 if character.isalpha() else int(character)]


def even_value(character: str) -> int:
    """Value of a letter or digit at an even place, likewise."""
    return int(character, 36) - 10 if character.isalpha() else int(character)


def find_italian_accounts(stream: Stream) -> Leaks:
    """The old Italian co-ordinates (CIN, ABI, CAB, account), which are the IBAN without its first four characters."""
    for match in _ITALIAN_ACCOUNT.finditer(stream.text):
        if not stream.token_starts(match.start(1)):
            continue
        account = match[2]
        total = sum(map(odd_value, account[::2])) + sum(map(even_value, account[1::2]))
        if total % 26 == even_value(match[1]) and stream.token_ends(match.end(2)):
            yield Leak(*stream.span(match.start(1), match.end(2)), "iban", BLOCK, "IT account")

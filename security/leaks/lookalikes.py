"""Letters of other scripts that a reader takes for a Latin letter or a digit, and which one.

Drawn up by eye for this guard. It is no copy of Unicode's confusables table and far shorter.
"""

from __future__ import annotations

from typing import Final

_TAKEN_FOR: Final = {
    "a": "аАαΑάɑᴀաꭺᎪ",
    "b": "вВьЬβΒʙɓƅƄᏴᏏ",
    "c": "сСϲϹᴄϾᏟⲥ",
    "d": "ԁԀɗđĐᴅժᎠδ",
    "e": "еЕєЄεΕᴇҽɛᎬеθ",
    "f": "ƒϜϝꜰք",
    "g": "ԍԌɡɢɠցᏀ",
    "h": "һҺнНΗʜհᎻħĦ",
    "i": "іІιΙıɪɩӀӏꭵᎥǀ",
    "j": "јЈϳɈȷᴊᎫ",
    "k": "кКκΚᴋқҚҡҝᏦⱪ",
    "l": "ʟłŁɫլᏞⅼ",
    "m": "мМΜᴍᎷ",
    "n": "пПηΝɴոռиИ",
    "o": "оОοΟσøØᴏօՕΘ",
    "p": "рРρΡᴘƿᏢ",
    "q": "ԛԚգզʠ",
    "r": "гГʀꭇᎡᏒɼ",
    "s": "ѕЅʂսꜱᏚႽ",
    "t": "тТτΤᴛŧŦᎢ",
    "u": "υμʋᴜվɄ",
    "v": "νѵѴᴠᏙ∨",
    "w": "ԝԜωшШщЩᴡաɯᎳ",
    "x": "хХχΧⅹ×",
    "y": "уУγΥүҮʏɣᎽ",
    "z": "ζΖᴢʐᏃ",
    "0": "੦۝",
    "3": "зЗӡɜȝƷ",
    "4": "чЧ",
    "6": "бБ",
    ".": "。｡․‧·•∙⋅・",
    "-": "‐‑‒–—―−⁃﹘",
    "'": "’‘ʼ′`´ʹ",
    "/": "⁄∕⧸",
}

# Characters that take no room, or only white room, though Unicode counts them as letters or symbols.
INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
BLANK: Final = frozenset("\u2800")

LATIN_OF: Final = {seen: latin for latin, row in _TAKEN_FOR.items() for seen in row}

# Letters drawn in boxes, circles and flags have no decomposition in Unicode: first code point of each run of A-Z.
BOXED_ALPHABETS: Final = (0x1F150, 0x1F170, 0x1F1E6)

"""Characters that make a text UCS-2 though one of the GSM alphabet looks the same or nearly so: pure functions.

They come from word processors, other keyboard layouts and copied pages: quotation marks, dashes, spaces that do not
break, characters that are not seen, Cyrillic letters in Latin words, accents that the GSM alphabet does not have.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.text_segments import DEFAULT_ALPHABET, EXTENSION, Encoding, encoding_of

GSM = DEFAULT_ALPHABET | EXTENSION

_BEGINNING = re.compile(r"\{[{%]")

LATIN_LOOKALIKES = dict(
    zip(
        # Cyrillic, then Greek.
        "АВЕЅІЈКМНОРСТУХаеорсухіѕјһ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
        "ABESIJKMHOPCTYXaeopcyxisjh" + "ABEZHIKMNOPTYXo",
        strict=True,
    )
)
"""Cyrillic and Greek letters, each with the Latin letter that it looks like."""

_LIKE = {
    **dict.fromkeys("«»“”„‟″〝〞❝❞", '"'),
    **dict.fromkeys("‘’‚‛′`´ʹʻʼˈ‹›", "'"),
    **dict.fromkeys("−⁃", "-"),
    **dict.fromkeys("•·∙", "-"),
    **dict.fromkeys("\u2028\u2029\x85", "\n"),
    "\t": " ",
    "⁄": "/",
    "∕": "/",
    "∗": "*",
    "×": "x",
    "©": "(c)",
    "®": "(R)",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ı": "i",
    "œ": "oe",
    "Œ": "OE",
}

_USELESS = frozenset("\u00ad\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff")
"""Invisible in every script. The others join letters or emoji, or set the direction of writing."""

_FILLERS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Letters and marks that are not seen."""


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A character that is not in the GSM alphabet, with what looks like it and is."""

    character: str
    """With the combining marks that follow it, if there are any."""
    position: int
    """Counted from 1, in characters."""
    replacement: str
    """Empty for a character that is not seen."""

    @property
    def name(self) -> str:
        """Its Unicode name, such as CYRILLIC SMALL LETTER A; of a letter with marks, that of the first mark."""
        character = self.character[1] if len(self.character) > 1 else self.character
        return unicodedata.name(character, f"U+{ord(character):04X}")


def lookalikes(text: str) -> list[LookAlike]:
    """The characters whose replacement makes the text one of the GSM alphabet, in order.

    If it would not be one even then, those alone that are not seen and only take room. What is inside the outputs and
    tags of a template is left as it is.
    """
    found, others = [], False
    # Where at least half of the letters are Latin, the others are mistakes. Elsewhere they are of another language.
    letters = LATIN_LOOKALIKES if _is_latin(text) else {}
    for position, character in _characters(text):
        if character in GSM:
            continue
        replacement = _replacement(character, letters)
        if text[position - 2 : position - 1].isdigit() and unicodedata.category(character[0]) == "No":
            replacement = None  # `1½` is not `11/2`
        if replacement is None:
            others = True
        else:
            found.append(LookAlike(character, position, replacement))
    return [one for one in found if one.character in _USELESS] if others else found


def replace_lookalikes(text: str) -> str:
    """The text with every one of `lookalikes` replaced."""
    parts, end = [], 0
    for one in lookalikes(text):
        parts += [text[end : one.position - 1], one.replacement]
        end = one.position - 1 + len(one.character)
    return "".join(parts) + text[end:]


def is_ucs2_avoidable(text: str) -> bool:
    """Whether the text needs UCS-2 as it is, and would not if every one of `lookalikes` were replaced."""
    shown, replaced = (_with_blank_tags(one).replace("\0", "") for one in (text, replace_lookalikes(text)))
    return encoding_of(shown) is Encoding.UCS_2 and encoding_of(replaced) is Encoding.GSM_7


def _characters(text: str) -> Iterator[tuple[int, str]]:
    """The characters outside outputs and tags, with their positions, each with the marks that are combined with it."""
    shown = _with_blank_tags(text)
    start = 0
    while start < len(shown):
        end = start + 1
        while end < len(shown) and unicodedata.combining(shown[end]):
            end += 1
        if shown[start] != "\0":
            yield start + 1, shown[start:end]
        start = end


def _with_blank_tags(text: str) -> str:
    """The text with NUL characters in place of the outputs and tags of a template: names of fields stay as they are."""
    parts, end = [], 0
    while beginning := _BEGINNING.search(text, end):
        start = beginning.start()
        close = text.find("}}" if text[start + 1] == "{" else "%}", start + 2)
        if close < 0:
            break
        parts += [text[end:start], "\0" * (close + 2 - start)]
        end = close + 2
    return "".join(parts) + text[end:]


def _is_latin(text: str) -> bool:
    shown = _with_blank_tags(text)
    latin = sum(character.isascii() and character.isalpha() for character in shown)
    return latin > 0 and latin >= sum(character in LATIN_LOOKALIKES for character in shown)


def _replacement(character: str, letters: dict[str, str]) -> str | None:
    """What of the GSM alphabet looks like it; None if nothing does."""
    if character in _LIKE:
        return _LIKE[character]
    if character in letters:
        return letters[character]
    category = unicodedata.category(character[0])
    if category in ("Cf", "Cc") or character in _FILLERS or "\ufe00" <= character <= "\ufe0f":
        return ""
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    composed = unicodedata.normalize("NFKC", character)
    if set(composed) <= GSM:
        return composed
    # The letter without its accents.
    plain = "".join(one for one in unicodedata.normalize("NFKD", character) if not unicodedata.combining(one))
    plain = "".join(_LIKE.get(one, one) for one in plain)
    return plain if plain and set(plain) <= GSM else None

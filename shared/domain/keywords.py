"""Recognition of keywords such as STOP in inbound messages: pure functions.

A text that is a keyword and nothing else acts at once. A text that contains one ("Stop. Thank you", "We have got to
STOP this bill") is a near miss: it does nothing by itself, and a person decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.keyword_lists import KEYWORDS, REFUSALS
from shared.domain.lookalikes import LATIN_LOOKALIKES
from shared.domain.suppressions import KeywordAction

MAX_LENGTH = 1600
"""Characters of a text that are read. A longer text is a near miss at most: what is beyond may change its meaning."""

_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that are not seen, beside those of Unicode's category Cf."""

_LETTERS_WITH_MARKS = frozenset("йїў")
"""Letters that Unicode decomposes into another letter and a mark, though they are letters of their own: `СТОЙ` is
another word than `СТОИ`. `ё` is not among them: most people write `е` for it."""

_UNDECOMPOSED = str.maketrans("łı", "li")
"""Letters that people write without their marks, and Unicode does not decompose."""

_BLANK = re.compile(r"[\s_]+")
_HYPHEN = re.compile(r"(?<=\w)[-\u2010-\u2015\u2212]+(?=\w)")
_WORD = re.compile(r"\w+")
_PUNCTUATION = re.compile(r"[^\w\s]+")

_CYRILLIC_TO_LATIN = {
    letter.casefold(): latin.casefold() for letter, latin in LATIN_LOOKALIKES.items() if "\u0400" <= letter <= "\u04ff"
}
_TO_LATIN = str.maketrans(_CYRILLIC_TO_LATIN)
# In reverse, because of two letters that look like the same one (Н and Һ like H) the common one is the first.
_TO_CYRILLIC = str.maketrans({latin: letter for letter, latin in reversed(_CYRILLIC_TO_LATIN.items())})


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a text asks for by a keyword."""

    action: KeywordAction | None = None
    """To be carried out at once; None if the text is not a keyword and nothing else."""
    near_miss: KeywordAction | None = None
    """What a person may find that the text asks for; None if `action` is set, or if there is no keyword in the text."""
    keyword: str | None = None
    """The keyword, or the phrase of a near miss, in normalized form; None if there is none."""
    languages: tuple[str, ...] = ()
    """The languages (ISO 639-1) whose lists have the keyword."""

    @property
    def is_exact(self) -> bool:
        """Whether the text is a keyword and nothing else."""
        return self.action is not None

    @property
    def language(self) -> str | None:
        """The first of the languages. Prefer the recipient's own language if it is known: many languages use STOP."""
        return self.languages[0] if self.languages else None


class Meaning(NamedTuple):
    """What a keyword asks for, and the languages (ISO 639-1) whose lists have it."""

    action: KeywordAction
    languages: tuple[str, ...]


def normalize(text: str) -> str:
    """The form in which texts and keywords are compared.

    It has compatible characters (NFKC) without case, accents and invisible characters; one space for white space,
    underscores and hyphens between words; and neither punctuation nor emoji at the ends. Other punctuation stays.
    """
    text = "".join(one for one in text if one not in _INVISIBLE_LETTERS and unicodedata.category(one) != "Cf")
    text = _without_accents(unicodedata.normalize("NFKC", text).casefold())
    text = _HYPHEN.sub(" ", _BLANK.sub(" ", text))
    words = list(_WORD.finditer(text))
    return text[words[0].start() : words[-1].end()] if words else ""


def recognize(text: str) -> Recognized:
    """The keyword that a text is, any number of times, or else the first one that it contains.

    Of several that it contains, one for `stop` comes before others. The time is linear in the length of the text.
    """
    normalized = normalize(text[:MAX_LENGTH])
    if len(text) <= MAX_LENGTH and (keyword := _repeated_keyword(normalized)):
        meaning = _KEYWORDS[keyword]
        return Recognized(action=meaning.action, keyword=keyword, languages=meaning.languages)
    return _near_miss(normalized)


def index_keywords(lists: Iterable[tuple[str, KeywordAction, Iterable[str]]]) -> dict[str, Meaning]:
    """The meaning of each keyword in normalized form, from lists of (language, action, keywords).

    Raises ValueError for a keyword that has two actions, or nothing that could be compared.
    """
    index: dict[str, Meaning] = {}
    for language, action, keywords in lists:
        for keyword in keywords:
            key = " ".join(_WORD.findall(normalize(keyword)))
            known = index.get(key, Meaning(action, ()))
            if not key or known.action is not action:
                raise ValueError(f"{keyword!r} ({language}) cannot be a keyword for {action}")
            if language not in known.languages:
                index[key] = Meaning(action, (*known.languages, language))
    return index


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    letters = (one if one in _LETTERS_WITH_MARKS else unicodedata.normalize("NFKD", one) for one in text)
    plain = "".join(one for one in "".join(letters) if unicodedata.category(one) not in ("Mn", "Me"))
    return unicodedata.normalize("NFC", plain).translate(_UNDECOMPOSED)


def _repeated_keyword(normalized: str) -> str | None:
    """The keyword that the whole text repeats; None for another text.

    Punctuation may stand between two repetitions, and not inside a keyword: `No, más` is not `No más`.
    """
    parts = [_words(part) for part in _PUNCTUATION.split(normalized)]
    parts = [part for part in parts if part]
    for length in range(1, _MAX_WORDS + 1):
        phrase = parts[0][:length] if parts else []
        keyword = " ".join(phrase)
        if keyword in _KEYWORDS and all(part == phrase * (len(part) // len(phrase)) for part in parts):
            return keyword
    return None


def _near_miss(normalized: str) -> Recognized:
    """The keyword or phrase that a text contains as whole words: the first for `stop`, or else the first of all."""
    found = Recognized()
    for phrase in _contained(_words(normalized)):
        meaning = _KEYWORDS.get(phrase) or _REFUSALS[phrase]
        if meaning.action is KeywordAction.STOP or found.keyword is None:
            found = Recognized(near_miss=meaning.action, keyword=phrase, languages=meaning.languages)
        if meaning.action is KeywordAction.STOP:
            break
    return found


def _contained(words: list[str]) -> Iterator[str]:
    """The keywords and phrases in a text, in order; at each word the longest one."""
    for start in range(len(words)):
        for length in range(_MAX_WORDS, 0, -1):
            phrase = " ".join(words[start : start + length])
            if phrase in _KEYWORDS or phrase in _REFUSALS:
                yield phrase
                break


def _words(text: str) -> list[str]:
    return [_in_one_alphabet(word) for word in _WORD.findall(text)]


def _in_one_alphabet(word: str) -> str:
    """The word of a keyword for which it is written, with lookalike letters of another alphabet; else the word itself.

    A word changes only if it becomes one of a keyword, so that other words stay what they are.
    """
    if word not in _KNOWN_WORDS:
        for spelling in (word.translate(_TO_CYRILLIC), word.translate(_TO_LATIN)):
            if spelling in _KNOWN_WORDS:
                return spelling
    return word


_KEYWORDS = index_keywords(
    (language, action, keywords) for language, lists in KEYWORDS.items() for action, keywords in lists.items()
)
_REFUSALS = index_keywords((language, KeywordAction.STOP, phrases) for language, phrases in REFUSALS.items())
_KNOWN_WORDS = frozenset(word for phrase in (*_KEYWORDS, *_REFUSALS) for word in phrase.split())
_MAX_WORDS = max(len(phrase.split()) for phrase in (*_KEYWORDS, *_REFUSALS))

"""Every word of the console has a Russian one, and so has every sentence that rules and the ledger say."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import api.console
from api.clients import (
    csv_parser,
    encoding_detection,
    import_rows,
    import_staging,
    import_upload,
    line_reader,
    ndjson_parser,
    row_validation,
)
from api.console.reasons import reason_text
from api.http.errors import CONSTRAINTS
from api.messages.schemas import MEANINGS
from shared.domain.client_rules import DOUBTFUL_NUMBER
from shared.domain.phone_numbers import EXTENSION, FORM, NATIONAL, NO_COUNTRY, ROUNDED, SEVERAL, WRITTEN
from shared.domain.reasons import REFUSED_WITHOUT_WORDS, RESULT_CAME_LATER, SENTENCES, ReasonCode, sentence
from tests.database import ROOT

CONSOLE = Path(api.console.__file__).parent
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
NOT_WORDS = re.compile(
    r"{#.*?#}|{% call.*?{% endcall %}|{%.*?%}|{{.*?}}|<pre.*?</pre>|<code.*?</code>|<[^>]*>", re.DOTALL
)
WORD = re.compile(r"[^\W\d_]{2,}")

NOT_OF_A_FILE = {
    "Is not #.",
    "Send the clients as Content-Type: # or #.",
    "The only Content-Encoding that is taken is gzip.",
    "This encoding is not read. Those that are: #.",
    "The body is not gzip, or not the whole of it.",
}
"""Sentences about a request: the console's own are not like that."""

CATALOGUE = io.BytesIO((CONSOLE / "translations" / "ru.po").read_bytes())
RUSSIAN = {message.id: message for message in read_po(CATALOGUE) if message.id}
USED = {found[2] for found in extract_from_dir(CONSOLE, METHODS, keywords=KEYWORDS)}  # file, line, message, comments

PHONE_NUMBERS = (EXTENSION, FORM, NATIONAL, NO_COUNTRY, ROUNDED, SEVERAL, WRITTEN)
"""What is said of phone numbers that can't be read."""


def sentences(*paths: str) -> set[str]:
    """What rules say to people, as they stand in the source: raised errors and warnings, numbers as #."""
    said = re.compile(r'(?:Conflict|Invalid|MailingWarning)\(\s*"\w+",\s*"([^"{]+)"', re.DOTALL)
    found = {sentence for path in paths for sentence in said.findall((ROOT / path).read_text())}
    return {re.sub(r"\d+", "#", sentence) for sentence in found}


def test_every_word_has_a_translation() -> None:
    missing = [message for message in USED if message not in RUSSIAN]
    assert missing == []


def forms(text: Any) -> tuple[str, ...]:
    """A message has one form, or singular and plurals."""
    return tuple(text) if isinstance(text, tuple | list) else (str(text or ""),)


def test_every_translation_is_whole() -> None:
    for message in RUSSIAN.values():
        assert all(forms(message.string)), message.id
        assert not message.fuzzy, message.id


def test_translations_keep_their_placeholders() -> None:
    for message in RUSSIAN.values():
        original = forms(message.id)[-1]
        for text in forms(message.string):
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(original)), message.id
            assert text.count("#") == original.count("#"), message.id


def test_every_rule_s_sentence_has_a_translation() -> None:
    told = sentences(
        "shared/domain/mailing_rules.py",
        "shared/domain/estimates.py",
        "shared/domain/client_rules.py",
        "api/mailings/test_send.py",
    )
    told |= sentences(
        "api/console/review.py", "api/drafts/sending.py", "api/drafts/services.py", "api/mailings/services.py"
    )
    told |= {re.sub(r"\d+", "#", str(error)) for error in CONSTRAINTS.values()}
    told |= {re.sub(r"\d+", "#", one) for one in (*PHONE_NUMBERS, DOUBTFUL_NUMBER.message)}
    told |= set(MEANINGS.values())
    assert len(told) > 8
    assert [sentence for sentence in told if sentence not in RUSSIAN] == []


def test_every_reason_has_a_translation() -> None:
    shown = [*SENTENCES.values(), REFUSED_WITHOUT_WORDS, RESULT_CAME_LATER]
    assert [sentence for sentence in shown if sentence not in RUSSIAN] == []


def written(node: ast.AST) -> Iterator[str]:
    """The texts in a piece of source that are no docstrings, with # for what is filled in."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Constant(value=str(text)):
            yield re.sub(r"{\w+}", "#", text)
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "#" for part in parts)
        case _:
            for inner in ast.iter_child_nodes(node):
                yield from written(inner)


def said_of_files() -> set[str]:
    """Why a file or its rows are refused: the sentences of the modules that read them, with # for numbers."""
    sources = (
        csv_parser,
        encoding_detection,
        import_rows,
        import_staging,
        import_upload,
        line_reader,
        ndjson_parser,
        row_validation,
    )
    found = {text for module in sources for text in written(ast.parse(Path(str(module.__file__)).read_text()))}
    found |= {f"Is not {encoding_detection.Encoding(name, known=True).title}." for name in encoding_detection.CHOICES}
    numbers = re.compile(r"\d+")
    # Of those that end in what was found in the file, what stands before it.
    told = {numbers.sub("#", text.removesuffix(" #")) for text in found if re.match("[A-Z].* .*[.:#]$", text)}
    return {text.replace("longer than # ", "longer than #,# ") for text in told} - NOT_OF_A_FILE


def test_every_reason_why_a_file_or_a_row_is_refused_has_a_translation() -> None:
    told = said_of_files()
    assert len(told) > 15
    assert sorted(sentence for sentence in told if sentence not in RUSSIAN) == []


@pytest.mark.parametrize("template", sorted((CONSOLE / "templates").rglob("*.html")), ids=lambda file: file.name)
def test_no_words_stand_in_a_template_untranslated(template: Path) -> None:
    bare = NOT_WORDS.sub(" ", template.read_text())
    words = set(WORD.findall(bare)) - {"Gonets", "API", "UTC", "HTTP"}
    assert words == set()


def test_a_reason_is_shown_with_the_words_of_who_gave_it() -> None:
    for code in ReasonCode:
        for params in (None, {"words": "code 7: 8 % off"}):
            assert reason_text(code, params) == sentence(code, params)
    assert reason_text("of_a_later_version", {"words": "why"}) == "of_a_later_version (why)"
    assert reason_text(None, None) == ""

"""Every word of the console has a Russian one, and so has every sentence that rules and the ledger say."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import werkzeug.exceptions
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import api.console
import api.numbers
from api.console.reasons import reason_text
from api.messages.delivery_schemas import DELIVERY_MEANINGS, UNDELIVERED_MEANINGS
from api.messages.schemas import MEANINGS
from api.numbers.evidence_document import NOTES
from shared.domain import client_rules, estimates, mailing_rules
from shared.domain.client_rules import ClientWarning
from shared.domain.mailing_rules import MailingWarning
from shared.domain.reasons import REFUSED_WITHOUT_WORDS, RESULT_CAME_LATER, SENTENCES, ReasonCode, sentence
from shared.domain.sentences import ErrorCode, EventDetail
from shared.domain.suppressions import COVER_SENTENCES
from shared.domain.window_presets import PRESETS
from shared.gateways.registry import PROVIDERS
from tests.database import ROOT

CONSOLE = Path(api.console.__file__).parent
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
NOT_WORDS = re.compile(
    r"{#.*?#}|{% call.*?{% endcall %}|{%.*?%}|{{.*?}}|<pre.*?</pre>|<code.*?</code>|<[^>]*>", re.DOTALL
)
WORD = re.compile(r"[^\W\d_]{2,}")

CATALOGUE = io.BytesIO((CONSOLE / "translations" / "ru.po").read_bytes())
RUSSIAN = {message.id: message for message in read_po(CATALOGUE) if message.id}

LIBRARY = ("Missing data for required field.", "Field may not be null.", "Not a valid string.", "Unknown field.")
"""What marshmallow says of fields; these have no code."""

RAISED = {"Conflict", "Invalid", "NotFound", "ProviderError", "Undecodable", "ValidationError"} | {
    error.__name__ for error in werkzeug.exceptions.default_exceptions.values()
}
"""Errors whose sentence a person may see."""


def test_every_word_has_a_translation() -> None:
    folders = (CONSOLE, Path(api.numbers.__file__).parent)
    used = {
        message
        for folder in folders
        for _file, _line, message, *_ in extract_from_dir(folder, METHODS, keywords=KEYWORDS)
    } | set(NOTES.values())
    missing = [message for message in used if message not in RUSSIAN]
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


def test_every_code_has_a_translation() -> None:
    assert [str(code) for code in (*ErrorCode, *EventDetail) if code.value not in RUSSIAN] == []


def test_every_warning_and_every_sentence_of_a_library_has_a_translation() -> None:
    named = [value for module in (client_rules, estimates, mailing_rules) for value in vars(module).values()]
    told = [one.message for one in named if isinstance(one, MailingWarning | ClientWarning)]
    assert len(told) > 5
    meanings = (*MEANINGS.values(), *DELIVERY_MEANINGS.values(), *UNDELIVERED_MEANINGS.values())
    meanings += (*COVER_SENTENCES.values(), *(text for one in PRESETS for text in (one.name, one.note)))
    assert [sentence for sentence in (*told, *LIBRARY, *meanings) if sentence not in RUSSIAN] == []


def test_every_label_of_a_provider_s_fields_has_a_translation() -> None:
    labels = {one.label for provider in PROVIDERS.values() for one in provider.fields}
    assert len(labels) > 10
    # Other titles are names.
    assert [label for label in (*labels, PROVIDERS["http"].title) if label not in RUSSIAN] == []


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for package in ("api", "shared"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def test_no_error_is_raised_with_a_sentence_of_its_own() -> None:
    own = []
    for path, tree in sources():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "description")]
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in RAISED and any(map(is_sentence, given)):
                own.append(f"{path.name}:{call.lineno}")
    assert own == []


def is_sentence(node: ast.AST) -> bool:
    """Whether an argument is a text that is put together, or one of several words."""
    return isinstance(node, ast.JoinedStr | ast.BinOp) or (isinstance(node, ast.Constant) and " " in str(node.value))


def test_warnings_stand_where_the_test_above_finds_them() -> None:
    for path, tree in sources():
        named = {id(node.value) for node in getattr(tree, "body", ()) if isinstance(node, ast.Assign)}
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        made = [call for call in calls if getattr(call.func, "id", "") in ("MailingWarning", "ClientWarning")]
        assert [call.lineno for call in made if id(call) not in named] == [], path


def test_every_reason_has_a_translation() -> None:
    shown = [*SENTENCES.values(), REFUSED_WITHOUT_WORDS, RESULT_CAME_LATER]
    assert [sentence for sentence in shown if sentence not in RUSSIAN] == []


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


class AnyValue(dict[str, Any]):
    """Has a value of every name, which is a number and a text."""

    def __missing__(self, _: str) -> int:
        return 2


def test_every_sentence_and_translation_can_be_filled_in() -> None:
    """A page formats each of them, also without parameters: a percent sign by itself would be an error there."""
    wrong = []
    for message in RUSSIAN.values():
        for texts in (message.id, message.string):
            for text in (texts,) if isinstance(texts, str) else texts or ():
                try:
                    text % AnyValue()
                except (ValueError, TypeError):
                    wrong.append(text)
    assert wrong == []

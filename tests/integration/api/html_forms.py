"""Forms of the console's pages, as a browser reads and sends them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from tests.integration.api.calls import Answer


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        """Of each, the values by name: several that are checked are a list."""
        self.methods: list[str] = []
        self.actions: list[str] = []
        self.names: list[set[str]] = []
        """Of all fields and buttons, also of those that an untouched form would not send."""
        self._inside = False
        self._area: str | None = None
        self._choice: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = True
            self.forms.append({})
            self.methods.append(given.get("method", "get"))
            self.actions.append(given.get("action", ""))
            self.names.append(set())
        elif self._inside and "name" in given:
            self.names[-1].add(given["name"])
            if "disabled" in given:
                return
            if tag == "select":
                self._choice = given["name"]
            elif tag == "textarea":
                self._area = given["name"]
                self.forms[-1][self._area] = ""
            elif tag == "input" and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
                value, before = given.get("value", ""), self.forms[-1].get(given["name"])
                is_repeated = given.get("type") == "checkbox" and before is not None
                self.forms[-1][given["name"]] = [*_listed(before), value] if is_repeated else value
        elif tag == "option" and self._choice and ("selected" in given or self._choice not in self.forms[-1]):
            self.forms[-1][self._choice] = given.get("value", "")  # the first one, unless another is selected

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._choice = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1][self._area] += data.removeprefix("\n")  # the first line end of an area is none of its text


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def posting_forms(page: Answer) -> list[dict[str, Any]]:
    """What each form of the page that is posted would send if nobody touched it, the one to sign out first."""
    parser = _Forms()
    parser.feed(page.text)
    return [fields for fields, method in zip(parser.forms, parser.methods, strict=True) if method == "post"]


def fields_of(page: Answer) -> dict[str, Any]:
    """What the page's own form would send if nobody touched it."""
    return posting_forms(page)[-1]


def names_by_action(page: Answer) -> list[tuple[str, set[str]]]:
    """Of each form of the page that is posted: where to (empty: to the page itself), and what can be in it."""
    parser = _Forms()
    parser.feed(page.text)
    every = zip(parser.actions, parser.names, parser.methods, strict=True)
    return [(action, names) for action, names, method in every if method == "post"]

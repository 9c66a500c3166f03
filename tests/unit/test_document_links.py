"""The pages link to pages and headings that exist, name files that exist, and use the standard terms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.database import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")

CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""The pages about this version."""

PLAIN = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "adr").glob("*.md")),
    *sorted((ROOT / "docs" / "monitoring").iterdir()),
    *sorted((ROOT / "sandbox").glob("*.py")),
]
PACKAGES = ("api", "benchmarks", "migrations", "sandbox", "shared", "tests", "worker")
FILES = [f"/{file.relative_to(ROOT)}" for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
FILE = re.compile(r"`((?:[\w.-]+/)*[a-z]\w*\.py)`")
"""A file of ours, by its path or the end of it. In `NAME.py` and `<name>.py` the name is that of any provider."""

UNUSUAL = re.compile(
    r"\b(whoever|him|himself|somebody|anybody|mend|may have landed|in hand|gives? up|given up|is over|for good|for ever"
    r"|troubles?|misbehav\w+|leash|suspects?|what becomes of|what became of|in (its|our) hands|gives? back|given back"
    r"|lapses?|lapsed|steps? over|stands? still|stood still|speaks? of|the breaker|is to be had|anew)\b",
    re.IGNORECASE,
)
"""Words that a reader of the manual could not search for: the standard ones are in docs/architecture.md."""


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    for name in FILE.findall(page.read_text()):
        assert any(file.endswith(f"/{name}") for file in FILES), name


@pytest.mark.parametrize("file", PLAIN, ids=lambda file: str(file.relative_to(ROOT)))
def test_pages_and_messages_use_standard_terms(file: Path) -> None:
    assert UNUSUAL.findall(file.read_text()) == []

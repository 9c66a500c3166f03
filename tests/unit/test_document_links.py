"""The pages link to pages and headings that exist, and use the standard terms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.database import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")

PLAIN = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "adr").glob("*.md")),
    *sorted((ROOT / "docs" / "monitoring").iterdir()),
    *sorted((ROOT / "sandbox").glob("*.py")),
]
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


@pytest.mark.parametrize("file", PLAIN, ids=lambda file: str(file.relative_to(ROOT)))
def test_pages_and_messages_use_standard_terms(file: Path) -> None:
    assert UNUSUAL.findall(file.read_text()) == []

"""docs/gateways.md documents every provider as its adapter is."""

from __future__ import annotations

import re

import pytest

from shared.gateways.base import Capabilities, Provider
from shared.gateways.registry import PROVIDERS
from tests.database import ROOT
from tests.unit.gateways.conformance import adapter_of

PAGE = ROOT / "docs" / "gateways.md"
ROW = re.compile(r"^\| \[([^]]+)\]\(([^)]+)\) \|(.+)\|$", re.M)
ROWS = {row[1]: [cell.strip() for cell in row[2].split("|")] for row in ROW.findall(PAGE.read_text())}
"""The cells of each provider's row after its name, by the page that the name links to."""


def page_of(provider: Provider) -> str:
    return "gateway.md" if provider.name == "gonets" else f"gateways/{provider.name}.md"


def cells_of(capabilities: Capabilities) -> list[str]:
    flags = ("deduplicates", "looks_up", "reference", "receipts", "polls", "inbound", "signs")
    return [*("yes" if getattr(capabilities, flag) else "–" for flag in flags), str(capabilities.max_text or "–")]


def test_the_table_has_a_row_for_each_provider_and_no_other() -> None:
    assert set(ROWS) == {page_of(provider) for provider in PROVIDERS.values()}


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_documents_the_provider_as_it_is(provider: Provider) -> None:
    page, cells = PAGE.parent / page_of(provider), ROWS[page_of(provider)]
    text = page.read_text()

    if provider.name == "http":
        assert cells[:8] == ["as declared"] * 8
    else:
        assert adapter_of(provider.name).capabilities == provider.capabilities
        assert cells[:8] == cells_of(provider.capabilities)
    assert all(cells[6:])
    if provider.name != "gonets":
        assert provider.title.split(",")[0] in text
        # Every field is in the table of what to enter, by its name or as the form calls it.
        for field in provider.fields:
            words = re.split(r"[ ,:(]", field.label.lower())[0]
            assert field.name in text or words in text.lower(), field.name
        assert provider.address in text

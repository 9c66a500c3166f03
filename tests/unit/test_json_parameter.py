"""JSON that any database reads, whatever its encoding."""

from __future__ import annotations

import pytest

from shared.gateways.base import Receipt
from shared.gateways.receipt_rows import receipt_rows
from shared.json_parameter import json_parameter
from tests.receipts import DELIVERED


@pytest.mark.parametrize(
    ("text", "json"), [("Нет…", '"Нет…"'), ("a\ud800b", '"a?b"'), ("\0", '"\\u0000"'), ('"', '"\\""')]
)
def test_characters_are_not_escaped_and_halves_of_pairs_are_replaced(text: str, json: str) -> None:
    assert json_parameter(text) == json


def test_a_receipt_whose_callback_has_long_numbers_and_letters_is_not_escaped() -> None:
    receipt = Receipt(state=DELIVERED.state, message_id=1, words="Доставлено")

    rows = receipt_rows(1, [receipt], "to=79161234567&text=Привет")

    assert "\\u" not in rows
    assert "…" in rows

"""Cells that spreadsheets don't take for formulas, and back."""

from __future__ import annotations

import pytest

from api.http.csv_files import escape_formula, unescape_formula

FORMULAS = ["=1+1", "+7", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "'=1", "''=1"]
TEXTS = ["", "vip", "'", "''", "'vip", "a=b", " =1", "Привет", *FORMULAS]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_looks_like_a_formula_gets_a_quote_before_it(text: str) -> None:
    assert escape_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "vip", "'vip", "a=b"])
def test_what_does_not_is_left_as_it_is(text: str) -> None:
    assert escape_formula(text) == text


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


@pytest.mark.parametrize("cell", ["=1+1", "vip", "'vip"])
def test_a_cell_that_is_not_escaped_is_taken_as_it_is(cell: str) -> None:
    assert unescape_formula(cell) == cell

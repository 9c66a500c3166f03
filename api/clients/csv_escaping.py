"""Cells of CSV files that spreadsheets open: what looks like a formula is kept from being one.

OWASP, "CSV Injection": a cell that begins with = + - @, a tab or a line end is preceded by a single quote. Ours can be
undone: a cell that begins with quotes and then such a character gets one more, and reading takes one away. So every
text comes back as it was, and an import understands what an export has written.
"""

from __future__ import annotations

import re

# The full-width forms too: spreadsheets made for East Asian scripts take them for the others.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


def escape_formula(text: str) -> str:
    """The text as a cell that is no formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_formula(cell: str) -> str:
    """The text that a cell stands for; what no `escape_formula` has written is taken as it is."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell

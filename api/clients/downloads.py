"""Answers that are files."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response


def saved_as(name: str) -> dict[str, str]:
    """The header with which a browser saves an answer under that name."""
    return {"Content-Disposition": f"attachment; filename={name}"}


def csv_answer(pieces: Iterable[str], name: str) -> Response:
    """A CSV file that is written while it is sent."""
    return Response(pieces, content_type="text/csv; charset=utf-8", headers=saved_as(name))

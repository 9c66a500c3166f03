"""The transaction of a form: what it did and the answer to it are committed together, or nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import marshmallow as ma
from sqlalchemy.exc import IntegrityError

from api.extensions import db
from api.http.errors import broken_rule
from shared.errors import FieldError


@contextmanager
def unit_of_work() -> Iterator[None]:
    """Commits what the block has done; rolls it back when the block raises what a form can show.

    That is ValidationError, FieldError, and the FieldError that stands for a constraint that a row has broken. Any
    other error ends the request, and its transaction with it.
    """
    try:
        yield
        db.session.commit()
    except (ma.ValidationError, FieldError):
        db.session.rollback()
        raise
    except IntegrityError as error:
        rule = broken_rule(error)
        if rule is None:
            raise
        db.session.rollback()
        raise rule from error

"""The transaction of a form: its effect and its response are committed together."""

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
    """Commits the block's changes; rolls back if the block raises an error that a form can show.

    Such errors are ValidationError and FieldError, also the FieldError for a violated constraint. Any other error ends
    the request and its transaction.
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

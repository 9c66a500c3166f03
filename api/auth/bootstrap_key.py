"""The bootstrap key of an installation: created when the API first starts, and shown once, in its log."""

from __future__ import annotations

import logging
import sys

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from api.audit.recorder import add_entry
from api.auth import services
from api.auth.commands import current_os_principal
from api.extensions import db
from shared.database_errors import explain

log = logging.getLogger(__name__)


def show_bootstrap_key(app: Flask) -> None:
    """Creates an admin's key and prints it, unless a key has ever existed or API_KEY is set."""
    if app.extensions["authenticator"].environment_key is not None:
        return
    with app.app_context():
        try:
            principal = current_os_principal()
            made = services.add_bootstrap_key(principal.actor)
            if made is not None:
                add_entry("createKey", principal, what=("key", made[0].id))
            db.session.commit()
        except SQLAlchemyError as error:
            db.session.rollback()
            log.warning(
                "bootstrap_key.postponed",
                extra={"error": explain(error), "hint": "The next start creates one, or `flask --app api key create`."},
            )
            return
        finally:
            # The serving processes are forked from this one, and a connection can't be shared.
            db.session.remove()
            db.engine.dispose()
    if made is not None:
        # Not through the log formatter, so that a person can copy it.
        sys.stderr.write(f"\nThe first key, an admin's. Keep it: it is not shown again.\n\n    {made[1].key}\n\n")
        sys.stderr.flush()

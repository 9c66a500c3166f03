"""Applications with a fault, for gunicorn: what the API does with callbacks and with suppressions."""

from __future__ import annotations

import asyncio

from flask import Flask

from api import create_app
from api.callbacks.group_commit import Ended, GroupCommit
from api.suppressions import services

APP = "api:create_app()"
"""The API as it is."""

APPS = {
    "answered-before-the-commit": "tests.chaos.api_mutants:answers_before_the_commit()",
    "suppressed-messages-left": "tests.chaos.api_mutants:leaves_suppressed_messages()",
}
"""By the name of the mutant."""


def answers_before_the_commit() -> Flask:
    """A callback is answered, and then committed."""
    add = GroupCommit.add

    def add_later(self: GroupCommit, statement: str, rows: str, ended: Ended) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, add, self, statement, rows, lambda _: None)
        loop.call_soon(ended, None)

    GroupCommit.add = add_later  # type: ignore[method-assign]
    return create_app()


def leaves_suppressed_messages() -> Flask:
    """A suppression is recorded, and the messages that wait are left to the claims."""
    vars(services)["CANCEL_SUPPRESSED"] += " AND FALSE"
    return create_app()

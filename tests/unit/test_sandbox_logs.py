"""Why a child process has ended, from its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.logs import TAIL, reason_in, rotate_log

TRACEBACK = """Traceback (most recent call last):
  File "api/__init__.py", line 3, in create_app
    connect()
    ^^^^^^^^^
psycopg2.errors.SyntaxError: syntax error at or near "creat"
LINE 1: creat table
        ^
"""


REASON = 'psycopg2.errors.SyntaxError: syntax error at or near "creat"'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it wrote nothing."),
        ("started\nGATEWAY_URL: must be an address.\n\n", "GATEWAY_URL: must be an address."),
        (TRACEBACK, REASON),
        (TRACEBACK + "[ERROR] Reason: Worker failed to boot.\n", REASON),
        (
            TRACEBACK + "\nThe above exception led to:\n\n" + TRACEBACK.replace("creat", "alte"),
            REASON.replace("creat", "alte"),
        ),
        ("Traceback (most recent call last):\n  File", "File"),
        ("x" * TAIL + "\n" + TRACEBACK, REASON),
        ("\u0433" * TAIL + "\nthe end\n", "the end"),
    ],
)
def test_the_reason_is_the_last_error_or_else_the_last_line(tmp_path: Path, content: str, reason: str) -> None:
    log = tmp_path / "api.log"
    log.write_text(content)
    assert reason_in(log) == reason


def test_a_log_that_begins_keeps_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "api.log"
    rotate_log(log)
    for content in ("first", "second"):
        rotate_log(log)
        log.write_text(content)
    assert (log.read_text(), log.with_name("api.log.1").read_text()) == ("second", "first")

"""Local windows: the arguments of the functions of PostgreSQL that decide for mailings and clients, `next_permitted`
and `permitted_until`. (shared/domain/local_windows.py is the reference, with which tests compare them.)
"""

from __future__ import annotations

ARGUMENTS = """mailing.local_from, mailing.local_until, mailing.local_weekdays, ARRAY(
        SELECT day FROM holiday WHERE calendar_id = mailing.holiday_calendar_id
    )"""
"""The arguments of the functions that describe the local window of the row `mailing`."""


def effective_timezone(timezone: str) -> str:
    """The time zone that counts for a client of the row `mailing`: the client's, else the mailing's default. NULL if
    neither is known. `timezone` is an expression.
    """
    return f"CASE WHEN is_timezone({timezone}) THEN {timezone} ELSE mailing.default_timezone END"

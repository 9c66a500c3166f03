"""What earlier versions wrote of attempts, as revision 0013 has it; and back."""

from __future__ import annotations

from typing import Any

from shared.domain.reasons import SENTENCES
from tests.conftest import MakeDatabase
from tests.database import connected, downgrade, migrate
from tests.factories import execute, rows, value

LEASE = "the lease ran out before the worker told what came of it"

Reason = tuple[str, str | None, str | None, dict[str, str] | None]

ATTEMPTS: list[tuple[str, int | None, str | None, Reason]] = [
    ("accepted", 200, None, ("accepted", "200", None, None)),
    (
        "accepted",
        409,
        "the gateway has this message already (code 9: same id)",
        ("duplicate", "409", "already_accepted", {"words": "code 9: same id"}),
    ),
    ("refused", 200, "code -7: blocked", ("retriable", "-7", "provider_said", {"words": "code -7: blocked"})),
    ("refused", 400, "code 31: bad (number)", ("refused", "400", "provider_said", {"words": "code 31: bad (number)"})),
    ("refused", 400, None, ("refused", "400", None, None)),
    ("refused", 408, None, ("retriable", "408", None, None)),
    ("refused", 425, "early", ("retriable", "425", "provider_said", {"words": "early"})),
    (
        "refused",
        404,
        "the gateway refuses this message and accepts others (code 4: (no) route)",
        ("refused", "404", "only_this_message_refused", {"words": "code 4: (no) route"}),
    ),
    (
        "refused",
        401,
        "the gateway refuses this message and accepts others",
        ("retriable", "401", "only_this_message_refused", None),
    ),
    ("refused", None, "the text cannot be encoded in UTF-8", ("refused", None, "text_not_encodable", None)),
    ("refused", None, "no request left: the mailing's text is missing", ("refused", None, "text_missing", None)),
    ("throttled", 429, "slower", ("throttled", "429", "provider_said", {"words": "slower"})),
    (
        "unreachable",
        None,
        "Connection refused",
        ("unreachable", None, "connection_failed", {"words": "Connection refused"}),
    ),
    ("unauthorized", 401, "the gateway does not accept the token", ("misconfigured", "401", "token_rejected", None)),
    (
        "unauthorized",
        402,
        "the gateway says that the account has no credit (code 2: pay)",
        ("no_credit", "402", "no_credit", {"words": "code 2: pay"}),
    ),
    (
        "unauthorized",
        404,
        "the gateway has no such address; check GATEWAY_URL (code 1: what…",
        ("misconfigured", "404", "address_not_found", {"words": "code 1: what…"}),
    ),
    (
        "unauthorized",
        307,
        "the gateway redirects to another address; GATEWAY_URL needs changing",
        ("misconfigured", "307", "redirected", None),
    ),
    (
        "ambiguous",
        200,
        "a success status without the body that goes with it",
        ("ambiguous", "200", "unexpected_body", None),
    ),
    ("ambiguous", 200, "answer too large", ("ambiguous", "200", "connection_failed", {"words": "answer too large"})),
    ("ambiguous", 500, "oops", ("ambiguous", "500", "provider_said", {"words": "oops"})),
    ("ambiguous", None, "timed out", ("ambiguous", None, "connection_failed", {"words": "timed out"})),
    (
        "ambiguous",
        None,
        "could not be handled: ZeroDivisionError",
        ("ambiguous", None, "internal_error", {"words": "ZeroDivisionError"}),
    ),
    ("ambiguous", None, LEASE, ("ambiguous", None, "lease_expired", None)),
    (
        "ambiguous",
        200,
        f"{LEASE}; the answer came after all: accepted",
        ("ambiguous", "200", "lease_expired", {"late_result": "accepted"}),
    ),
    (
        "ambiguous",
        402,
        f"{LEASE}; the answer came after all: unauthorized pay",
        ("ambiguous", "402", "lease_expired", {"late_result": "no_credit", "late_words": "pay"}),
    ),
    (
        "ambiguous",
        None,
        "the message turned out to be sent; the answer came after all: no request left",
        ("ambiguous", None, "sent_meanwhile", {"late_result": "not_submitted"}),
    ),
    ("ambiguous", None, "after a restore", ("ambiguous", None, "restored", None)),
]
"""Outcome, HTTP status and detail, and what they become."""


def test_attempts_of_earlier_versions_keep_what_they_say(make_database: MakeDatabase) -> None:
    url = make_database()
    migrate(url, "0012")
    with connected(url) as connection:
        for place, (outcome, status, detail, _) in enumerate(ATTEMPTS):
            execute(
                connection,
                "INSERT INTO attempt VALUES (%s, 1, now() - interval '1 hour', 0.5, %s, %s, %s, 'w')",
                place,
                outcome,
                status,
                detail,
            )
        execute(
            connection,
            "INSERT INTO gateway_contact VALUES (1, now(), now(), NULL, 'unauthorized',"
            " 'HTTP 401: the gateway does not accept the token (code 1: who?)')",
        )
        execute(connection, "UPDATE pace SET next_slot = '2031-01-01 00:00:00Z'")
        before = rows(connection, "SELECT * FROM attempt ORDER BY message_id")

        migrate(url, "0013")

        said = "result::text, provider_code, reason_code, reason_params"
        found: list[tuple[Any, ...]] = rows(connection, f"SELECT {said} FROM attempt ORDER BY message_id")  # noqa: S608
        assert found == [after for *_, after in ATTEMPTS]
        assert {code for _, _, code, _ in found if code} <= set(SENTENCES)
        kept = "SELECT message_id, number, started_at, duration, worker FROM attempt ORDER BY message_id"
        assert rows(connection, kept) == [(*row[:4], row[-1]) for row in before]
        assert rows(connection, f"SELECT gateway, {said} FROM gateway_contact") == [  # noqa: S608
            ("default", "misconfigured", "401", "token_rejected", {"words": "code 1: who?"})
        ]
        limits = "SELECT gateway, next_slot_at = '2031-01-01 00:00:00Z' FROM rate_limit"
        assert rows(connection, limits) == [("default", True)]

        downgrade(url, "0012")

        again = rows(connection, "SELECT * FROM attempt ORDER BY message_id")
        # A bracket that was cut off is closed, and the status that came with a code of the contract was 200.
        assert [row for row in again if row[6] not in [old[6] for old in before]] == [
            row for row in again if row[6] == "the gateway has no such address; check GATEWAY_URL (code 1: what…)"
        ]
        assert [row[4:6] for row in again] == [row[4:6] for row in before]
        contact = "HTTP 401: the gateway does not accept the token (code 1: who?)"
        assert value(connection, "SELECT detail FROM gateway_contact") == contact

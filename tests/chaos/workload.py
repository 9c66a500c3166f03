"""The calls of a run: clients and mailings are added, changed and removed; mailings are paused, resumed, cancelled."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from random import Random
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import DEFAULT_GATEWAY_ID, InboundPart
from shared.gateways.receipt_rows import inbound_rows
from shared.sql.inbound import ADD_INBOUND
from tests.chaos.api_users import ApiUsers, moment
from tests.chaos.facts import Call
from tests.chaos.rules_workload import NO_ZONE, ZONES, RuleUsers, rules_of
from tests.chaos.texts import TEMPLATES
from tests.factories import add_segment

AUDIENCES = {"one": 1, "few": 7, "some": 40, "many": 150, "crowd": 420}
"""Clients by tag at the beginning."""
CODES = ("900", "916")
"""Their operator codes, in turn."""
FIRST_PHONE = 79_009_160_000
NEW_PHONES = 79_160_000_000
SEGMENTS = ('tag in ("few", "some")', "operator_code = 916", 'tag = "many" and not operator_code = 916')
"""Saved segments, whose ids are 1, 2 and so on. (tests/chaos/invariants_mailings.py evaluates such conditions.)"""
LONG = 2400.0
"""Seconds until the end of a window that is not meant to close during a run. Less than the hour of a cap, and than the
time until a closed local window opens in any of ZONES: what cannot be sent in this run must not wait for it.
"""

CAP = 2
"""Marketing messages to one number in an hour."""

PHONES = [FIRST_PHONE + place * 1000 + n for place, count in enumerate(AUDIENCES.values()) for n in range(1, count + 1)]
"""Of the clients that a run begins with."""

FILL = """
INSERT INTO client (phone_number, operator_code, tag, timezone, attributes)
SELECT %s + n, (%s::text[])[1 + n %% 2], %s, (%s::text[])[1 + n %% 6], jsonb_build_object('name', 'Анна ' || n)
FROM generate_series(1, %s) AS n
"""

# Some clients get another name, and some lose theirs.
RENAME = """
UPDATE client
SET attributes = CASE id %% 5 WHEN 0 THEN '{}'::jsonb ELSE jsonb_build_object('name', %(name)s || id) END
WHERE id %% 7 = %(rest)s
"""

# Some clients move.
MOVE = "UPDATE client SET timezone = %(timezone)s WHERE id %% 11 = %(rest)s"


def fill_directory(connection: Connection) -> None:
    """The clients that a run begins with."""
    with connection.cursor() as cursor:
        for place, (tag, count) in enumerate(AUDIENCES.items()):
            # Both codes occur in every number.
            zones = [*ZONES, NO_ZONE]
            cursor.execute(FILL, (FIRST_PHONE + place * 1000, list(CODES), tag, zones, count))
        cursor.execute("INSERT INTO message_cap (messages, period_hours) VALUES (%s, 1)", (CAP,))
    for text in SEGMENTS:
        add_segment(connection, text)


def rename_clients(connection: Connection, random: Random) -> None:
    """Gives some clients another name, as the API would."""
    with connection.cursor() as cursor:
        cursor.execute(RENAME, {"name": random.choice(("Пётр ", "Zoë ", "🌲")), "rest": random.randrange(7)})


def write_keyword(connection: Connection, random: Random) -> tuple[int, str]:
    """Adds a message of a client as the API does, which stops or starts messages to them; answers the number and the
    word.
    """
    phone_number, word = random.choice(PHONES), random.choice(("STOP", "Стоп!", "START"))
    part = InboundPart(
        sender=f"+{phone_number}", recipient="1001", text=word, provider_message_id=random.randbytes(8).hex()
    )
    with connection.cursor() as cursor:
        cursor.execute(ADD_INBOUND, {"parts": inbound_rows(DEFAULT_GATEWAY_ID, [part])})
    return phone_number, word


def move_clients(connection: Connection, random: Random) -> None:
    """Gives some clients another time zone, or one that nobody knows."""
    with connection.cursor() as cursor:
        cursor.execute(MOVE, {"timezone": random.choice((*ZONES, NO_ZONE)), "rest": random.randrange(11)})


class Workload:
    """Makes calls and does not wait for their answers."""

    def __init__(self, users: ApiUsers) -> None:
        self._users = users
        self._rules = RuleUsers(users, PHONES)
        self._mailings: list[dict[str, Any]] = []
        self._clients: list[dict[str, Any]] = []
        self._phones = itertools.count(NEW_PHONES)
        self._texts = itertools.count(1)
        self._keys = itertools.count(1)

    def actions(self) -> list[tuple[float, Callable[[Random], None]]]:
        """What may happen, besides new mailings, and how often against each other."""
        return [
            (6, self.edit_text),
            (5, self.edit_end),
            (6, self.pause),
            (8, self.resume),
            (2, self.cancel),
            (2, self.remove_mailing),
            (3, self.retry),
            (1, self.list_mailings),
            (6, self.add_client),
            (4, self.change_client),
            (3, self.remove_client),
            *self._rules.actions(),
        ]

    def create_mailing(self, random: Random) -> None:
        """A mailing that starts soon or has started; some windows close during the run; some mailings use `hold`."""
        now = time.time()
        starts_in = random.choice((-60.0, -1.0, 0.3, 2.0))
        ends_in = random.choice((LONG, LONG, LONG, random.uniform(2.5, 8.0)))
        mark = random.choices([*AUDIENCES, *CODES], [4, 5, 6, 5, 3, 0.3, 0.3])[0]
        body = {
            "start_datetime": moment(now + starts_in),
            "end_datetime": moment(now + ends_in),
            "text": self._new_text(random),
            **_audience(random, mark),
            "on_unknown": random.choice(("resend", "resend", "resend", "hold")),
            **rules_of(random, now),
        }
        key = random.choice((None, f"mailing-{next(self._keys)}"))
        self._users.call("POST", "/v1/mailing/create/", body, self._remember_mailing, key)

    def edit_text(self, random: Random) -> None:
        """A new text for one of the latest mailings."""
        self._edit(random, {"text": self._new_text(random)})

    def edit_end(self, random: Random) -> None:
        """A window that closes sooner or later than was said."""
        self._edit(random, {"end_datetime": moment(time.time() + random.choice((0.05, 0.3, 1.0, 3.0, LONG)))})

    def pause(self, random: Random) -> None:
        """Pauses one of the latest mailings."""
        self._act(random, "pause")

    def resume(self, random: Random) -> None:
        """Resumes one of the latest mailings."""
        self._act(random, "resume")

    def cancel(self, random: Random) -> None:
        """Cancels one of the latest mailings."""
        self._act(random, "cancel")

    def retry(self, random: Random) -> None:
        """Retries the failed or the unknown messages of one of the latest mailings."""
        if mailing := _one_of_the_latest(random, self._mailings):
            body = {"status": random.choice(("failed", "unknown"))}
            self._users.call("POST", f"/v1/mailing/{mailing['id']}/retry/", body)

    def remove_mailing(self, random: Random) -> None:
        """Removes one of the latest mailings."""
        if mailing := _one_of_the_latest(random, self._mailings):
            self._users.call("DELETE", f"/v1/mailing/{mailing['id']}/")

    def list_mailings(self, random: Random) -> None:
        """Reads the list of mailings, as a console does."""
        self._users.call("GET", "/v1/mailing/?limit=1000")

    def add_client(self, random: Random) -> None:
        """A new client in one of the audiences."""
        self._users.call("POST", "/v1/client/create/", self._new_client(random), self._remember_client)

    def change_client(self, random: Random) -> None:
        """Another phone number, and sometimes another tag."""
        if client := _one_of_the_latest(random, self._clients):
            body = self._new_client(random)
            if random.random() < 0.5:
                body["tag"] = client["tag"]
            self._users.call("PUT", f"/v1/client/{client['id']}/", body)

    def remove_client(self, random: Random) -> None:
        """Removes a client that was added in this run."""
        if client := _one_of_the_latest(random, self._clients):
            self._users.call("DELETE", f"/v1/client/{client['id']}/")

    def _edit(self, random: Random, change: dict[str, Any]) -> None:
        if mailing := _one_of_the_latest(random, self._mailings):
            names = ("start_datetime", "end_datetime", "text", "mark", "segment", "segment_id", "excluded_segment_ids")
            mailing |= change  # what is refused is asked for again with the next edit, and refused again
            self._users.call("PUT", f"/v1/mailing/{mailing['id']}/", {name: mailing[name] for name in names})

    def _act(self, random: Random, action: str) -> None:
        if mailing := _one_of_the_latest(random, self._mailings):
            self._users.call("POST", f"/v1/mailing/{mailing['id']}/{action}/")

    def _new_text(self, random: Random) -> str:
        return f"Text {next(self._texts)} " + random.choice(
            ("of a chaos run", '«ёлки» \\ "и" палки', "line\nline", "🌲" * 70, *TEMPLATES)
        )

    def _new_client(self, random: Random) -> dict[str, Any]:
        code, tag = random.choice(("916", "79")), random.choice([*AUDIENCES, "nobody"])
        return {
            "phone_number": next(self._phones),
            "operator_code": code,
            "tag": tag,
            "timezone": random.choice(ZONES),
        }

    def _remember_mailing(self, call: Call) -> None:
        if call.status == 201:
            self._mailings.append({**call.said, **(call.body or {})})

    def _remember_client(self, call: Call) -> None:
        if call.status == 201:
            self._clients.append(call.said)


def _audience(random: Random, mark: str) -> dict[str, Any]:
    """Mostly a mark; also segments, and either with clients that are left out."""
    body: dict[str, Any] = {"mark": mark}
    chance = random.random()
    if chance < 0.15:
        body = {"segment": f'tag = "{mark}" or operator_code = 900 and not tag in ("many", "crowd")'}
    elif chance < 0.3:
        body = {"segment_id": random.randint(1, len(SEGMENTS))}
    if random.random() < 0.2:
        body["excluded_segment_ids"] = random.sample(range(1, len(SEGMENTS) + 1), random.choice((1, 2)))
    return body


def _one_of_the_latest(random: Random, things: list[dict[str, Any]]) -> dict[str, Any] | None:
    return random.choice(things[-8:]) if things else None

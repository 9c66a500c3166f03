"""The calls of a run: clients and mailings are added, changed and removed; mailings are paused, resumed, cancelled."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from random import Random
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.chaos.api_users import ApiUsers, moment
from tests.chaos.facts import Call

AUDIENCES = {"one": 1, "few": 7, "some": 40, "many": 150, "crowd": 420}
"""Clients by tag at the beginning."""
CODES = ("900", "916")
"""Their operator codes, in turn."""
FIRST_PHONE = 79_009_160_000
NEW_PHONES = 79_160_000_000
LONG = 3600.0
"""Seconds until the end of a window that is not meant to close during a run."""

FILL = """
INSERT INTO client (phone_number, operator_code, tag, timezone)
SELECT %s + n, (%s::text[])[1 + n %% 2], %s, 'Europe/Moscow' FROM generate_series(1, %s) AS n
"""


def fill_directory(connection: Connection) -> None:
    """The clients that a run begins with."""
    with connection.cursor() as cursor:
        for place, (tag, count) in enumerate(AUDIENCES.items()):
            # Both codes occur in every number.
            cursor.execute(FILL, (FIRST_PHONE + place * 1000, list(CODES), tag, count))


class Workload:
    """Makes calls and does not wait for their answers."""

    def __init__(self, users: ApiUsers) -> None:
        self._users = users
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
            "mark": mark,
            "on_unknown": random.choice(("resend", "resend", "resend", "hold")),
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
            names = ("start_datetime", "end_datetime", "text", "mark")
            mailing |= change  # what is refused is asked for again with the next edit, and refused again
            self._users.call("PUT", f"/v1/mailing/{mailing['id']}/", {name: mailing[name] for name in names})

    def _act(self, random: Random, action: str) -> None:
        if mailing := _one_of_the_latest(random, self._mailings):
            self._users.call("POST", f"/v1/mailing/{mailing['id']}/{action}/")

    def _new_text(self, random: Random) -> str:
        return f"Text {next(self._texts)} " + random.choice(
            ("of a chaos run", '«ёлки» \\ "и" палки', "line\nline", "🌲" * 70)
        )

    def _new_client(self, random: Random) -> dict[str, Any]:
        code, tag = random.choice(("916", "79")), random.choice([*AUDIENCES, "nobody"])
        return {"phone_number": next(self._phones), "operator_code": code, "tag": tag, "timezone": "Asia/Tokyo"}

    def _remember_mailing(self, call: Call) -> None:
        if call.status == 201:
            self._mailings.append({**call.said, **(call.body or {})})

    def _remember_client(self, call: Call) -> None:
        if call.status == 201:
            self._clients.append(call.said)


def _one_of_the_latest(random: Random, things: list[dict[str, Any]]) -> dict[str, Any] | None:
    return random.choice(things[-8:]) if things else None

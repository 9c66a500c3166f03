"""`python -m tests.chaos.failover`: how soon others take a gateway's messages when it dies for good.

Two workers, with the intervals that they have in production, send a mailing whose messages all begin with one gateway.
It is killed in the middle. What is not in doubt has to go to the next gateway of the path; what is in doubt stays.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from shared.gateways.base import DEFAULT_GATEWAY
from tests.chaos.checker import check
from tests.chaos.environment import Environment
from tests.chaos.facts import Facts, Settings, Violation
from tests.chaos.message_history import Ledgers
from tests.chaos.report import SHOWN
from tests.chaos.run import gather, stop
from tests.factories import add_clients, add_mailing, execute, value
from tests.waiting import eventually

MESSAGES = 5000
WITHIN = 60.0
"""Seconds from the death of the gateway in which others have to take the messages."""
SHARE = 0.99
"""Of the messages that are not in doubt, at least."""

LATENCY = 0.05
"""Seconds for which each gateway waits with its answers."""
SETTINGS = Settings(
    lease_seconds=10.0, gateway_timeout=5.0, poll_seconds=1.0, retry_base_seconds=1.0, concurrency=16, launch_chunk=1000
)

ONE_PATH = "UPDATE path SET weight = 0 WHERE id <> 1 AND route_id IS NOT NULL"

UNSENT = """
SELECT (SELECT count(*) FROM message WHERE status IN ('pending', 'sending') AND NOT in_doubt)
    + (SELECT count(*) FROM mailing WHERE launched_at IS NULL)
"""

LEFT = {"final status", "claims end"}
"""Invariants of a run that has come to its end: here, what is in doubt waits for the gateway that is dead."""


class Outcome(NamedTuple):
    """What became of the messages that the dead gateway had not taken."""

    in_doubt: int
    """They wait for it."""
    others: int
    taken: int
    """Of the others, those that another gateway took within WITHIN."""
    last: float
    """Seconds until the last of them was taken."""
    violations: list[Violation]

    @property
    def share(self) -> float:
        """The share of those that are not in doubt."""
        return self.taken / self.others if self.others else 1.0


def run_failover(folder: Path, messages: int = MESSAGES) -> Outcome:
    """Kills the gateway `default` once a tenth of the messages has been accepted."""
    with Environment(folder, workers=2, settings=SETTINGS, worker_command=("worker",)) as environment:
        environment.add_gateways()
        for gateway in environment.gateways.values():
            gateway.client.faults(latency=LATENCY)
        with contextlib.closing(environment.connect()) as connection:
            execute(connection, ONE_PATH)
            add_clients(connection, messages, tag="all")
            add_mailing(connection, mark="all")
            for worker in environment.workers:
                worker.start()
            default = environment.gateways[DEFAULT_GATEWAY]
            eventually(lambda: len(default.requests()) > messages / 10)
            killed_at = time.time()
            environment.note("kill", f"gateway {DEFAULT_GATEWAY}")
            default.kill()
            _wait(connection, killed_at + WITHIN)
            stop(environment, environment.workers)
            return outcome(gather(environment), killed_at)


def outcome(facts: Facts, killed_at: float) -> Outcome:
    """Reads the facts."""
    ledgers = Ledgers(facts)
    in_doubt = 0
    moments: list[float] = []
    for history in ledgers.histories.values():
        accepts = {request.gateway: request.accepted_at or 0.0 for request in history.accepts}
        if DEFAULT_GATEWAY in history.doubts_before(float("inf")):
            in_doubt += 1
        elif DEFAULT_GATEWAY not in accepts:
            moments.append(min(accepts.values(), default=float("inf")) - killed_at)
    taken = sorted(moment for moment in moments if moment <= WITHIN)
    violations = [violation for violation in check(facts) if violation.invariant not in LEFT]
    return Outcome(in_doubt, len(moments), len(taken), taken[-1] if taken else 0.0, violations)


def main() -> int:
    """Exit status: 0 when others took at least SHARE of the messages in time, and nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.failover", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    with tempfile.TemporaryDirectory(prefix="gonets-failover-") as folder:
        found = run_failover(Path(folder), parser.parse_args().messages)
    print(f"  in doubt at the gateway that died         {found.in_doubt:>6}")
    print(f"  not in doubt, not taken when it died      {found.others:>6}")
    print(f"  taken by others within {WITHIN:g} s              {found.taken:>6}  ({found.share:.2%})")
    print(f"  the last of them after, in seconds        {found.last:>6.1f}")
    for violation in found.violations[:SHOWN]:
        print(f"  {violation.invariant}: {violation.said} (message {violation.message_id})")
    return 0 if found.share >= SHARE and not found.violations else 1


def _wait(connection: Connection, until: float) -> None:
    while value(connection, UNSENT) and time.time() < until:
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())

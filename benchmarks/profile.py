"""Where a worker's time goes: its Python by py-spy, its statements by what PostgreSQL says is running.

    python -m benchmarks.profile [--seconds 10] [--latency 0] [--native]

py-spy looks at the process from outside a hundred times a second: root, or a kernel that lets one look at one's own
processes (sysctl kernel.yama.ptrace_scope=0).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks import ledger
from benchmarks.fleet import Fleet
from benchmarks.postgres import connect
from benchmarks.result import Result, microseconds
from benchmarks.stage import Stage, command
from shared.errors import ConfigurationError, GonetsError

FASTEST = 25_000
"""Messages a second that one worker will not exceed."""
WARM_UP = 2.0
SHOWN = 25
RUNNING = r"""
SELECT regexp_replace(regexp_replace(left(query, 400), '''[^'']*(''|$)', '?', 'g'), '\s+', ' ', 'g'),
    coalesce(wait_event_type || ': ' || wait_event, 'on a core')
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'
"""


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """The functions that a worker spends its time in, and the statements that it waits for."""
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        raise ConfigurationError("py-spy is missing: pip install -r requirements/benchmark.txt")
    messages = int(FASTEST * (options.seconds + WARM_UP + 3)) if not options.messages else options.messages
    progress = stage.progress("profiling")
    with stage.server.database("profile") as url, stage.gateway(options.latency) as gateway:
        connection = connect(url)
        mailing_id = ledger.add_waiting_mailing(connection, messages, progress)
        with Fleet(url, gateway, 1, stage.folder, {"WORKER_POLL_SECONDS": "0.05"}) as fleet:
            ledger.release(connection, mailing_id)
            time.sleep(WARM_UP)
            stacks = stage.folder / "stacks"
            looker = [
                spy,
                "record",
                "--pid",
                str(fleet.pids[0]),
                "--duration",
                str(options.seconds),
                "--output",
                str(stacks),
            ]
            looker += ["--format", "raw", "--native" if options.native else "--gil"]
            meter, before, began = stage.meter(gateway, worker=fleet.pids), gateway.requests(), time.monotonic()
            spying = subprocess.Popen(looker, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            statements = _watch(connection, spying)
            sent, elapsed, cpu = gateway.requests() - before, time.monotonic() - began, meter.read()
        if spying.returncode != 0:
            raise GonetsError(f"py-spy can't look: {spying.stdout.read() if spying.stdout else ''}")
        if not ledger.is_open(connection, mailing_id):
            progress.say("The messages ran out before the time did: the profile shows some idling. Try --messages.")
        served = gateway.served()
        ledger.expect("requests", served.requests, served.distinct)
        connection.close()
    costs = ", ".join(f"{group} {microseconds(seconds, sent)}" for group, seconds in cpu.items())
    return Result(
        "profile",
        ("", "own time", "with callees"),
        [*_functions(stacks), *_shares(statements)],
        notes=[
            f"{sent / elapsed:,.0f} messages/s while being looked at. CPU a message, in microseconds: {costs}. Shares "
            "of the moments at which a thread ran Python (with --native: or C), and at which a statement ran."
        ],
    )


def _watch(connection: Connection, spying: subprocess.Popen[str]) -> Counter[str]:
    """What PostgreSQL's processes were seen doing, until py-spy has done."""
    seen: Counter[str] = Counter()
    with connection.cursor() as cursor:
        while spying.poll() is None:
            cursor.execute(RUNNING)
            for query, doing in cursor.fetchall():
                seen[f"{query.strip()[:70]}… ({doing})"] += 1
            time.sleep(0.01)
    return seen


def _functions(stacks: Path) -> list[tuple[str, str, str]]:
    """Functions by the time in them alone, and with what they call (each counted once a stack)."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] + ")" if ":" in frame else frame for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    total = sum(own.values()) or 1
    return [(frame, f"{count / total:.1%}", f"{whole[frame] / total:.1%}") for frame, count in own.most_common(SHOWN)]


def _shares(statements: Counter[str]) -> list[tuple[str, str, str]]:
    total = sum(statements.values()) or 1
    return [
        (f"SQL: {statement}", f"{count / total:.1%}", "") for statement, count in statements.most_common(SHOWN // 2)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Where a worker's time goes.")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--messages", type=int, default=0, help="that are there; by default more than it can send")
    parser.add_argument("--latency", type=float, default=0.0, help="of the gateway, in seconds")
    parser.add_argument("--native", action="store_true", help="look into C libraries too; slower")
    command("profile", measure, parser)


if __name__ == "__main__":
    main()

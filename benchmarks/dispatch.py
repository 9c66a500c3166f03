"""Dispatch: messages that wait in PostgreSQL, one POST each to a local nginx, a durable record for each.

    python -m benchmarks.dispatch [--messages 30000] [--repeat 1] [--only gonets,curl] [--list]

Everybody sends the same messages on the same PostgreSQL to the same nginx, one after the other; `--repeat` goes round
more than once and takes the median.
"""

from __future__ import annotations

import argparse
from statistics import median

from benchmarks import contestants, plots
from benchmarks.contestants import Bout, Contestant
from benchmarks.peers import environment
from benchmarks.result import Result, microseconds, ratio
from benchmarks.stage import Stage, command

GONETS, GONETS_ALONE = "Gonets, 2 workers", "Gonets, 1 worker"
CURL = "libcurl handles, no database"

CONTESTANTS: dict[str, tuple[str, Contestant]] = {
    "gonets2": (GONETS, contestants.gonets(2)),
    "gonets1": (GONETS_ALONE, contestants.gonets(1)),
    "pgboss": ("pg-boss, 2 processes", contestants.pgboss(processes=2, batch=500)),
    "pgboss1": ("pg-boss, 1 process", contestants.pgboss(processes=1, batch=500)),
    "graphile": ("Graphile Worker, 2 processes", contestants.graphile(processes=2, concurrency=24)),
    "pgqueuer": ("PgQueuer, 2 processes", contestants.pgqueuer(processes=2, batch=200)),
    "pgqueuer1": ("PgQueuer, 1 process", contestants.pgqueuer(processes=1, batch=200)),
    "celery200": ("Celery and Redis, tasks of 200", contestants.celery(batch=200, concurrency=4)),
    "celery": ("Celery and Redis", contestants.celery(batch=1, concurrency=4)),
    "procrastinate": ("Procrastinate, 2 processes", contestants.procrastinate(processes=2, concurrency=20)),
    "naive": ("SELECT, post, UPDATE, COMMIT", contestants.naive),
    "curl": (CURL, contestants.bare("curl")),
    "http": ("http.client, no database", contestants.bare("http")),
    "session": ("requests.Session, no database", contestants.bare("session")),
    "postgres": ("PostgreSQL alone, no HTTP", contestants.postgres_alone),
}
PEERS = {
    "pg-boss": ("pgboss", "pgboss1"),
    "Graphile Worker": ("graphile",),
    "PgQueuer": ("pgqueuer", "pgqueuer1"),
    "Celery": ("celery200", "celery"),
    "Procrastinate": ("procrastinate",),
}
"""Whose the contestants are: of each peer its fastest counts."""
SLOW = ("procrastinate", "naive", "celery")
"""These get a fifth of the messages, lest they take minutes: their speed does not depend on the number."""


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Everybody's speed, as a multiple of the slowest of those who do the whole work."""
    chosen = options.only.split(",") if options.only else list(CONTESTANTS)
    bouts: dict[str, list[Bout]] = {key: [] for key in chosen}
    with stage.gateway() as gateway:
        for turn in range(options.repeat):
            for key in chosen:
                title, contest = CONTESTANTS[key]
                messages = options.messages // (5 if key in SLOW else 1)
                bout = contest(stage, gateway, messages, stage.progress(title))
                bouts[key].append(bout)
                stage.say(
                    f"{title}: {bout.speed:,.0f} messages/s" + (f" (turn {turn + 1})" if options.repeat > 1 else "")
                )
        gateway_name = gateway.name
    middle = {key: sorted(runs, key=lambda bout: bout.speed)[len(runs) // 2] for key, runs in bouts.items()}
    speeds = {key: median(bout.speed for bout in runs) for key, runs in bouts.items()}
    peers = {peer: max((speeds[key] for key in keys if key in speeds), default=0.0) for peer, keys in PEERS.items()}
    fastest_peer = max(peers.values())
    curl = speeds.get("curl", 0.0)
    plot = plots.bars(
        "dispatch", {CONTESTANTS[key][0]: speed for key, speed in speeds.items()}, "messages a second", "Gonets"
    )
    return Result(
        "dispatch",
        ("", "messages/s", "× fastest peer", "× libcurl", "µs CPU client", "µs PostgreSQL", "µs gateway"),
        [_row(CONTESTANTS[key][0], speeds[key], middle[key], fastest_peer, curl) for key in chosen],
        notes=[
            f"{options.messages:,} messages each ({', '.join(CONTESTANTS[key][0] for key in chosen if key in SLOW)}: a "
            f"fifth of that), to {gateway_name}, one after another on the same PostgreSQL"
            + (f"; the median of {options.repeat} rounds" if options.repeat > 1 else "")
            + ". From the first request to the last record. CPU a message, in microseconds.",
            f"Peers: {environment.versions()}.",
        ],
        readme=[
            (f"dispatch, {workers}", _beside(speeds[key], peers, curl))
            for key, workers in (("gonets2", "two workers"), ("gonets1", "one worker"))
            if key in speeds
        ],
        draw=plot,
        plot_shows="Messages a second of Gonets, its peers, and bare clients",
    )


def _row(title: str, speed: float, bout: Bout, peer: float, curl: float) -> tuple[str, ...]:
    cpu = [microseconds(bout.cpu[group], bout.messages) for group in ("client", "PostgreSQL", "gateway")]
    return (title, f"{speed:,.0f}", ratio(speed, peer), ratio(speed, curl), *cpu)


def _beside(speed: float, peers: dict[str, float], curl: float) -> str:
    others = [*sorted(peers.items(), key=lambda peer: -peer[1]), ("libcurl with no database", curl)]
    return f"{speed:,.0f} messages/s: " + ", ".join(f"{ratio(speed, other)} {name}" for name, other in others if other)


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast messages leave, against peers and bare clients.")
    parser.add_argument("--messages", type=int, default=30_000)
    parser.add_argument("--repeat", type=int, default=1, help="rounds; each contestant's median counts")
    parser.add_argument("--only", default="", help=f"some of {','.join(CONTESTANTS)}")
    command("dispatch", measure, parser)


if __name__ == "__main__":
    main()

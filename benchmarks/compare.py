"""Two checkouts in turns, by dispatch, launch, the API and import: the speed of one as a multiple of the other's.

Both must have `python -m worker`, `flask --app api db upgrade`, `api.gunicorn`, the HTTP API and the table of clients.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import bulk, mailings
from benchmarks.api import CALLS, speed, take_turn
from benchmarks.baselines import TEXT
from benchmarks.benchmark import Benchmark, Result, chosen_of
from benchmarks.competitors import send_waiting
from benchmarks.environment import QUICK, Api, Environment
from benchmarks.mailings import Mailing
from benchmarks.processes import ROOT
from shared.errors import ConfigurationError

LEAST = 0.97
"""A ratio below which something has become slower."""
CALLERS, CLIENTS, MAILINGS, WORKERS = 16, 10_000, 100, 2

Figures = dict[str, float]
"""By what it is: so much a second."""


def dispatch(environment: Environment, root: Path, url: str, api: Api, options: argparse.Namespace) -> Figures:
    """Messages that wait, sent and recorded by two workers."""
    progress = environment.progress("dispatch")
    with environment.gateway() as gateway:
        run = send_waiting(environment, gateway, (api, url, WORKERS, TEXT), options.messages, progress, root=root)
    return {"dispatch, messages/s": run.speed}


def launch(environment: Environment, root: Path, url: str, api: Api, options: argparse.Namespace) -> Figures:
    """Clients who become messages, while two workers send."""
    mailings.add_clients(url, "everybody", options.audience)
    with environment.gateway() as gateway, environment.workers(url, gateway, WORKERS, QUICK, root=root):
        mailing, began = Mailing(api, "everybody"), time.monotonic()
        mailing.wait_until_launched(options.audience, environment.progress("launch"))
        return {"launch, clients/s": options.audience / (time.monotonic() - began)}


def calls(_environment: Environment, _root: Path, url: str, api: Api, _options: argparse.Namespace) -> Figures:
    """Requests of each call, with a few callers at once."""
    mailings.add_clients(url, "vip", CLIENTS)
    for _ in range(MAILINGS):
        Mailing(api, "nobody")
    return {
        f"API, {call.title}, requests/s": speed([take_turn(api.port, api.headers, call, CALLERS)]) for call in CALLS
    }


def importing(environment: Environment, _root: Path, _url: str, api: Api, options: argparse.Namespace) -> Figures:
    """Rows of a CSV file into an empty directory."""
    rows, wrong = options.rows, -(-options.rows // bulk.WRONG_EVERY)
    path = bulk.write_csv(environment.folder / "compare.csv", rows, "a")
    began = time.monotonic()
    bulk.import_file(api, path, rejected=wrong, added=rows - wrong)
    return {"import, rows/s": rows / (time.monotonic() - began)}


PARTS = {"dispatch": dispatch, "launch": launch, "api": calls, "import": importing}


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """The median of the rounds' ratios, and the smallest and the largest."""
    chosen = chosen_of(PARTS, options.only)
    if not options.before:
        raise ConfigurationError("Name a commit or a folder with --before.")
    figures: dict[str, tuple[list[float], list[float]]] = {}
    with _checkout(options.before) as before, _checkout(options.after) as after:
        for turn in range(options.rounds):
            for name in chosen:
                # By turns who is first: what the machine can do changes with time.
                for place in (0, 1) if turn % 2 == 0 else (1, 0):
                    root, at = (before, after)[place], environment.server.database
                    with at("compare", root=root) as url, environment.api(url, root=root) as api:
                        found = PARTS[name](environment, root, url, api, options)
                    for title, figure in found.items():
                        figures.setdefault(title, ([], []))[place].append(figure)
                environment.say(f"{name}: round {turn + 1} of {options.rounds}")
    rows = [compared(title, *sides) for title, sides in figures.items()]
    slower = [title for title, _, _, ratio, _ in rows if float(ratio) < LEAST]
    return Result.of(
        ("", "before", "after", "after ÷ before", "smallest to largest"),
        rows,
        f"Before: {options.before}; after: {options.after}. Medians of {options.rounds} rounds, in turns; each "
        "ratio is of the two in one round.",
        f"Below {LEAST}: {'; '.join(slower) or 'nothing'}.",
    )


def compared(title: str, before: list[float], after: list[float]) -> tuple[str, str, str, str, str]:
    """A row: what was measured, by round, before and after; their ratio, and its spread."""
    ratios = [second / first for first, second in zip(before, after, strict=True)]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return (title, f"{median(before):,.0f}", f"{median(after):,.0f}", f"{median(ratios):.3f}", spread)


@contextlib.contextmanager
def _checkout(what: str) -> Iterator[Path]:
    """A checkout's folder: the one named, or a new one of a commit. Raises ConfigurationError when it is neither."""
    if Path(what).is_dir():
        yield Path(what).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="gonets-") as folder:
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", what], capture_output=True, check=False)
        if archive.returncode:
            raise ConfigurationError(f"{what} is neither a folder nor a commit.")
        subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
        yield Path(folder)


BENCHMARK = Benchmark(
    measure,
    short="--before HEAD --rounds 1 --messages 3000 --audience 20000 --rows 10000",
    stored=False,
    before=("", "a commit of this repository, or a folder"),
    after=(str(ROOT), "a commit of this repository, or a folder"),
    rounds=(3, "turns of each"),
    only=("", f"some of {','.join(PARTS)}"),
    messages=(60_000, "of a dispatch"),
    audience=(300_000, "of a launch"),
    rows=(200_000, "of an import"),
)

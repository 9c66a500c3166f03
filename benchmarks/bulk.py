"""The directory in bulk: a file is imported into nothing, again, with every tag changed, then all is exported.

Through the API as `make run` serves it. One row in a thousand is wrong; each answer must count what the file has, the
same file again must change nothing, and an export must have every client.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.benchmark import Benchmark, Result, expect
from benchmarks.environment import Api, Environment
from benchmarks.processes import most_memory

ZONES = ("Europe/Moscow", "Asia/Yekaterinburg", "Asia/Vladivostok", "UTC")
WRONG_EVERY = 1000
"""One row in so many has a time zone that there is not."""
PIECE = 1 << 16
"""Bytes read at a time."""


def measure(environment: Environment, options: argparse.Namespace) -> Result:
    """Seconds, rows a second and memory of each step."""
    rows, folder = options.rows, environment.folder
    wrong = -(-rows // WRONG_EVERY)
    right = rows - wrong
    with environment.server.database("bulk") as url, environment.api(url) as api:
        first, second = (write_csv(folder / f"{tag}.csv", rows, tag) for tag in "ab")
        steps: dict[str, Callable[[], None]] = {
            "import of CSV into nothing": lambda: import_file(api, first, rejected=wrong, added=right),
            "the same file again": lambda: import_file(api, first, rejected=wrong, unchanged=right),
            "every tag changed": lambda: import_file(api, second, rejected=wrong, changed=right),
            "export as CSV": lambda: _export(api, right + 1),
        }
        found = [_row(environment, api, title, step, rows) for title, step in steps.items()]
    return Result.of(
        ("", "seconds", "rows/s", "API process, MB at most", "PostgreSQL process, MB at most"),
        found,
        f"{rows:,} rows in random order, {wrong:,} of them wrong; one request a step, over HTTP. Memory without "
        "shared buffers, of the process that has most.",
    )


def _row(environment: Environment, api: Api, title: str, step: Callable[[], None], rows: int) -> tuple[str, ...]:
    """Takes a step, its time, and looks at the memory meanwhile."""
    environment.say(title)
    with most_memory([api.pid], [environment.server.pid]) as most:
        began = time.monotonic()
        step()
        seconds = time.monotonic() - began
    return (title, f"{seconds:.1f}", f"{rows / seconds:,.0f}", *(f"{size / 2**20:,.0f}" for size in most))


def import_file(api: Api, path: Path, **expected: int) -> None:
    """Imports a file. Raises Discrepancy unless it is answered with these counts; the others are 0."""
    with path.open("rb") as file:
        counts = api.send("POST", "/v1/client/import/", {"Content-Type": "text/csv"}, data=file).json()
    for name in ("added", "changed", "unchanged", "rejected"):
        expect(f"clients that were {name}", counts[name], expected.get(name, 0))


def _export(api: Api, expected: int) -> None:
    """Exports the directory. Raises Discrepancy unless it comes in so many lines."""
    answer = api.send("GET", "/v1/client/export/", {"Accept": "text/csv"}, stream=True)
    expect("lines of an export", sum(piece.count(b"\n") for piece in answer.iter_content(PIECE)), expected)


def write_csv(path: Path, rows: int, tag: str) -> Path:
    """A file of so many clients, whose tags begin so, in a random order, some of them wrong."""
    numbers = list(range(rows))
    random.Random(rows).shuffle(numbers)
    with path.open("w") as file:
        file.write("phone_number,operator_code,tag,timezone\n")
        for number in numbers:
            zone = "Mars" if number % WRONG_EVERY == 0 else ZONES[number % 4]
            file.write(f"{79_000_000_000 + number},{900 + number // 10**7},{tag}{number % 50},{zone}\n")
    return path


BENCHMARK = Benchmark(measure, short="--rows 100000", rows=(1_000_000, "clients in the file"))

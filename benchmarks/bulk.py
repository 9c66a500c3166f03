"""The directory in bulk: a file is imported into nothing, again, with every tag changed, then all is exported.

    python -m benchmarks.bulk [--rows 1000000]

Through the API as `make run` serves it. One row in a thousand is wrong; each answer must count what the file has, the
same file again must change nothing, and an export must have every client.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks import plots
from benchmarks.apis import Api
from benchmarks.ledger import Discrepancy, expect
from benchmarks.processes import family, memory
from benchmarks.progress import Progress
from benchmarks.result import Result
from benchmarks.stage import Stage, command

HEADER = "phone_number,operator_code,tag,timezone\n"
ZONES = ("Europe/Moscow", "Asia/Yekaterinburg", "Asia/Vladivostok", "UTC")
WRONG_EVERY = 1000
"""One row in so many has a time zone that there is not."""
IMPORT, EXPORT = "/v1/client/import/", "/v1/client/export/"
CSV, NDJSON = "text/csv", "application/x-ndjson"
LOOK_INTERVAL = 0.1
"""Seconds between two looks at the memory."""

Held = dict[str, tuple[list[float], list[float]]]
"""By process: seconds since the start, and megabytes."""


class Step(NamedTuple):
    """What a step took, and the most megabytes that one of the API's processes, and one of PostgreSQL's, had."""

    title: str
    seconds: float
    api: float
    postgres: float


def measure(stage: Stage, options: argparse.Namespace) -> Result:
    """Seconds, rows a second and memory of each step."""
    rows, held = options.rows, Held()
    wrong = -(-rows // WRONG_EVERY)
    right = rows - wrong
    with stage.server.database("bulk") as url, Api(url, stage.folder) as api:
        first, second = (write_csv(stage.folder / f"{tag}.csv", rows, tag) for tag in "ab")
        lines = write_ndjson(stage.folder / "b.ndjson", rows, "b")
        with _memory_watched(stage, api, held):
            steps = [
                _take(stage, held, title, step)
                for title, step in (
                    ("import of CSV into nothing", _import(api, first, CSV, rejected=wrong, added=right)),
                    ("the same file again", _import(api, first, CSV, rejected=wrong, unchanged=right)),
                    ("every tag changed", _import(api, second, CSV, rejected=wrong, changed=right)),
                    ("the same again as NDJSON", _import(api, lines, NDJSON, rejected=wrong, unchanged=right)),
                    ("export as CSV", _export(api, CSV, right + 1)),
                    ("export as NDJSON", _export(api, NDJSON, right)),
                )
            ]
    into_nothing, again = steps[:2]
    most = max(step.api for step in steps)
    return Result(
        "bulk",
        ("", "seconds", "rows/s", "API process, MB at most", "PostgreSQL process, MB at most"),
        [
            (
                step.title,
                f"{step.seconds:.1f}",
                f"{rows / step.seconds:,.0f}",
                f"{step.api:,.0f}",
                f"{step.postgres:,.0f}" if stage.server.pid else "–",
            )
            for step in steps
        ],
        notes=[
            f"{rows:,} rows in random order, {wrong:,} of them wrong; one request a step, over HTTP. Memory without "
            "shared buffers, of the process that has most."
        ],
        readme=[
            (
                f"importing {rows:,} clients",
                f"{into_nothing.seconds:.1f} s, {again.seconds:.1f} s for the same file again, which changes nothing; "
                f"a process of the API {most:,.0f} MB at most",
            )
        ],
        draw=plots.lines(
            "bulk",
            {f"{name}, its largest process": sizes for name, sizes in held.items()},
            ("seconds since the start", "megabytes"),
        ),
        plot_shows="Memory of the largest process while a directory is imported and exported",
    )


def _take(stage: Stage, held: Held, title: str, step: Callable[[Progress], None]) -> Step:
    """Takes a step and its time."""
    progress = stage.progress(title)
    before = {name: len(sizes) for name, (_, sizes) in held.items()}
    began = time.monotonic()
    step(progress)
    seconds = time.monotonic() - began
    time.sleep(2 * LOOK_INTERVAL)  # for a last look
    peaks = {name: max(sizes[before[name] :]) for name, (_, sizes) in held.items()}
    return Step(title, seconds, peaks["API"], peaks.get("PostgreSQL", 0.0))


@contextlib.contextmanager
def _memory_watched(stage: Stage, api: Api, held: Held) -> Iterator[None]:
    """Looks at the largest of the API's processes, and of PostgreSQL's if it is ours, for as long as the block lasts.

    Not at the first of each, which serves nobody.
    """
    over, began = threading.Event(), time.monotonic()
    parents = {"API": api.pid} | ({"PostgreSQL": stage.server.pid} if stage.server.pid else {})
    for name in parents:
        held[name] = ([], [])

    def watch() -> None:
        while not over.wait(LOOK_INTERVAL):
            for name, pid in parents.items():
                held[name][1].append(max((memory(member) for member in family(pid)[1:]), default=0) / 2**20)
                held[name][0].append(time.monotonic() - began)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _import(api: Api, path: Path, content_type: str, **expected: int) -> Callable[[Progress], None]:
    """A step that imports a file, and must be answered with these counts; the others are 0."""

    def step(progress: Progress) -> None:
        size = path.stat().st_size
        headers = {**api.headers, "Content-Type": content_type, "Content-Length": str(size)}
        with contextlib.closing(HTTPConnection(urlsplit(api.url).netloc)) as connection:
            connection.request("POST", IMPORT, _pieces(path, size, progress), headers)
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise Discrepancy(f"POST {IMPORT} answered {response.status}: {answer[:200].decode()}")
        counts = json.loads(answer)
        for name in ("added", "changed", "unchanged", "rejected"):
            expect(f"clients that were {name}", counts[name], expected.get(name, 0))

    return step


def _pieces(path: Path, size: int, progress: Progress) -> Iterator[bytes]:
    """A file piece by piece. The last is soon taken, and then the rows go in."""
    with path.open("rb") as file:
        while piece := file.read(1 << 16):
            yield piece
            progress.show(file.tell() / 1e6, size / 1e6, "MB sent")


def _export(api: Api, accept: str, expected: int) -> Callable[[Progress], None]:
    """A step that exports the directory, in so many lines."""

    def step(progress: Progress) -> None:
        found = 0
        with contextlib.closing(HTTPConnection(urlsplit(api.url).netloc)) as connection:
            connection.request("GET", EXPORT, headers={**api.headers, "Accept": accept})
            response = connection.getresponse()
            while piece := response.read(1 << 16):
                found += piece.count(b"\n")
                progress.show(found, expected, "lines")
        expect("lines of an export", found, expected)

    return step


def write_csv(path: Path, rows: int, tag: str) -> Path:
    """A CSV file of so many clients, whose tags begin so."""
    with path.open("w") as file:
        file.write(HEADER)
        for phone_number, operator_code, one, zone in _clients(rows, tag):
            file.write(f"{phone_number},{operator_code},{one},{zone}\n")
    return path


def write_ndjson(path: Path, rows: int, tag: str) -> Path:
    """The same as JSON, one a line."""
    names = HEADER.strip().split(",")
    with path.open("w") as file:
        for client in _clients(rows, tag):
            file.write(json.dumps(dict(zip(names, client, strict=True))) + "\n")
    return path


def _clients(rows: int, tag: str) -> Iterator[tuple[int, str, str, str]]:
    """Clients in an order that is nobody's, some of them wrong."""
    numbers = list(range(rows))
    random.Random(rows).shuffle(numbers)
    for number in numbers:
        zone = "Mars" if number % WRONG_EVERY == 0 else ZONES[number % 4]
        yield 79_000_000_000 + number, str(900 + number // 10**7), f"{tag}{number % 50}", zone


def main() -> None:
    parser = argparse.ArgumentParser(description="The directory from and to a file.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    command("bulk", measure, parser)


if __name__ == "__main__":
    main()

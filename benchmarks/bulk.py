"""The directory in bulk: `python -m benchmarks.bulk [--rows 1000000]`. Seconds, rows a second, memory of the API.

A file is imported into an empty directory, then again (nothing changes), then with every tag changed, then exported.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.apis import Api
from benchmarks.processes import family, most_memory
from benchmarks.stage import stage

HEADER = "phone_number,operator_code,tag,timezone\n"
ZONES = ("Europe/Moscow", "Asia/Yekaterinburg", "Asia/Vladivostok", "UTC")
IMPORT, EXPORT = "/v1/client/import/", "/v1/client/export/"


def main() -> None:
    """Runs the steps and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with stage() as set_up, set_up.server.database("bulk") as url, Api(url, set_up.folder) as api:
        print(f"{'':<28}{'seconds':>9}{'rows/s':>10}{'RSS, MB':>9}   answer")
        first, second = (write_csv(set_up.folder / f"{tag}.csv", rows, tag) for tag in "ab")
        lines = write_ndjson(set_up.folder / "b.ndjson", rows)
        for title, step in (
            ("warm up", lambda: send(api, HEADER.encode(), "text/csv")),
            ("CSV into nothing", lambda: send(api, first, "text/csv")),
            ("the same again", lambda: send(api, first, "text/csv")),
            ("every tag changed", lambda: send(api, second, "text/csv")),
            ("the same again as NDJSON", lambda: send(api, lines, "application/x-ndjson")),
            ("export as CSV", lambda: receive(api, "text/csv")),
            ("export as NDJSON", lambda: receive(api, "application/x-ndjson")),
        ):
            show(title, rows, api, step)


def show(title: str, rows: int, api: Api, step: Callable[[], Any]) -> None:
    """Takes the time of a step, and prints it with the memory of the process that has most."""
    began = time.monotonic()
    answer = step()
    seconds = time.monotonic() - began
    most = max(most_memory(pid) for pid in family(api.pid)[1:])
    print(f"{title:<28}{seconds:>9.1f}{rows / seconds:>10,.0f}{most:>9.0f}   {answer}")


def send(api: Api, file: Path | bytes, content_type: str) -> Any:
    """Imports a file; the counts of the answer."""
    connection = HTTPConnection(urlsplit(api.url).netloc)
    body = file if isinstance(file, bytes) else file.open("rb")
    length = len(file) if isinstance(file, bytes) else file.stat().st_size
    connection.request(
        "POST",
        IMPORT,
        body,
        {**api.headers, "Content-Type": content_type, "Content-Length": str(length)},
    )
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return {name: value for name, value in answer.items() if name != "errors"}


def receive(api: Api, accept: str) -> str:
    """Exports the directory; its size."""
    connection = HTTPConnection(urlsplit(api.url).netloc)
    connection.request("GET", EXPORT, headers={**api.headers, "Accept": accept})
    response = connection.getresponse()
    size = 0
    while piece := response.read(1 << 20):
        size += len(piece)
    connection.close()
    return f"{size / 1e6:.0f} MB"


def write_csv(path: Path, rows: int, tag: str) -> Path:
    """A file of so many clients, in an order that is nobody's, with one wrong row in a thousand."""
    with path.open("w") as file:
        file.write(HEADER)
        for number in _shuffled(rows):
            zone = "Mars" if number % 1000 == 0 else ZONES[number % 4]
            file.write(f"{79_000_000_000 + number},{900 + number // 10**7},{tag}{number % 50},{zone}\n")
    return path


def write_ndjson(path: Path, rows: int) -> Path:
    """The second of the files above, as JSON."""
    with path.open("w") as file:
        for number in _shuffled(rows):
            zone = "Mars" if number % 1000 == 0 else ZONES[number % 4]
            row = {
                "phone_number": 79_000_000_000 + number,
                "operator_code": str(900 + number // 10**7),
                "tag": f"b{number % 50}",
                "timezone": zone,
            }
            file.write(json.dumps(row) + "\n")
    return path


def _shuffled(rows: int) -> list[int]:
    numbers = list(range(rows))
    random.Random(rows).shuffle(numbers)
    return numbers


if __name__ == "__main__":
    main()

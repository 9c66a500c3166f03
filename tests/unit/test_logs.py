"""Structured logs: one line a record, with what it carries."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.logs import JsonFormatter, TextFormatter, configure_logs, mask_phone


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """The root logger and its handlers are everybody's."""
    root, urllib3 = logging.getLogger(), logging.getLogger("urllib3")
    before = root.level, root.handlers[:], urllib3.level
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    urllib3.setLevel(before[2])


def record(message: str = "claimed", *values: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("worker.queue").makeRecord(
        "worker.queue", logging.INFO, __file__, 1, message, values, None, extra=extra
    )


def failure() -> logging.LogRecord:
    error = ValueError("two\nlines")
    return logging.getLogger("worker").makeRecord(
        "worker", logging.ERROR, __file__, 1, "it failed", (), (ValueError, error, None)
    )


def test_a_record_is_one_json_object() -> None:
    entry = json.loads(JsonFormatter().format(record("claimed %d", 32, mailing_id=7, message_id=9)))

    time = datetime.fromisoformat(entry.pop("time"))
    assert timedelta() <= datetime.now(UTC) - time < timedelta(minutes=1)
    assert entry == {
        "level": "info",
        "logger": "worker.queue",
        "event": "claimed 32",
        "mailing_id": 7,
        "message_id": 9,
    }


def test_json_keeps_cyrillic_and_writes_down_anything() -> None:
    line = JsonFormatter().format(
        record("гонец", detail="отказ\nнавсегда", why=ValueError("no"), when=timedelta(seconds=1))
    )

    assert "гонец" in line
    assert "отказ" in line
    assert "\n" not in line
    assert json.loads(line)["why"] == "no"


def test_a_failure_comes_with_its_traceback_on_the_same_line() -> None:
    line = JsonFormatter().format(failure())

    assert "\n" not in line
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_a_person_reads_a_short_line() -> None:
    line = TextFormatter().format(record(messages=32, mailing_id=7))

    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    worker\.queue: claimed messages=32 mailing_id=7", line)


def test_a_person_reads_the_traceback_below() -> None:
    lines = TextFormatter().format(failure()).splitlines()

    assert lines[0].endswith("ERROR   worker: it failed")
    assert lines[-2:] == ["ValueError: two", "lines"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "json_lines"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("json", Terminal, True),
        ("text", io.StringIO, False),
    ],
)
def test_auto_is_text_on_a_terminal_and_json_elsewhere(
    form: str, stream: type[io.StringIO], json_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = stream()
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logs("INFO", form)

    logging.getLogger("worker").info("started")

    assert stderr.getvalue().startswith("{") == json_lines
    assert stderr.getvalue().count("\n") == 1


def test_what_is_below_the_level_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logs("WARNING", "json")

    logging.getLogger("worker").info("started")

    assert stderr.getvalue() == ""


def test_urllib3_does_not_tell_of_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logs("DEBUG", "json")

    logging.getLogger("urllib3.connectionpool").warning("https://gateway.example/send/1?token=s3cret")

    assert stderr.getvalue() == ""


@pytest.mark.parametrize(
    ("phone_number", "masked"), [(79001234567, "7***4567"), (1000000, "1***0000"), (999999999999999, "9***9999")]
)
def test_a_phone_number_is_masked(phone_number: int, masked: str) -> None:
    assert mask_phone(phone_number) == masked

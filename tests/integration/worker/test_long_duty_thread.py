"""Duties that may take long, in threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg2
import pytest

from tests.waiting import PATIENCE, eventually
from worker.maintenance.long_duty_thread import LongDutyThread


class Duty:
    """Notes what a thread does with it; `work` is what a run does."""

    def __init__(self, work: Callable[[], None] = lambda: None) -> None:
        self.work = work
        self.runs = 0
        self.closed = 0

    def run(self) -> None:
        self.runs += 1
        self.work()

    def close(self) -> None:
        self.closed += 1


def fail(error: Exception) -> None:
    raise error


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.maintenance.long_duty_thread.CHECK_SECONDS", 0.01)
    monkeypatch.setattr("worker.maintenance.long_duty_thread.ERROR_SECONDS", 0.01)


def test_a_duty_without_a_signal_is_run_again_and_again_and_keeps_no_connection(stop: threading.Event) -> None:
    duty = Duty()
    thread = LongDutyThread("sample", duty, stop)

    thread.start()

    eventually(lambda: duty.closed >= 3)
    stop.set()
    thread._thread.join(PATIENCE)
    assert duty.runs == duty.closed


def test_a_duty_with_a_signal_is_run_once_for_each(stop: threading.Event) -> None:
    due, duty = threading.Event(), Duty()
    thread = LongDutyThread("sample", duty, stop, due)

    thread.start()

    for runs in (1, 2):
        due.set()
        eventually(lambda runs=runs: duty.closed == runs)  # type: ignore[misc]
    assert not due.is_set()
    stop.set()
    thread._thread.join(PATIENCE)
    assert duty.runs == 2


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ZeroDivisionError("a bug"), "maintenance.error"),
        (psycopg2.errors.UndefinedColumn("of a later version"), "maintenance.not_migrated"),
    ],
)
def test_an_error_is_logged_and_the_duty_is_run_again(
    error: Exception, event: str, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    duty = Duty(lambda: fail(error))
    thread = LongDutyThread("sample", duty, stop)

    thread.start()

    eventually(lambda: duty.closed >= 2)
    stop.set()
    thread._thread.join(PATIENCE)
    assert set(caplog.messages) == {event}


def test_it_ends_without_a_word_when_the_database_is_away_while_the_worker_stops(
    stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    duty = Duty(lambda: (stop.set(), fail(psycopg2.OperationalError())))  # type: ignore[arg-type, func-returns-value]
    thread = LongDutyThread("sample", duty, stop)

    thread.start()

    thread._thread.join(PATIENCE)
    assert not thread._thread.is_alive()
    assert (duty.runs, duty.closed, caplog.messages) == (1, 1, [])

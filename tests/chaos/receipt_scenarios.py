"""A short scenario with receipts: early ones, repeated ones, of parts and of nobody, while the API is killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from tests.chaos.environment import Environment
from tests.chaos.gateways import PARTS, REPORTING
from tests.chaos.invariants_deliveries import END
from tests.chaos.receipt_driver import OVERDUE, PERSISTENT, ReceiptDriver
from tests.chaos.scenario import Scenario
from tests.factories import execute, set_path, value
from tests.waiting import eventually

LONG_TEXT = "Текст в нескольких частях. " * 6
"""Three segments."""

PLAN = {**PERSISTENT, "undelivered": {"expired": 0.2, "other": 0.2}, "intermediate": 0.7, "twice": 0.3, "lost": 0.1}
PATIENCE = 10.0
"""Seconds for what a fault may keep from happening."""

UNSETTLED = "SELECT count(*) FROM message WHERE status IN ('pending', 'sending')"
NOT_APPLIED = "SELECT count(*) FROM receipt_queue"
AWAITING = "SELECT count(*) FROM message WHERE delivery = 'awaiting'"
ONE_PATH = "UPDATE path SET weight = CASE id WHEN 1 THEN 100 ELSE 0 END WHERE route_id IS NOT NULL"


def receipts(scenario: Scenario) -> None:
    """Two gateways report deliveries, one after the other; the API is killed meanwhile; then the deadline passes."""
    ids = scenario.environment.add_gateways()
    scenario.start_api()
    execute(scenario.api, ONE_PATH)
    reporting = scenario.environment.gateways[REPORTING.name].client
    reporting.receipts(
        **PLAN, early=0.5, without_query=0.5, out_of_order=0.4, contradicted=0.3, delay=[0.0, 0.3], seed=7
    )
    reporting.faults(latency=0.4, reset_after_accept=0.2, seed=7)
    parts = scenario.environment.gateways[PARTS.name].client
    parts.receipts(**PLAN, split=1.0, out_of_order=0.4, foreign=0.2, forged=0.1, delay=[0.0, 0.3], seed=7)
    set_path(scenario.api, ids[REPORTING.name])
    scenario.start(scenario.first, scenario.second)
    scenario.add_launched(40, 1.5)
    _until(lambda: value(scenario.api, UNSETTLED) == 0)
    scenario.add_launched(30, 1.0, on_unknown="hold")
    time.sleep(0.8)
    _restart_api(scenario)
    _until(lambda: value(scenario.api, UNSETTLED) == 0)
    set_path(scenario.api, ids[PARTS.name])
    scenario.add_launched(30, 0.5, text=LONG_TEXT)
    _until(lambda: value(scenario.api, UNSETTLED) == 0)
    driver = ReceiptDriver(scenario.environment, _Never())
    for number in range(12):
        driver.report_foreign(Random(number))
    _until(lambda: not _waiting(scenario.environment) and value(scenario.api, NOT_APPLIED) == 0)
    scenario.environment.note("receipts overdue", detail=END)
    execute(scenario.api, OVERDUE)
    _until(lambda: value(scenario.api, AWAITING) == 0)


class _Never:
    """Nothing is put off: the gateways run."""

    def schedule(self, seconds: float, action: Callable[[], None]) -> None:
        raise AssertionError("a gateway does not run")


def _restart_api(scenario: Scenario) -> None:
    """Kills the API while callbacks are being made."""
    scenario.environment.note("kill", "api")
    scenario.environment.api.kill()
    scenario.start_api()


def _waiting(environment: Environment) -> int:
    return sum(gateway.client.callback_summary().waiting for gateway in environment.gateways.values())


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    eventually(lambda: true() or time.monotonic() > deadline)

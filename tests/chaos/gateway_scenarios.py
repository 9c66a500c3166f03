"""Short scenarios with several gateways: look-ups, failover, and an account that is refused."""

from __future__ import annotations

import time

from tests.chaos.gateways import ASKED, REPORTING
from tests.chaos.scenario import Scenario
from tests.factories import set_path, value

GIVEN_TO = "SELECT gateway_id FROM path WHERE id = 1"
PATIENCE = 20.0
"""Seconds until a path is given to another gateway at most."""


def look_ups(scenario: Scenario) -> None:
    """Requests to a gateway that can be asked, their answers and look-ups are lost."""
    ids = scenario.environment.add_gateways()
    set_path(scenario.api, ids[ASKED.name])
    asked = scenario.environment.gateways[ASKED.name].client
    asked.faults(reset_before_accept=0.4, reset_after_accept=0.3, statuses={500: 0.1}, latency=0.05, seed=7)
    scenario.start(scenario.first, scenario.second)
    scenario.add_launched(40, 0.5)
    scenario.add_launched(20, 0.5, on_unknown="hold")
    time.sleep(3.0)
    asked.faults()


def failover(scenario: Scenario) -> None:
    """A gateway dies with requests in flight and messages due, comes back when others have got its messages, and gets
    messages again.
    """
    ids = scenario.environment.add_gateways()
    default = scenario.environment.gateways["default"]
    default.client.faults(latency=0.4)
    scenario.start(scenario.first, scenario.second)
    scenario.add_launched(240, 12.0)
    scenario.until_requests(12)
    default.kill()
    _until_given_to(scenario, ids[REPORTING.name])
    time.sleep(0.5)
    default.start()
    if _until_given_to(scenario, ids["default"]):
        time.sleep(0.3)
    scenario.environment.note("gateways in order")


def gateway_lost(scenario: Scenario) -> None:
    """A gateway is down for good before anything is sent: another one gets all of its messages."""
    scenario.environment.add_gateways()
    scenario.environment.gateways["default"].kill()
    scenario.start(scenario.first, scenario.second)
    scenario.add_launched(60, 1.0)


def account_refused(scenario: Scenario) -> None:
    """Each gateway refuses the account in its own words for a while, and none is left for a moment."""
    scenario.environment.add_gateways()
    gateways = [gateway.client for gateway in scenario.environment.gateways.values()]
    for gateway, answer in zip(gateways, ("no_credit", "wrong_credentials", "wrong_sender", "no_credit"), strict=True):
        gateway.faults(answers={answer: 0.5}, latency=0.05, seed=7)
    scenario.start(scenario.first, scenario.second)
    scenario.add_launched(40, 1.0)
    scenario.until_requests(20)
    for gateway in gateways:
        gateway.faults()


def _until_given_to(scenario: Scenario, gateway_id: int) -> bool:
    """Waits until the path is given to a gateway, for PATIENCE; returns whether it is."""
    deadline = time.monotonic() + PATIENCE
    while value(scenario.api, GIVEN_TO) != gateway_id:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True

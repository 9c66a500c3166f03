"""What there is to see after the start: a sample, when the database is empty, and a mailing on its way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests

from sandbox import outstanding, sample
from sandbox.api_client import ApiAway, ApiClient, ApiError
from sandbox.progress import has_ended, progress_line, summary
from sandbox.service import Service
from sandbox.terminal import Terminal

LOOK_INTERVAL = 0.25
"""Seconds between two looks at a mailing."""


def run_demo(service: Service, api: ApiClient, terminal: Terminal) -> None:
    """Shows a mailing on its way until it has ended: the sample's, or else the newest one."""
    try:
        mailing_id: int | None = None
        if not outstanding.is_empty(service.database_url):
            terminal.say("Going on with the data of before.")
            mailing_id = outstanding.newest_on_its_way(service.database_url)
        elif service.simulates_gateway:
            mailing_id = _add_sample(api, terminal)
        else:  # to a real gateway nothing is sent that nobody has asked for
            terminal.say("There are no clients and no mailings yet: add them in the console.")
        if mailing_id is not None:
            mailing = _follow(mailing_id, service, api, terminal)
            _sum_up(mailing, service, terminal)
    except ApiError as error:  # the mailing has been removed, the API is being restarted: no reason to stop
        terminal.say(str(error))


def _add_sample(api: ApiClient, terminal: Terminal) -> int:
    terminal.pass_by(f"Adding a sample of {sample.SIZE:,} clients through the API…")
    sample.add_clients(api)
    mailing_id = sample.add_mailing(api, datetime.now(UTC))
    terminal.tick(
        f"A sample to look at: {sample.SIZE:,} clients, and mailing {mailing_id} to all with the operator code "
        f"{sample.OPERATOR_CODE}"
    )
    return mailing_id


def _follow(mailing_id: int, service: Service, api: ApiClient, terminal: Terminal) -> dict[str, Any]:
    """Shows how far the mailing is; returns its last state, when it has ended."""
    while True:
        try:
            mailing: dict[str, Any] = api.get(f"/v1/mailing/{mailing_id}/")
        except ApiAway:
            terminal.pass_by("Waiting for the API…")
        else:
            if has_ended(mailing):
                return mailing
            terminal.pass_by(progress_line(mailing))
        service.supervise(LOOK_INTERVAL)


def _sum_up(mailing: dict[str, Any], service: Service, terminal: Terminal) -> None:
    """The last state of the mailing, by our ledger and by the other side's."""
    terminal.say(progress_line(mailing))
    terminal.say()
    terminal.say(f"Mailing {mailing['id']} is {mailing['status']}.")
    terminal.say(f"  ledger:  {summary(mailing)}")
    if service.simulates_gateway:
        try:
            counts = requests.get(f"{service.gateway_url}/_/summary", timeout=5).json()
        except (requests.RequestException, ValueError) as error:
            raise ApiError(f"The simulated gateway does not say what it got: {error}.") from error
        terminal.say(f"  gateway: {counts['accepted']:,} accepted, {counts['distinct']:,} distinct")

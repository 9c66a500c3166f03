"""What is shown after the start: sample data, if the database is empty, and the progress of a mailing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox import queries, sample_data
from sandbox import simulated_gateway_control as simulated
from sandbox.api_client import ApiClient, ApiError, ApiUnavailable
from sandbox.mailing_progress import delivery_line, has_ended, progress_line, summary
from sandbox.service import Service
from sandbox.terminal import Terminal

POLL_INTERVAL = 0.25
"""Seconds between two reads of the mailing."""


def run_demo(service: Service, api: ApiClient, terminal: Terminal) -> None:
    """Shows the progress of a mailing until it ends: the sample's, or else the newest active one."""
    try:
        mailing_id: int | None = None
        if not queries.is_empty(service.database_url):
            terminal.say("Continuing with the existing data.")
            mailing_id = queries.newest_active_mailing(service.database_url)
        elif service.simulates_gateway:
            mailing_id = _add_sample(api, terminal)
        else:  # a real gateway: nothing is sent without a request by a person
            terminal.say("There are no clients and no mailings yet: add them in the console.")
        if mailing_id is not None:
            mailing = follow(mailing_id, service, api, terminal)
            _print_summary(mailing, service, terminal)
    except ApiError as error:  # the mailing was removed, or the API is being restarted: keep running
        terminal.say(str(error))


def _add_sample(api: ApiClient, terminal: Terminal) -> int:
    terminal.status_line(f"Adding a sample of {sample_data.SIZE:,} clients through the API…")
    sample_data.add_clients(api)
    mailing_id = sample_data.add_mailing(api, datetime.now(UTC))
    terminal.done(
        f"A sample to look at: {sample_data.SIZE:,} clients, and mailing {mailing_id} to all with the operator code "
        f"{sample_data.OPERATOR_CODE}"
    )
    return mailing_id


def follow(
    mailing_id: int,
    service: Service,
    api: ApiClient,
    terminal: Terminal,
    notice: Callable[[dict[str, Any]], None] = lambda mailing: None,
) -> dict[str, Any]:
    """Shows the mailing's progress, and calls `notice` with each state; returns the final one."""
    while True:
        try:
            mailing: dict[str, Any] = api.get(f"/v1/mailing/{mailing_id}/")
        except ApiUnavailable:
            terminal.status_line("Waiting for the API…")
        else:
            if has_ended(mailing):
                return mailing
            notice(mailing)
            terminal.status_line(progress_line(mailing))
        service.supervise(POLL_INTERVAL)


def _print_summary(mailing: dict[str, Any], service: Service, terminal: Terminal) -> None:
    """Prints the final state of the mailing, by our ledger and by the gateway's."""
    print_end(mailing, terminal)
    if service.simulates_gateway:
        counts = simulated.summary(service.gateway_url)
        terminal.say(f"  gateway: {counts['accepted']:,} accepted, {counts['distinct']:,} distinct")


def print_end(mailing: dict[str, Any], terminal: Terminal) -> None:
    """Prints the final state of the mailing by our ledger."""
    terminal.say(progress_line(mailing))
    terminal.say()
    terminal.say(f"Mailing {mailing['id']} is {mailing['status']}.")
    terminal.say(f"  ledger:  {summary(mailing)}")
    if delivery := delivery_line(mailing):
        terminal.say(f"  receipts: {delivery}; others come as they arrive")

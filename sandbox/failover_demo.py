"""`make run GATEWAYS=demo`: a mailing over two simulated providers, of which the first stops answering for a while.

What exists already is left as it is: gateways (but for their addresses), the route, the clients, the mailing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox import queries, sample_data
from sandbox import simulated_gateway_control as simulated
from sandbox.api_client import ApiClient, ApiError
from sandbox.demo import follow, print_end
from sandbox.failover_accounts import DEMO_ACCOUNTS, RATE, RECEIPTS, DemoAccount
from sandbox.mailing_progress import has_ended
from sandbox.service import Service
from sandbox.terminal import Terminal
from shared.domain.statuses import MessageStatus

NAME = "failover-demo"
"""Of the route, and the tag of the clients."""

CLIENTS = 800
OPERATOR_CODE = "901"
"""Not the one of the sample, so that a mailing to those does not reach these."""

LATENCY = 0.3
"""Seconds for which a provider waits with its answers: some messages are in doubt when it stops answering."""

OUTAGE_AT = 0.1
"""The share of the messages that is sent before the outage. The rest takes longer than it, and the way back."""
OUTAGE_SECONDS = 15.0


def run_failover_demo(service: Service, api: ApiClient, terminal: Terminal) -> None:
    """Sets everything up, shows the progress of the mailing until it ends, and what each provider has taken."""
    try:
        mailing_id = set_up(api, service.demo_urls, service.database_url, terminal)
        _print_plan(mailing_id, service.demo_urls, terminal)
        if has_ended(api.get(f"/v1/mailing/{mailing_id}/")):
            terminal.say(f"It has ended. For another one, add a mailing with the mark and the route {NAME}.")
            return
        first = DEMO_ACCOUNTS[0].gateway
        mailing = follow(mailing_id, service, api, terminal, Outage(service.demo_urls[first]).watch)
        print_end(mailing, terminal)
        for gateway, url in service.demo_urls.items():
            terminal.say(f"  {gateway}: {simulated.summary(url)['accepted']:,} accepted")
    except ApiError as error:  # the mailing was removed, or the API is being restarted: keep running
        terminal.say(str(error))


def set_up(api: ApiClient, urls: Mapping[str, str], database_url: str, terminal: Terminal) -> int:
    """Adds what is missing, and returns the id of the mailing. `urls` are the providers' by the names of gateways."""
    for account in DEMO_ACCOUNTS:
        gateway_id = _put_gateway(api, account, urls[account.gateway])
        simulated.set_faults(urls[account.gateway], latency=LATENCY)
        # A provider that is not told with each message where to report has it in the settings of the account.
        address = api.get(f"/v1/gateway/{gateway_id}/callbacks/")["receipt_url"]
        simulated.set_receipts(
            urls[account.gateway], **RECEIPTS, addresses={account.provider: address} if address else {}
        )
    if not any(route["name"] == NAME for route in api.get("/v1/route/")):
        gateways = [{"gateway": account.gateway} for account in DEMO_ACCOUNTS]
        api.post("/v1/route/", {"name": NAME, "gateways": gateways, "prefixes": [], "operator_codes": []})
    if not queries.has_clients_tagged(database_url, NAME):
        terminal.status_line(f"Adding {CLIENTS:,} clients through the API…")
        api.post_lines("/v1/client/import/", demo_clients())
    mailing_id = queries.newest_mailing_to(database_url, NAME)
    if mailing_id is None:
        mailing = sample_data.sample_mailing(datetime.now(UTC)) | {"mark": NAME, "route": NAME}
        mailing_id = int(api.post("/v1/mailing/create/", mailing)["id"])
    return mailing_id


def demo_clients() -> Iterator[dict[str, Any]]:
    """The clients: phone numbers from +7 901 000-00-00 on."""
    for number in range(CLIENTS):
        yield {
            "phone_number": int(f"7{OPERATOR_CODE}{number:07}"),
            "operator_code": OPERATOR_CODE,
            "tag": NAME,
            "timezone": "Europe/Moscow",
        }


def _put_gateway(api: ApiClient, account: DemoAccount, url: str) -> int:
    """Adds a gateway, or changes its address if the simulated provider has another port now. Returns its id."""
    found = [gateway for gateway in api.get("/v1/gateway/?limit=1000") if gateway["name"] == account.gateway]
    if not found:
        fields = {"name": account.gateway, "provider": account.provider, "address": url, "sender": "Gonets"}
        added = api.post("/v1/gateway/", {**fields, "credentials": account.credentials, "rate": RATE, "receipts": True})
        return int(added["id"])
    gateway_id = int(found[0]["id"])
    if found[0]["address"] != url:
        change = {"address": url, "credentials": account.credentials, "same_account": True}
        api.put(f"/v1/gateway/{gateway_id}/", change)
    return gateway_id


def _print_plan(mailing_id: int, urls: Mapping[str, str], terminal: Terminal) -> None:
    (first, first_url), (second, second_url) = urls.items()
    terminal.say(f"Two simulated providers: {first} on {first_url} and {second} on {second_url}")
    terminal.say(f"Mailing {mailing_id} goes through {first}, or through {second} while {first} is down")
    terminal.say(
        f"{first} goes down for {OUTAGE_SECONDS:.0f} s after {OUTAGE_AT:.0%} of the messages: see the dashboard"
    )


class Outage:
    """The outage of a simulated provider, once, in the course of a mailing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._started = False

    def watch(self, mailing: Mapping[str, Any]) -> None:
        """Starts it once enough messages are sent. Raises ApiError when the provider does not respond."""
        sent = mailing["messages"].get(MessageStatus.SENT, 0)
        if not self._started and mailing["audience"] and sent >= OUTAGE_AT * mailing["audience"]:
            self._started = True
            simulated.set_faults(self._url, latency=LATENCY, down_for=OUTAGE_SECONDS)

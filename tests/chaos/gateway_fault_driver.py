"""The faults of gateways in a run, and what people do to gateways meanwhile: they are paused, resumed and edited."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from random import Random
from typing import Any

from shared.gateways.base import DEFAULT_GATEWAY
from tests.chaos.api_users import ApiUsers
from tests.chaos.environment import Environment
from tests.chaos.facts import Call
from tests.chaos.fault_driver import Scheduler
from tests.chaos.gateways import ACCOUNTS, TOKEN, SimulatedGateway

SECOND_TOKEN = "another"
FAULTS: tuple[dict[str, Any], ...] = (
    {"statuses": {500: 0.2, 502: 0.1}},
    {"statuses": {429: 0.2, 503: 0.1}, "retry_after": "1"},
    {"statuses": {429: 0.1, 503: 0.1}},
    {"statuses": {400: 0.05, 422: 0.05, 408: 0.1, 425: 0.1}},
    {"statuses": {302: 0.01, 403: 0.01, 404: 0.01, 405: 0.01}},
    {"bodies": {"garbage": 0.15, "empty": 0.15, "refused": 0.15}},
    {"reset_before_accept": 0.2, "reset_after_accept": 0.2},
    {"error_after_accept": 0.3},
    {"trickle": 0.1, "oversize": 0.02},
    {"hang": 0.2},
    {"reset_after_accept": 0.05, "error_after_accept": 0.05, "hang": 0.05, "bodies": {"garbage": 0.05}},
)
REFUSALS = {"statuses": {400: 0.03}}
"""Part of all faults without statuses of their own, so that there is always something to retry."""
ACCOUNT_TROUBLE: tuple[dict[str, Any], ...] = (
    {"answers": {"no_credit": 1.0}},
    {"answers": {"no_credit": 0.5}},
    {"answers": {"wrong_sender": 1.0}},
    {"answers": {"wrong_credentials": 1.0}},
)
LATENCIES = (0.0, [0.0, 0.1], [0.05, 0.4], [0.3, 0.8], [0.1, 1.2])
BY_NAME = {account.name: account for account in ACCOUNTS}


class GatewayFaults:
    """The faults of one gateway, which outlast its death."""

    def __init__(self, gateway: SimulatedGateway, delayed: Scheduler) -> None:
        self.gateway = gateway
        self._delayed = delayed
        self.plan: dict[str, Any] = {}
        self.token = TOKEN

    def apply(self, patience: float = 0.0, **more: object) -> None:
        """Sets the faults, later if the gateway is down: within `patience` seconds here, or in the background."""
        token = {} if self.token == TOKEN else {"token": self.token}
        deadline = time.monotonic() + patience
        while True:
            try:
                return self.gateway.client.faults(**self.plan, **token, **more)
            except OSError:  # it is down just now
                if time.monotonic() > deadline:
                    return self._delayed.schedule(0.3, self.apply)
                time.sleep(0.1)


class GatewayFaultDriver:
    """Injects faults into the gateways of an environment, one at a time, and edits their accounts through the API."""

    def __init__(self, environment: Environment, delayed: Scheduler, users: ApiUsers, ids: Mapping[str, int]) -> None:
        """`ids` of the gateways, by name."""
        self._environment = environment
        self._delayed = delayed
        self._users = users
        self._ids = ids
        self._faults = [GatewayFaults(gateway, delayed) for gateway in environment.gateways.values()]

    def actions(self) -> list[tuple[float, Callable[[Random], None]]]:
        """What may happen, and its weight."""
        return [
            (9, self.misbehave),
            (7, self.behave),
            (1.5, self.outage),
            (1, self.kill),
            (1, self.change_token),
            (1, self.refuse_account),
            (1, self.pause),
            (1, self.edit),
        ]

    def end(self) -> None:
        """Ends every fault. The API must run, so that every account is as it was."""
        self._environment.write_token(TOKEN)
        for faults in self._faults:
            if not faults.gateway.runs:
                faults.gateway.start()
            faults.plan, faults.token = {}, TOKEN
            faults.apply(patience=30.0)
            self._give_token(faults, patience=30.0)
            self._act(faults.gateway.name, "resume", patience=30.0)

    def misbehave(self, random: Random) -> None:
        """A gateway gets other faults and another latency."""
        faults = random.choice(self._faults)
        plan = random.choice(FAULTS)
        faults.plan = {**REFUSALS, **plan, "latency": random.choice(LATENCIES), "seed": random.randrange(2**32)}
        self._note("faults", faults, str(faults.plan))
        faults.apply()

    def behave(self, random: Random) -> None:
        """A gateway has no faults for a while; it only refuses some messages."""
        faults = random.choice(self._faults)
        faults.plan = {**REFUSALS, "latency": random.choice(LATENCIES)}
        faults.apply()

    def outage(self, random: Random) -> None:
        """A gateway is down: connections are closed and refused."""
        faults, seconds = random.choice(self._faults), random.uniform(0.5, 4.0)
        self._note("outage", faults, f"{seconds:.1f} s")
        faults.apply(down_for=seconds)

    def kill(self, random: Random) -> None:
        """SIGKILL for a gateway, and another one, some seconds later, with the same ledger."""
        faults = random.choice(self._faults)
        if faults.gateway.runs:
            self._note("kill", faults)
            faults.gateway.kill()
            self._delayed.schedule(random.choice((random.uniform(0.1, 4.0), 12.0)), lambda: self._start(faults))

    def change_token(self, random: Random) -> None:
        """A gateway wants another token, which the workers are given a little later."""
        faults = random.choice(self._faults)
        faults.token = SECOND_TOKEN if faults.token == TOKEN else TOKEN
        self._note("token", faults)
        faults.apply()
        self._delayed.schedule(random.uniform(0.2, 2.5), lambda: self._give_token(faults))

    def refuse_account(self, random: Random) -> None:
        """A gateway refuses the account for a while: no credit, the sender, the credentials."""
        faults = random.choice(self._faults)
        faults.plan = {**random.choice(ACCOUNT_TROUBLE), "latency": random.choice(LATENCIES)}
        self._note("account", faults, str(faults.plan))
        faults.apply()
        self._delayed.schedule(random.uniform(0.5, 6.0), lambda: self._accept_account(faults))

    def pause(self, random: Random) -> None:
        """A gateway is paused, and resumed a little later."""
        name = random.choice(self._faults).gateway.name
        self._environment.note("gateway paused", name)
        self._act(name, "pause")
        self._delayed.schedule(random.uniform(0.5, 5.0), lambda: self._act(name, "resume"))

    def edit(self, random: Random) -> None:
        """The concurrency of a gateway is changed, so that all workers open it anew."""
        name = random.choice(ACCOUNTS).name
        self._environment.note("gateway edited", name)
        self._users.call("PUT", f"/v1/gateway/{self._ids[name]}/", {"concurrency": random.randint(2, 8)})

    def _start(self, faults: GatewayFaults) -> None:
        if not faults.gateway.runs:
            self._note("start", faults)
            faults.gateway.start()
            faults.apply()

    def _accept_account(self, faults: GatewayFaults) -> None:
        if "answers" in faults.plan:
            faults.plan = {}
            faults.apply()

    def _give_token(self, faults: GatewayFaults, patience: float = 0.0) -> None:
        name, token = faults.gateway.name, faults.token
        if name == DEFAULT_GATEWAY:
            self._environment.write_token(token)
            return
        change = {"credentials": BY_NAME[name].credentials(token)}
        self._until_answered(lambda: self._users.call("PUT", f"/v1/gateway/{self._ids[name]}/", change), patience)

    def _act(self, name: str, action: str, patience: float = 0.0) -> None:
        path = f"/v1/gateway/{self._ids[name]}/{action}/"
        self._until_answered(lambda: self._users.call("POST", path), patience)

    def _until_answered(self, call: Callable[[], Future[Call]], patience: float) -> None:
        """Makes a call, again and again for `patience` seconds while the API does not answer it; without any, once."""
        deadline = time.monotonic() + patience
        called = call()
        while patience and (called.result().status or 500) >= 500 and time.monotonic() < deadline:
            time.sleep(0.2)
            called = call()

    def _note(self, what: str, faults: GatewayFaults, detail: str = "") -> None:
        self._environment.note(what, f"gateway {faults.gateway.name}", detail)

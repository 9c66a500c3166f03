"""`make run GATEWAYS=demo` from the beginning of its mailing to the end: two minutes, most of which are waiting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.failover_accounts import DEMO_ACCOUNTS
from sandbox.failover_demo import CLIENTS
from sandbox.simulated_gateway_control import summary
from tests.acceptance.sandbox_launcher import launching, until


@pytest.mark.long
def test_each_message_goes_through_one_provider_and_the_load_returns(tmp_path: Path) -> None:
    with launching(tmp_path) as launch:
        first = launch(GATEWAYS="demo")
        first.wait_for("goes down for")
        urls = dict(re.findall(r"(\S+-demo) on (http://\S+)", first.said()))
        assert list(urls) == [account.gateway for account in DEMO_ACCOUNTS]
        until(lambda: first.get("/v1/mailing/1/")["messages"]["sent"] > CLIENTS / 2)
        until(lambda: first.get("/v1/mailing/1/")["status"] == "finished")
        taken = [summary(url) for url in urls.values()]
        assert sum(counts["distinct"] for counts in taken) == CLIENTS
        assert [counts["repeats"] for counts in taken] == [0, 0]
        assert min(counts["accepted"] for counts in taken) > CLIENTS / 10
        assert first.get("/v1/mailing/1/")["messages"]["sent"] == CLIENTS
        first.wait_for(f"{DEMO_ACCOUNTS[1].gateway}: ")
        log = (first.data / "logs" / "worker-1.log").read_text()
        assert re.search(r"gateway\.unavailable.*infobip-demo.*gateway\.available.*infobip-demo", log, re.DOTALL)
        assert first.stop() == 0
        again = launch(GATEWAYS="demo")
        again.wait_for("It has ended.")
        assert len(again.get("/v1/mailing/")) == 1
        assert again.stop() == 0

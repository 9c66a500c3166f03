"""What `make run GATEWAYS=demo` sets up, and the outage of the first provider."""

from io import StringIO

from cryptography.fernet import Fernet

from sandbox.api_client import ApiClient
from sandbox.failover_accounts import DEMO_ACCOUNTS, DEMO_TOKEN
from sandbox.failover_demo import CLIENTS, NAME, OUTAGE_AT, Outage, demo_clients, set_up
from sandbox.sample_data import sample_clients
from sandbox.simulated_gateway.client import SandboxGateway
from sandbox.terminal import Terminal
from tests.integration.api.calls import API_KEY
from tests.integration.api.running_server import served
from tests.integration.gateway_requests import refused
from tests.integration.sandbox.requests_by_hand import TOKEN


def mailing(sent: int) -> dict[str, object]:
    return {"audience": CLIENTS, "messages": {"sent": sent, "pending": CLIENTS - sent}}


def test_the_clients_are_others_than_those_of_the_sample() -> None:
    numbers = {client["phone_number"] for client in demo_clients()}
    assert len(numbers) == CLIENTS
    assert not numbers & {client["phone_number"] for client in sample_clients()}
    assert all(client["operator_code"] in str(client["phone_number"]) for client in demo_clients())


def test_the_provider_goes_down_once_enough_is_sent() -> None:
    with SandboxGateway.start(token=TOKEN) as gateway:
        outage = Outage(gateway.url)
        outage.watch({"audience": 0, "messages": {}})
        outage.watch(mailing(int(CLIENTS * OUTAGE_AT) - 1))
        assert not refused(gateway.port)
        outage.watch(mailing(int(CLIENTS * OUTAGE_AT)))
        assert refused(gateway.port)
        outage.watch(mailing(CLIENTS))  # once: a second request would fail


def test_what_is_there_is_not_added_again(clean_database: str) -> None:
    key = Fernet.generate_key().decode()
    names = [account.gateway for account in DEMO_ACCOUNTS]
    with (
        SandboxGateway.start(token=DEMO_TOKEN) as first,
        SandboxGateway.start(token=DEMO_TOKEN) as second,
        served(clean_database, API_WORKERS="1", CREDENTIALS_KEY=key, GATEWAY_ALLOWED_NETWORKS="127.0.0.0/8") as running,
        ApiClient(f"http://127.0.0.1:{running.port}", API_KEY) as api,
    ):
        before = dict(zip(names, (first.url, second.url), strict=True))
        after = dict(zip(names, (second.url, first.url), strict=True))  # other ports at the next start
        mailing_ids = [set_up(api, urls, clean_database, Terminal(StringIO())) for urls in (before, after)]
        gateways = {gateway["name"]: gateway for gateway in api.get("/v1/gateway/")}
        routes = [route for route in api.get("/v1/route/") if route["name"] == NAME]
        [mailing] = api.get("/v1/mailing/")
        clients = api.get("/v1/client/?limit=1000")
    assert {name: gateways[name]["address"] for name in names} == after
    assert all(gateways[name]["receipts"] for name in names)
    assert [[listed["gateway"] for listed in route["gateways"]] for route in routes] == [names]
    assert (mailing["mark"], mailing["route"], [mailing["id"]] * 2) == (NAME, NAME, mailing_ids)
    assert len(clients) == CLIENTS

"""A Jasmin with RabbitMQ, Redis and an SMSC behind it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.gateways.programs import EPMD, PYTHON, RABBITMQ, REDIS, running
from tests.gateways.smpp_peer import SmppPeer
from tests.ports import HOST, free_ports
from tests.required_tools import need
from tests.waiting import PATIENCE, eventually

MISSING = "there is no Jasmin here (make gateways installs it)"

PASSWORD = "s3 cret&"
USERS = {
    "gonets": (),
    "slow": ("mt_messaging_cred quota http_throughput 0.01",),
    "poor": ("mt_messaging_cred quota balance 1",),
    "nameless": ("mt_messaging_cred authorization src_addr no",),
    "nowhere": ("mt_messaging_cred valuefilter dst_addr ^8.*",),
}
"""The users, with what is set for each."""

CALLBACK_SERVICES = ("--enable-dlr-thrower",)
"""What calls us with receipts, in the same process and not in a daemon of its own. What finds the message of a receipt
has to be one: `--enable-dlr-lookup` starts nothing in 0.11."""

CONFIGURATION = """
[smpp-server]
bind = {host}
port = {smpp}
[smpp-server-pb]
bind = {host}
port = {smpp_pb}
[client-management]
bind = {host}
port = {clients}
store_path = {folder}
[router]
bind = {host}
port = {router}
store_path = {folder}
[http-api]
bind = {host}
port = {http}
[jcli]
bind = {host}
port = {jcli}
authentication = False
[amqp-broker]
host = {host}
port = {amqp}
spec = {spec}
[redis-client]
host = {host}
port = {redis}
"""


class Jasmin:
    """A running Jasmin."""

    def __init__(self, url: str, peer: SmppPeer) -> None:
        self.url = url
        """Of its HTTP API."""
        self.peer = peer


@contextlib.contextmanager
def running_jasmin(folder: Path, inbound_url: str) -> Iterator[Jasmin]:
    """Starts one whose users may send to numbers that begin with 7, and which forwards what handsets send. Skips the
    test without it."""
    rabbitmq, epmd, redis_server = need(RABBITMQ), need(EPMD), need(REDIS)
    if not PYTHON.exists():
        pytest.skip(MISSING)
    names = ("smpp", "smpp_pb", "clients", "router", "http", "jcli", "amqp", "redis", "epmd", "erlang")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    spec = _packages() / "txamqp" / "specs" / "standard" / "amqp0-9-1.stripped.xml"
    configuration = folder / "jasmin.cfg"
    configuration.write_text(CONFIGURATION.format(host=HOST, folder=folder, spec=spec, **ports))
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(SmppPeer())
        erlang = _erlang_environment(folder, ports)
        stack.enter_context(running([epmd, "-address", HOST], folder / "epmd.log", ports["epmd"], erlang))
        redis = [redis_server, "--port", str(ports["redis"]), "--bind", HOST, "--save", "", "--dir", str(folder)]
        stack.enter_context(running(redis, folder / "redis.log", ports["redis"]))
        stack.enter_context(running([rabbitmq], folder / "rabbitmq.log", ports["amqp"], erlang))
        jasmind = [str(PYTHON), str(PYTHON.with_name("jasmind.py")), "-c", str(configuration), *CALLBACK_SERVICES]
        own = {"LOG_PATH": str(folder), "ROOT_PATH": str(folder), "CONFIG_PATH": str(folder)}
        stack.enter_context(running(jasmind, folder / "jasmind.log", ports["jcli"], own))
        dlrlookupd = [str(PYTHON), str(PYTHON.with_name("dlrlookupd.py")), "-c", str(configuration), "-i", "tests"]
        stack.enter_context(running(dlrlookupd, folder / "dlrlookupd.log", None, own))
        lookups = folder / "dlrlookupd-messages.log"
        eventually(lambda: lookups.exists() and "is ready" in lookups.read_text())
        _configure(ports["jcli"], peer.port, inbound_url)
        eventually(lambda: peer.binds)
        yield Jasmin(f"http://{HOST}:{ports['http']}", peer)


def _packages() -> Path:
    """The packages of the interpreter that has Jasmin, whose wheel lacks the specification of AMQP."""
    variables = {"base": str(PYTHON.parent.parent), "platbase": str(PYTHON.parent.parent)}
    return Path(sysconfig.get_path("purelib", vars=variables))


def _erlang_environment(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    return {
        "HOME": str(folder),  # has the cookie
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": f"gonets{os.getpid()}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(ports["amqp"]),
        "RABBITMQ_DIST_PORT": str(ports["erlang"]),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
    }


def _configure(jcli_port: int, smsc_port: int, inbound_url: str) -> None:
    with socket.create_connection((HOST, jcli_port), timeout=PATIENCE) as jcli:
        _read_until(jcli, rb"Session ref: \d+\s+$")
        _enter(jcli, "group -a", "gid all")
        for name, settings in USERS.items():
            _enter(jcli, "user -a", f"username {name}", f"password {PASSWORD}", "gid all", f"uid {name}", *settings)
        _enter(jcli, "filter -a", "type DestinationAddrFilter", "fid seven", "destination_addr ^7.*")
        _enter(jcli, "filter -a", "type UserFilter", "fid poor", "uid poor")
        bind = ("username peer", "password peer", "bind transceiver", "submit_throughput 100")
        _enter(jcli, "smppccm -a", "cid smsc", f"host {HOST}", f"port {smsc_port}", *bind)
        for order, fid, rate in ((20, "poor", "5.00"), (10, "seven", "0.00")):
            route = ("type StaticMTRoute", f"order {order}", f"filters {fid}", "connector smppc(smsc)", f"rate {rate}")
            _enter(jcli, "mtrouter -a", *route)
        _enter(jcli, "httpccm -a", "cid gonets", f"url {inbound_url}", "method POST")
        _enter(jcli, "morouter -a", "type DefaultRoute", "connector http(gonets)")
        _ask(jcli, "smppccm -1 smsc")


def _enter(jcli: socket.socket, command: str, *lines: str) -> None:
    """Adds something: a command, its lines, and `ok`."""
    said = [_ask(jcli, line) for line in (command, *lines, "ok")]
    assert "Successfully added" in said[-1], _transcript((command, *lines, "ok"), said)


def _transcript(lines: Sequence[str], said: Sequence[str]) -> str:
    return "\n".join(f"{line}: {answer}" for line, answer in zip(lines, said, strict=True))


def _ask(jcli: socket.socket, line: str) -> str:
    jcli.sendall(line.encode() + b"\r\n")
    return _read_until(jcli, rb"(jcli :|>) $")


def _read_until(jcli: socket.socket, end: bytes) -> str:
    said = b""
    while not re.search(end, said):
        received = jcli.recv(65536)
        assert received, said
        said += received
    return said.decode(errors="replace")

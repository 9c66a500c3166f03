"""A Kannel: bearerbox, smsbox, a fakesmsc that prints what it gets, and an SMSC that reports on what it gets."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tests.gateways.programs import BEARERBOX, FAKESMSC, SMSBOX, end, listens, running
from tests.gateways.smpp_peer import SmppPeer
from tests.ports import HOST, free_ports
from tests.required_tools import need
from tests.waiting import eventually

USERNAME, PASSWORD = "gonets", "s3 cret&"
MAX_MESSAGES = 10
QUEUE_LIMIT = 2
PREFIX_OF_SMPP = "7888"
"""Messages to these numbers go to the SMSC that reports on them."""

GOT = re.compile(rb"Got message \d+: <(?P<sender>\S+) (?P<to>\S+) (?P<kind>\S+) (?P<rest>.*?)>$", re.MULTILINE)
CONFIGURATION = f"""
group = core
admin-port = {{admin}}
admin-password = unused
admin-allow-ip = {HOST}
admin-interface = {HOST}
smsbox-port = {{smsbox}}
smsbox-interface = {HOST}
box-allow-ip = {HOST}
sms-outgoing-queue-limit = {QUEUE_LIMIT}

group = smsc
smsc = fake
smsc-id = FAKE
port = {{smsc}}
connect-allow-ip = {HOST}
allowed-prefix = 7

group = smsc
smsc = smpp
smsc-id = SMPP
host = {HOST}
port = {{smpp}}
smsc-username = peer
smsc-password = peer
system-type = ""
transceiver-mode = true
allowed-prefix = {PREFIX_OF_SMPP}
preferred-prefix = {PREFIX_OF_SMPP}

group = smsbox
bearerbox-host = {HOST}
sendsms-port = {{http}}
sendsms-interface = {HOST}

group = sendsms-user
username = {USERNAME}
password = "{PASSWORD}"
concatenation = true
max-messages = {MAX_MESSAGES}
black-list-regex = ^{{denied}}$

group = sendsms-user
username = short
password = "{PASSWORD}"

group = sms-service
keyword = default
catch-all = true
concatenation = true
max-messages = 0
get-url = "{{inbound_url}}?from=%p&to=%P&text=%b&charset=%C&coding=%c&udh=%u&time=%T&id=%I"
"""


class Segment(NamedTuple):
    """A message as fakesmsc got it."""

    to: str
    header: bytes
    """The user data header of a segment of a longer text; empty for a text of one segment."""
    content: bytes


class Kannel:
    """A running Kannel."""

    def __init__(self, url: str, log: Path, fakesmsc: subprocess.Popen[bytes], peer: SmppPeer) -> None:
        self.url = url
        """Of its smsbox."""
        self.peer = peer
        self._log = log
        self._fakesmsc = fakesmsc

    def segments(self) -> list[Segment]:
        """What fakesmsc has got so far, in order."""
        return [_segment(match) for match in GOT.finditer(self._log.read_bytes())]

    def disconnect(self) -> None:
        """Ends fakesmsc: Kannel has no SMSC any more."""
        end(self._fakesmsc)


def _segment(match: re.Match[bytes]) -> Segment:
    kind, rest = match["kind"], match["rest"]
    if kind == b"text":
        return Segment(match["to"].decode(), b"", rest)
    header, _, data = rest.partition(b" data ") if kind == b"udh" else (b"", b"", rest)
    return Segment(match["to"].decode(), unquote_to_bytes(header), unquote_to_bytes(data.replace(b"+", b" ")))


@contextlib.contextmanager
def running_kannel(folder: Path, denied: int, inbound_url: str = "http://127.0.0.1:9/none") -> Iterator[Kannel]:
    """Starts one that sends to numbers that begin with 7, but not to `denied`, and which forwards what handsets send.
    Skips the test without it."""
    bearerbox, smsbox, fakesmsc = need(BEARERBOX), need(SMSBOX), need(FAKESMSC)
    admin, boxes, smsc, http = free_ports(4)
    configuration = folder / "kannel.conf"
    log = folder / "fakesmsc.log"
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(SmppPeer())
        ports = {"admin": admin, "smsbox": boxes, "smsc": smsc, "http": http, "smpp": peer.port}
        # A percent sign starts something to fill in.
        escaped = inbound_url.replace("%", "%%")
        configuration.write_text(CONFIGURATION.format(**ports, denied=denied, inbound_url=escaped))
        stack.enter_context(running([bearerbox, str(configuration)], folder / "bearerbox.log", boxes))
        eventually(lambda: listens(smsc))
        # It needs a message to send, and sends none of them.
        command = [fakesmsc, "-H", HOST, "-r", str(smsc), "-i", "0.01", "-m", "0", "1 2 text none"]
        process = stack.enter_context(running(command, log))
        stack.enter_context(running([smsbox, str(configuration)], folder / "smsbox.log", http))
        eventually(lambda: peer.binds)
        yield Kannel(f"http://{HOST}:{http}", log, process, peer)

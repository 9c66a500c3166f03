"""The simulated gateway: accepts messages, keeps a ledger of requests, and injects faults on request.

    python -m sandbox.simulated_gateway [--host 127.0.0.1] [--port 8081] [--token TOKEN]

SANDBOX_GATEWAY_HOST, SANDBOX_GATEWAY_PORT and GATEWAY_TOKEN set the same. Port 0 means any free port.
It needs only the standard library and, of this project, its own folder.

It implements several contracts at once, each at its own paths; contracts/ has a module for each:

    /send/{msgId}                       Gonets' own (docs/gateway.md)
    /2010-04-01/Accounts/{AccountSid}/  Twilio
    /sms/                               Infobip
    /sys/                               SMSC.ru
    /cgi-bin/sendsms                    Kannel

The token is the password or the key of every account, and `sandbox` the user name where the contract has one. The
faults are the same under each contract, in its own words. control.py reads the records and sets the faults.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from sandbox.simulated_gateway.gateway import Gateway
from sandbox.simulated_gateway.listener import Listener


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the gateway until SIGTERM or SIGINT (exit 0); exits with 2 when it cannot start."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))  # nothing to save
    options = _options(arguments)
    listener = Listener(Gateway(options.token), options.host, options.port)
    try:
        asyncio.run(listener.listen(lambda url: print(f"gateway listening on {url}", flush=True)))
    except OSError as error:
        reason = error.strerror or error
        print(f"The gateway cannot listen on {options.host}:{options.port}: {reason}.", file=sys.stderr)
        sys.exit(2)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.simulated_gateway", description="The simulated gateway.")
    parser.add_argument("--host", default=os.environ.get("SANDBOX_GATEWAY_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=_port, default=os.environ.get("SANDBOX_GATEWAY_PORT", "8081"))
    parser.add_argument("--token", default=os.environ.get("GATEWAY_TOKEN"))
    options = parser.parse_args(arguments)
    if not options.token:
        parser.error("set the token with --token or GATEWAY_TOKEN.")
    return options


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main()

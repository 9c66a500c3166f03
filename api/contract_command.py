"""The command `flask --app api check-contract`, for the contracts of gateways of the provider `http`."""

from __future__ import annotations

from typing import BinaryIO

import click

from shared.errors import ConfigurationError
from shared.gateways.declared.contract_file import read_contract


@click.command("check-contract")
@click.argument("file", type=click.File("rb"))
def check_contract(file: BinaryIO) -> None:
    """Checks a contract before it is entered for a gateway.

    Prints ok, or a line for each mistake and exits with 1. Calls no provider and needs no database.
    """
    try:
        read_contract(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        click.echo("contract: must be text in UTF-8")
    except ConfigurationError as mistakes:
        click.echo(str(mistakes))
    else:
        click.echo("ok")
        return
    raise SystemExit(1)

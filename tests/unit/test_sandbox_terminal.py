"""What the launcher writes: rewritten in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os

import pytest

from sandbox.terminal import Terminal


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> FakeTerminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    return FakeTerminal()


def test_on_a_terminal_a_status_line_is_replaced_by_the_next(screen: FakeTerminal) -> None:
    terminal = Terminal(screen)
    terminal.status_line("1 of 2")
    terminal.status_line("2 of 2")
    terminal.say("done")
    terminal.say("more")
    assert screen.getvalue() == "\r\x1b[2K1 of 2\r\x1b[2K2 of 2\r\x1b[2Kdone\nmore\n"


def test_a_status_line_never_wraps(screen: FakeTerminal) -> None:
    Terminal(screen).status_line("x" * 100)
    assert screen.getvalue() == "\r\x1b[2K" + "x" * 39


def test_a_terminal_gets_a_green_tick(screen: FakeTerminal) -> None:
    Terminal(screen).done("done")
    assert screen.getvalue() == "\x1b[32m✓\x1b[0m done\n"


def test_no_color_is_respected(screen: FakeTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    Terminal(screen).done("done")
    assert screen.getvalue() == "done\n"


def test_elsewhere_there_are_plain_lines_and_at_most_one_status_line_a_second() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    for number in range(100):
        terminal.status_line(f"{number} of 100")
    terminal.done("done")
    assert stream.getvalue() == "0 of 100\ndone\n"


def test_what_the_encoding_can_not_say_is_replaced() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Terminal(stream).say("██ done")
    stream.seek(0)
    assert stream.read() == "?? done\n"


def test_a_closed_output_does_not_stop_it() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        terminal = Terminal(stream)
        terminal.say("to nobody")
        terminal.say("to nobody")

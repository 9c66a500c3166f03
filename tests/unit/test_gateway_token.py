"""Where the token comes from, and that it shows itself nowhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from worker.gateway_token import Token


def test_a_token_is_given() -> None:
    assert Token("abc.def-123").value == "abc.def-123"


def test_a_token_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc.def\n")

    assert Token(file=file).value == "abc.def"
    assert Token("", str(file)).value == "abc.def"


@pytest.mark.parametrize("around", ["{}\n", "  {} ", "\r\n{}\r\n", "\t{}", "\ufeff{}\n"])
def test_white_space_around_the_token_is_dropped(around: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(around.format("abc"), encoding="utf-8")

    assert Token(file=file).value == "abc"


@pytest.mark.parametrize("value", ["a", "eyJhbGciOiJI.eyJleHAi.SflKx-_", "a+b/c==", "!~#$%&'*|{}[]:;\"", "x" * 4096])
def test_any_visible_ascii_is_a_token(value: str) -> None:
    assert Token(value).value == value


BAD = ["se cret", "sec\r\nret", "se\tcret", "sec\x00ret", "sec\x7fret", "секret", "sec\u2028ret", "Bearer secret"]


@pytest.mark.parametrize("value", BAD)
def test_what_cannot_be_a_token_is_refused_without_being_shown(value: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(value, encoding="utf-8")

    with pytest.raises(ConfigurationError, match="GATEWAY_TOKEN: the token must be ASCII") as given:
        Token(value)
    with pytest.raises(ConfigurationError, match="GATEWAY_TOKEN_FILE: the token must be ASCII") as read:
        Token(file=file)

    assert "ret" not in f"{given.value} {read.value}"


def test_white_space_is_no_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" \n")

    with pytest.raises(ConfigurationError, match="GATEWAY_TOKEN: the token is empty"):
        Token(" ")
    with pytest.raises(ConfigurationError, match="GATEWAY_TOKEN_FILE: the token is empty"):
        Token(file=file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*nowhere: No such file"):
        Token(file=tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"cannot read .*: Is a directory"):
        Token(file=tmp_path)


def test_a_file_that_is_not_text_is_refused_without_being_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"secret\xff")

    with pytest.raises(ConfigurationError, match="is not text") as refused:
        Token(file=file)
    assert "secret" not in "".join(traceback.format_exception(refused.value))


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both set"):
        Token("abc", tmp_path / "token")


def test_a_token_does_not_show_itself() -> None:
    token = Token("s3cret")

    assert "s3cret" not in f"{token} {token!r} {[token]}"


def test_refresh_takes_what_the_file_holds_now(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    token = Token(file=file)
    assert not token.refresh()

    file.write_text("new\n")

    assert token.refresh()
    assert token.value == "new"
    assert not token.refresh()


@pytest.mark.parametrize("content", [None, b"", b" \n", b"half written\nand", b"\xff\xfe"])
def test_refresh_keeps_the_token_while_the_file_holds_none(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    token = Token(file=file)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)

    assert not token.refresh()
    assert token.value == "old"


def test_refresh_has_nothing_new_without_a_file() -> None:
    token = Token("abc")

    assert not token.refresh()
    assert token.value == "abc"


ASK = "from worker.gateway_token import Token; print('got', Token('').value == 's3cret')"


def test_a_token_is_asked_for_at_a_terminal_without_echo() -> None:
    terminal, stdin = pty.openpty()
    # A session of its own: /dev/tty would be the terminal of whoever runs the tests.
    with subprocess.Popen(
        [sys.executable, "-c", ASK],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as asking:
        assert asking.stderr is not None
        assert asking.stdout is not None
        prompt = asking.stderr.read(len("Token of the gateway: "))
        os.write(terminal, b"s3cret\n")
        assert asking.wait(30) == 0
        said = prompt + asking.stderr.read() + asking.stdout.read()
    os.set_blocking(terminal, False)
    with pytest.raises(BlockingIOError):  # what the terminal echoed
        os.read(terminal, 1)
    os.close(stdin)
    os.close(terminal)

    assert "Token of the gateway: " in said
    assert "got True" in said
    assert "s3cret" not in said


def test_without_a_terminal_the_error_says_what_to_set() -> None:
    asking = subprocess.run(
        [sys.executable, "-c", ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )

    assert asking.returncode == 1
    assert "ConfigurationError" in asking.stderr
    assert "set GATEWAY_TOKEN or GATEWAY_TOKEN_FILE" in asking.stderr

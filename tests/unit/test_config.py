"""How settings are read: every variable that is wrong is named, in one error."""

from __future__ import annotations

import pytest

from shared.config import between, environment, one_of
from shared.errors import ConfigurationError

Variables = pytest.MonkeyPatch


def test_what_is_set_is_read_and_the_rest_has_its_default(monkeypatch: Variables) -> None:
    monkeypatch.setenv("GONETS_PORT", "8001")
    with environment() as env:
        read = env.int("GONETS_PORT", 8000), env.str("GONETS_NOT_SET", "default")

    assert read == (8001, "default")


def test_all_variables_that_are_wrong_are_named_in_one_error(monkeypatch: Variables) -> None:
    monkeypatch.setenv("GONETS_PORT", "eighty")
    monkeypatch.setenv("GONETS_LEVEL", "LOUD")

    def read() -> None:
        with environment() as env:
            env.int("GONETS_PORT", 8000)
            env.str("GONETS_LEVEL", "INFO", validate=one_of("INFO", "ERROR"))
            env.str("GONETS_REQUIRED")
            env.str("GONETS_FINE", "fine")

    with pytest.raises(ConfigurationError) as raised:
        read()

    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["GONETS_PORT", "GONETS_LEVEL", "GONETS_REQUIRED"]
    assert "GONETS_LEVEL: must be one of INFO, ERROR." in lines


@pytest.mark.parametrize("value", ["1", "65535"])
def test_a_range_has_its_ends_in_it(value: str, monkeypatch: Variables) -> None:
    monkeypatch.setenv("GONETS_PORT", value)
    with environment() as env:
        assert env.int("GONETS_PORT", validate=between(1, 65535)) == int(value)


@pytest.mark.parametrize("value", ["0", "65536", "-1"])
def test_a_number_outside_its_range_is_told_the_range(value: str, monkeypatch: Variables) -> None:
    monkeypatch.setenv("GONETS_PORT", value)
    with (
        pytest.raises(ConfigurationError, match=r"^GONETS_PORT: must be from 1 to 65535\.$"),
        environment() as env,
    ):
        env.int("GONETS_PORT", validate=between(1, 65535))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "", "1,5"])
def test_what_is_no_number_is_refused(value: str, monkeypatch: Variables) -> None:
    monkeypatch.setenv("GONETS_SECONDS", value)
    with pytest.raises(ConfigurationError, match=r"^GONETS_SECONDS: "), environment() as env:
        env.float("GONETS_SECONDS", 1.0, validate=between(0.1, 60.0))


def test_the_error_does_not_show_what_a_variable_holds(monkeypatch: Variables) -> None:
    monkeypatch.setenv("GONETS_PORT", "s3cret")
    with pytest.raises(ConfigurationError) as raised, environment() as env:
        env.int("GONETS_PORT")

    assert "s3cret" not in str(raised.value)

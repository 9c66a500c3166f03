"""How figures are written: no digit that nobody knows, and groups of three wherever a figure stands."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from flask import Flask, render_template_string
from flask_babel import Babel, force_locale, ngettext

from api.console.labels import translated
from api.console.preferences import Catalogues
from api.console.template_filters import about, money, number
from shared.domain.sentences import ErrorCode


@pytest.fixture
def in_english() -> Iterator[None]:
    app = Flask(__name__)
    Babel(app).domain_instance = Catalogues()  # type: ignore[no-untyped-call]
    with app.test_request_context(), force_locale("en"):
        yield


@pytest.mark.parametrize(
    ("value", "written"),
    [(22_826.79, "22,800"), (5321.4, "5,320"), (53.36, "53.4"), (0.2543, "0.254"), (0.0, "0"), (99.96, "100")],
)
@pytest.mark.usefixtures("in_english")
def test_a_measured_figure_has_three_digits_that_count(value: float, written: str) -> None:
    assert number(value) == written


@pytest.mark.usefixtures("in_english")
def test_a_count_is_exact_and_a_sample_s_figure_is_not() -> None:
    assert number(1_234_567) == "1,234,567"
    assert about(22_826.79) == "23,000"


@pytest.mark.parametrize(
    ("amount", "written"), [("812.4", "812.40"), ("60", "60.00"), ("0.0045", "0.0045"), ("1234.565", "1,234.565")]
)
@pytest.mark.usefixtures("in_english")
def test_an_amount_is_neither_cut_nor_rounded(amount: str, written: str) -> None:
    assert money(Decimal(amount)) == written


@pytest.mark.usefixtures("in_english")
def test_the_number_of_a_plural_is_written_like_any_other() -> None:
    words = "%(num)d message", "%(num)d messages"
    template = "{{ ngettext('%(num)d message', '%(num)d messages', 20000) }}"
    assert ngettext(*words, 20_000) == render_template_string(template) == "20,000 messages"
    assert ngettext(*words, 1) == "1 message"


@pytest.mark.usefixtures("in_english")
def test_of_a_rule_s_numbers_only_counts_are_grouped() -> None:
    grown = ErrorCode.AUDIENCE_HAS_GROWN(count=20_000, before=5)
    assert translated(grown).startswith("There are 20,000 clients")
    assert translated(ErrorCode.STATUS_ALREADY(mailing=20_000, status="paused")) == "Mailing 20000 is paused already."

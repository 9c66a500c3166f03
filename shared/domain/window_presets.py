"""Presets of local windows by country, as data with their sources. They are proposals and no legal advice.

A rule that permits several times of a day, or other times on some days, is narrowed to one window on the weekdays
given: everything inside it is permitted by the rule.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from shared.domain.local_windows import EVERY_DAY

MONDAY_TO_FRIDAY = 0b0011111
MONDAY_TO_SATURDAY = 0b0111111


class Basis(enum.StrEnum):
    """What a preset rests on."""

    LAW = "law"
    PRACTICE = "practice"
    """What senders and operators in that country keep to, beyond what the law says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPreset:
    """A local window, and where it is from."""

    code: str
    """Never changes."""
    country: str
    """ISO 3166-1, two letters."""
    name: str
    local_from: int
    """Minutes since midnight, as in LocalWindow."""
    local_until: int
    local_weekdays: int
    holiday_country: str | None
    """The country whose public holidays are left out too; None if they are days like others."""
    basis: Basis
    source: str
    """The law and its section, or who describes the practice."""
    source_url: str
    note: str


PRESETS = (
    WindowPreset(
        code="ru",
        country="RU",
        name="Russia: advertising",
        local_from=9 * 60,
        local_until=21 * 60,
        local_weekdays=EVERY_DAY,
        holiday_country=None,
        basis=Basis.PRACTICE,
        source="Federal law 38-FZ on advertising, article 18, part 1",
        source_url="https://www.consultant.ru/document/cons_doc_LAW_58968/",
        note="The law requires prior consent and names no hours. The hours are practice: they keep clear of the night, "
        "which begins at 22 or 23 o'clock in the regions' laws on silence.",
    ),
    WindowPreset(
        code="ru-debts",
        country="RU",
        name="Russia: messages about overdue debts",
        local_from=9 * 60,
        local_until=20 * 60,
        local_weekdays=EVERY_DAY,
        holiday_country=None,
        basis=Basis.LAW,
        source="Federal law 230-FZ, article 7, part 5, paragraph 1",
        source_url="https://www.consultant.ru/document/cons_doc_LAW_200497/",
        note="By the debtor's local time: no messages from 22:00 to 8:00 on working days, and from 20:00 to 9:00 on "
        "other days. The window is what is permitted on each day. The law also limits how many messages there may be.",
    ),
    WindowPreset(
        code="us",
        country="US",
        name="USA: federal rule",
        local_from=8 * 60,
        local_until=21 * 60,
        local_weekdays=EVERY_DAY,
        holiday_country=None,
        basis=Basis.LAW,
        source="47 CFR 64.1200(c)(1)",
        source_url="https://www.ecfr.gov/current/title-47/section-64.1200",
        note="No telephone solicitation before 8 a.m. or after 9 p.m., local time at the called party's location. "
        "States may be stricter.",
    ),
    WindowPreset(
        code="us-strict",
        country="US",
        name="USA: the stricter states",
        local_from=8 * 60,
        local_until=20 * 60,
        local_weekdays=EVERY_DAY,
        holiday_country=None,
        basis=Basis.LAW,
        source="Florida Statutes 501.616(6)(a); Oklahoma Telephone Solicitation Act (2022); Washington HB 1497 (2022)",
        source_url="https://www.dinsmore.com/publications/more-states-adding-tougher-telephone-consumer-protection-act-"
        "statutes/",
        note="Florida, Oklahoma and Washington: 8 a.m. to 8 p.m., also with consent. Some other states forbid Sundays "
        "and holidays: take those days out if you write to people there.",
    ),
    WindowPreset(
        code="fr",
        country="FR",
        name="France: usual hours of commercial texts",
        local_from=8 * 60,
        local_until=20 * 60,
        local_weekdays=MONDAY_TO_SATURDAY,
        holiday_country="FR",
        basis=Basis.PRACTICE,
        source="Senders' descriptions of the rules of the operators and the CNIL",
        source_url="https://sendtargetsms.com/fr/horaires-legaux-sms/",
        note="Monday to Saturday, 8:00 to 20:00, not on Sundays and public holidays. Descriptions differ: some name "
        "20:30, 22:00, or a beginning at 10:00. Ask the operator or provider.",
    ),
    WindowPreset(
        code="fr-strict",
        country="FR",
        name="France: solicitation without consent",
        local_from=14 * 60,
        local_until=20 * 60,
        local_weekdays=MONDAY_TO_FRIDAY,
        holiday_country="FR",
        basis=Basis.LAW,
        source="Code de la consommation, article D. 223-9 (decree 2022-1313)",
        source_url="https://www.legifrance.gouv.fr/jorf/id/JORFTEXT000046421823",
        note="Monday to Friday but public holidays, 10:00 to 13:00 and 14:00 to 20:00 in the consumer's time zone: the "
        "window is the longer part. It is written for calls, and does not concern people who have consented.",
    ),
)

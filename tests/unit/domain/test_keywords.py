"""Keywords of inbound messages: what acts at once, what a person decides, and the answers."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from shared.domain.keyword_lists import KEYWORDS, REFUSALS
from shared.domain.keyword_replies import REPLIES, default_reply, reply_language, reply_text
from shared.domain.keywords import MAX_LENGTH, Recognized, index_keywords, normalize, recognize
from shared.domain.lookalikes import LATIN_LOOKALIKES
from shared.domain.suppressions import KeywordAction
from shared.domain.text_segments import segments_of

STOP, START, HELP = KeywordAction.STOP, KeywordAction.START, KeywordAction.HELP
FCC = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")
"""47 CFR 64.1200(a)(10)."""
ALL_KEYWORDS = [
    (language, action, keyword)
    for language, lists in KEYWORDS.items()
    for action, keywords in lists.items()
    for keyword in keywords
]


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("СТОП!!!", "стоп"),
        ("«Стоп»", "стоп"),
        ("stop 🛑", "stop"),
        ("❤️ Stop ❤️", "stop"),
        ("ＳＴＯＰ", "stop"),
        ("𝐒𝐓𝐎𝐏", "stop"),
        ("ARRÊT", "arret"),
        ("ARRE\u0302T", "arret"),
        ("S\u200bT\u200dO\u2060P\ufeff", "stop"),
        ("\u202estop\u202c", "stop"),
        ("st\u00adop\u3164", "stop"),
        ("OPT-OUT", "opt out"),
        ("opt\u2011out", "opt out"),
        ("opt_out", "opt out"),
        (" \t opt \n\u00a0 out ", "opt out"),
        ("Stop. Thank you", "stop. thank you"),
        ("S\u20e3TOP", "stop"),
        ("SCHLUẞ", "schluss"),
        ("İPTAL", "iptal"),
        ("ıptal", "iptal"),
        ("Zakończ", "zakoncz"),
        ("Wyłącz", "wylacz"),
        ("ещё", "еще"),
        ("СТОЙ", "стой"),
        ("СТОИ\u0306", "стой"),
        ("ВІДПИСКА ЇЇ", "відписка її"),
        ("", ""),
        ("🛑 ... !", ""),
        (" " * 1600, ""),
    ],
)
def test_the_form_in_which_texts_are_compared(text: str, normalized: str) -> None:
    assert normalize(text) == normalized
    assert normalize(normalized) == normalized


def test_letters_with_marks_of_their_own_are_not_confused() -> None:
    assert normalize("СТОЙ") != normalize("СТОИ")
    assert normalize("її") != normalize("іі")


@pytest.mark.parametrize(
    ("text", "action", "keyword"),
    [
        ("STOP", STOP, "stop"),
        ("Stop.", STOP, "stop"),
        ("stop 🛑", STOP, "stop"),
        ('"stop"', STOP, "stop"),
        ("STOP STOP", STOP, "stop"),
        ("stop stop stop!!!", STOP, "stop"),
        ("Stop. Stop! STOP", STOP, "stop"),
        ("stop\nstop", STOP, "stop"),
        ("S\u200bTOP", STOP, "stop"),
        ("ＳＴＯＰ", STOP, "stop"),
        ("Opt-Out", STOP, "opt out"),
        ("opt out opt-out", STOP, "opt out"),
        ("СТОП!!!", STOP, "стоп"),
        ("«Стоп»", STOP, "стоп"),
        ("Отписаться", STOP, "отписаться"),
        ("ВІДПИСАТИСЯ", STOP, "відписатися"),
        ("Бас тарту", STOP, "бас тарту"),
        ("arret", STOP, "arret"),
        ("ARRE\u0302T", STOP, "arret"),
        ("¡BAJA!", STOP, "baja"),
        ("No más", STOP, "no mas"),
        ("sair", STOP, "sair"),
        ("Stopp!", STOP, "stopp"),
        ("Annulla", STOP, "annulla"),
        ("zakończ", STOP, "zakoncz"),
        ("iptal", STOP, "iptal"),
        ("Start", START, "start"),
        ("UNSTOP", START, "unstop"),
        ("Début", START, "debut"),
        ("Help?", HELP, "help"),
        ("Помощь", HELP, "помощь"),
        ("yardım", HELP, "yardim"),
    ],
)
def test_a_keyword_and_nothing_else_acts_at_once(text: str, action: KeywordAction, keyword: str) -> None:
    recognized = recognize(text)
    assert (recognized.action, recognized.keyword, recognized.near_miss) == (action, keyword, None)
    assert recognized.is_exact


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("CTOП", "стоп"),  # Latin C, T, O
        ("cтoп", "стоп"),  # Latin c, o
        ("XBATИT", "хватит"),
        ("\u0405\u0422\u041e\u0420", "stop"),  # Cyrillic, all of it
        ("STОР", "stop"),  # Cyrillic О, Р
        ("QUІT", "quit"),  # Cyrillic І
        ("OРT ОUT", "opt out"),
        ("ИHФO", "инфо"),  # Latin H, O
    ],
)
def test_letters_of_another_alphabet_that_look_alike_make_no_difference(text: str, keyword: str) -> None:
    assert recognize(text) == recognize(keyword)
    assert recognize(text).keyword == keyword
    assert recognize(text).is_exact


@pytest.mark.parametrize(
    ("text", "action", "keyword"),
    [
        ("Stop. Thank you", STOP, "stop"),  # p2pu/learning-circles#593
        ("please stop sending text reminders", STOP, "stop"),  # p2pu/learning-circles#372
        ("Count me in! We have got to STOP this terrible bill from passing!!", STOP, "stop"),  # Spoke#1016
        ("STOP 12345", STOP, "stop"),  # medic/cht-core#476
        ("Stop signs at dangerous intersections.", STOP, "stop"),
        ("non-stop", STOP, "stop"),
        ("STOP START", STOP, "stop"),
        ("help, stop", STOP, "stop"),
        ("Unsubscribe me, stop", STOP, "unsubscribe"),
        ("Stop all messages", STOP, "stop all"),
        ("No, más", STOP, "no mas"),
        ("Please opt me out, opt-out!", STOP, "opt out"),
        ("Хватит уже", STOP, "хватит"),
        ("не пишите мне больше", STOP, "не пишите"),
        ("Больше НЕ ПИШИТЕ!", STOP, "не пишите"),
        ("Don’t text me again", STOP, "don t text"),
        ("Ne m'écrivez plus", STOP, "ne m ecrivez plus"),
        ("Please CTOП it", STOP, "стоп"),
        ("How do I start?", START, "start"),
        ("Help with loans", HELP, "help"),
    ],
)
def test_a_text_that_contains_a_keyword_is_for_a_person(text: str, action: KeywordAction, keyword: str) -> None:
    recognized = recognize(text)
    assert (recognized.action, recognized.near_miss, recognized.keyword) == (None, action, keyword)
    assert not recognized.is_exact


@pytest.mark.parametrize(
    "text",
    [
        "",
        " " * MAX_LENGTH,
        "🛑",
        "Yes",
        "No",
        "Да",
        "fine",
        "Thank you",
        "unstoppable",
        "остановка",
        "стопка",
        "СТОЙ",
        "Сон",
        "backend",
    ],
)
def test_other_texts_are_not_recognized(text: str) -> None:
    assert recognize(text) == Recognized()
    assert recognize(text).language is None


def test_the_languages_are_those_that_have_the_keyword() -> None:
    assert recognize("arrêt").languages == ("fr",)
    assert recognize("parar").languages == ("es", "pt")
    assert recognize("СТОП").language == "ru"
    assert set(recognize("STOP").languages) == set(KEYWORDS)


def test_a_text_that_is_too_long_never_acts() -> None:
    longest = "STOP" + "." * (MAX_LENGTH - len("STOP"))
    assert recognize(longest).action is STOP
    assert recognize(longest + ".").action is None
    assert recognize(longest + " this bill").near_miss is STOP
    assert recognize("." * MAX_LENGTH + "STOP") == Recognized()


@pytest.mark.parametrize("unit", ["a! ", "!", "a-", "_-", "\u0302", "e\u0302\u0327", "\ufdfa", "не ", "no, mas ", "🛑"])
def test_repetitive_texts_of_the_greatest_length_do_not_act(unit: str) -> None:
    assert recognize((unit * MAX_LENGTH)[:MAX_LENGTH]).action is None


@pytest.mark.parametrize("keyword", FCC)
def test_the_words_of_the_fcc_stop(keyword: str) -> None:
    assert recognize(keyword).action is STOP


def test_every_keyword_acts_with_its_action_in_its_language() -> None:
    for language, action, keyword in ALL_KEYWORDS:
        for text in (keyword, keyword.lower(), keyword.title(), f" {keyword}! "):
            recognized = recognize(text)
            assert recognized.action is action, text
            assert language in recognized.languages, text


def test_phrases_that_refuse_are_near_misses() -> None:
    for language, phrases in REFUSALS.items():
        for phrase in phrases:
            recognized = recognize(phrase)
            assert (recognized.action, recognized.near_miss) == (None, STOP), (language, phrase)


@pytest.mark.parametrize("word", ["stop", "STOP", "Stóp", "s\u200btop"])
def test_no_keyword_can_have_two_actions(word: str) -> None:
    with pytest.raises(ValueError, match="cannot be a keyword for start"):
        index_keywords([("en", STOP, ["STOP"]), ("xx", START, [word])])


def test_each_language_of_a_keyword_is_named_once() -> None:
    index = index_keywords([("en", STOP, ["STOP", "Stop"]), ("fr", STOP, ["STOP", "ARRÊT", "ARRET"])])
    assert index == {"stop": (STOP, ("en", "fr")), "arret": (STOP, ("fr",))}


def test_a_keyword_has_letters() -> None:
    with pytest.raises(ValueError, match="cannot be a keyword"):
        index_keywords([("en", STOP, ["🛑"])])


def test_no_two_keywords_with_different_actions_look_alike() -> None:
    letters = {letter.casefold(): latin.casefold() for letter, latin in LATIN_LOOKALIKES.items()}
    shapes: dict[KeywordAction, set[str]] = {action: set() for action in KeywordAction}
    for _, action, keyword in ALL_KEYWORDS:
        shapes[action].add("".join(letters.get(letter, letter) for letter in normalize(keyword)))
    for one, other in combinations(KeywordAction, 2):
        assert not shapes[one] & shapes[other]


def test_every_language_has_all_the_actions_and_answers() -> None:
    assert set(KEYWORDS) == set(REPLIES) == set(REFUSALS)
    for language in KEYWORDS:
        assert all(KEYWORDS[language][action] for action in KeywordAction)
        assert set(REPLIES[language]) == set(KeywordAction)


@pytest.mark.parametrize("action", KeywordAction)
@pytest.mark.parametrize("language", REPLIES)
def test_an_answer_fits_into_one_segment(language: str, action: KeywordAction) -> None:
    assert segments_of(default_reply(action, language)).count == 1


@pytest.mark.parametrize(("action", "named"), [(STOP, {START}), (START, {STOP}), (HELP, {STOP, START})])
@pytest.mark.parametrize("language", REPLIES)
def test_the_keywords_in_an_answer_act_in_its_language(
    language: str, action: KeywordAction, named: set[KeywordAction]
) -> None:
    words = [word for word in re.findall(r"\w{2,}", default_reply(action, language)) if word.isupper()]
    recognized = [recognize(word) for word in words]
    assert {one.action for one in recognized} == named
    assert all(language in one.languages for one in recognized)


def test_an_answer_to_stop_is_not_taken_for_a_keyword() -> None:
    for language in REPLIES:
        for action in KeywordAction:
            assert not recognize(default_reply(action, language)).is_exact


def test_an_answer_in_another_language_is_in_english() -> None:
    assert default_reply(STOP, "pt-BR") == REPLIES["pt"][STOP]
    assert default_reply(STOP, "RU_ru") == REPLIES["ru"][STOP]
    assert default_reply(STOP, "xx") == default_reply(STOP, None) == REPLIES["en"][STOP]


@pytest.mark.parametrize(
    ("languages", "own", "language"),
    [
        (("en", "ru", "fr"), "fr-CA", "fr"),
        (("en", "ru", "fr"), " RU ", "ru"),
        (("en", "ru", "fr"), "de", "pl"),
        (("en", "ru", "fr"), None, "pl"),
        (("fr",), "ru", "fr"),
    ],
)
def test_a_reply_has_the_language_of_the_client_if_the_keyword_has_it(
    languages: tuple[str, ...], own: str | None, language: str
) -> None:
    assert reply_language(languages, own, "pl") == language


@pytest.mark.parametrize(
    ("language", "configured", "text"),
    [
        ("en", {}, default_reply(KeywordAction.HELP, "en")),
        ("ru", {"help": {"en": "Call us"}}, default_reply(KeywordAction.HELP, "ru")),
        ("ru", {"help": {"ru": None}}, None),
        ("ru", {"stop": {"ru": "Стоп"}}, default_reply(KeywordAction.HELP, "ru")),
        ("ja", {"help": {"en": "Call us"}}, "Call us"),
        ("ja", {"help": {"ja": "電話"}}, "電話"),
        ("ja", {}, default_reply(KeywordAction.HELP, "en")),
    ],
)
def test_a_configured_reply_replaces_the_default_of_its_language(
    language: str, configured: dict[str, dict[str, str | None]], text: str | None
) -> None:
    assert reply_text(KeywordAction.HELP, language, configured) == text

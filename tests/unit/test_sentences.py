"""Sentences that keep their code and parameters."""

from __future__ import annotations

import json

import marshmallow as ma
import pytest
from marshmallow import validate

from shared.domain.sentences import Code, ErrorCode, EventDetail, Sentence, code_of, sentence_of
from shared.errors import Conflict

UNKNOWN_FIELD = "Unknown field."


def test_an_error_has_its_code_and_its_parameters_and_is_the_english_sentence() -> None:
    error = Conflict("status", ErrorCode.STATUS_ALREADY, mailing=7, status="paused")
    assert str(error) == error.sentence == "Mailing 7 is paused already."
    assert (error.code, error.sentence.parameters) == (ErrorCode.STATUS_ALREADY, {"mailing": 7, "status": "paused"})
    assert json.dumps([error.sentence]) == '["Mailing 7 is paused already."]'


class Body(ma.Schema):
    number = ma.fields.Integer(error_messages={"invalid": ErrorCode.NOT_A_PHONE_NUMBER()})
    code = ma.fields.String(validate=validate.Regexp("[0-9]", error=ErrorCode.NOT_AN_OPERATOR_CODE()))


def test_marshmallow_hands_sentences_on_with_their_codes() -> None:
    wrong = Body().validate({"number": "x", "code": "{x}", "other": 1})
    codes = {field: [code_of(text) for text in texts] for field, texts in wrong.items()}
    assert codes == {"number": ["not_a_phone_number"], "code": ["not_an_operator_code"], "other": [None]}
    assert wrong["other"] == [UNKNOWN_FIELD]


@pytest.mark.parametrize(
    ("sentence", "catalogue"),
    [
        (ErrorCode.TOO_LONG(length=12, excess=2, limit=10), ErrorCode),
        (ErrorCode.FILE_EMPTY(), ErrorCode),
        (EventDetail.RETRIED(count=3, status="failed"), EventDetail),
    ],
)
def test_a_sentence_is_made_again_of_what_was_stored(sentence: Sentence, catalogue: type[Code]) -> None:
    again = sentence_of(code_of(sentence) or "", sentence.parameters, catalogue)
    assert isinstance(again, Sentence)
    assert (again, again.code, again.parameters) == (sentence, sentence.code, sentence.parameters)


def test_a_text_without_a_code_is_its_own_sentence() -> None:
    assert sentence_of(UNKNOWN_FIELD, {}) == UNKNOWN_FIELD
    assert code_of(UNKNOWN_FIELD) is None

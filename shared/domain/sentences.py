"""What is said of errors, and of actions in a mailing's history: codes with parameters, and the sentence of each.

Codes are compared and translated; English sentences are only shown. Codes are never renamed or removed, since callers
of the API compare them, and rows contain them. A sentence has its parameters as `%(name)s`. The reasons of messages and
attempts are in reasons.py.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

Parameters = Mapping[str, str | int]


class Sentence(str):
    """A sentence in English that keeps its code and its parameters, through libraries that know only texts.

    A parameter may itself be a sentence. Made by calling a code.
    """

    code: Code
    parameters: Parameters

    def format(self, *_: object, **__: object) -> Sentence:
        """The same sentence: marshmallow formats the messages of its fields and validators."""
        return self


class Code(enum.Enum):
    """A code, whose value is its sentence. The API and the database have its name in lower case."""

    def __str__(self) -> str:
        return self.name.lower()

    def __call__(self, **parameters: str | int) -> Sentence:
        """The sentence with these parameters."""
        sentence = Sentence(self.value % parameters)
        sentence.code, sentence.parameters = self, parameters
        return sentence


@enum.unique
class EventDetail(Code):
    """What follows an action in the history of a mailing."""

    RETRIED = "%(count)s %(status)s"
    RESOLVED = "message %(message)s: %(outcome)s"
    TESTED = "mailing %(mailing)s"
    REOPENED = "messages of it had no end"
    RESTORED = "after a restore"
    SEGMENT_CHANGED = "The saved segment %(segment)s was changed: approve the mailing again."
    APPROVAL_TAKEN_BACK = "The change took its approval back. Once it is approved again, resume it."
    SPENDING_LIMIT_REACHED = (
        "Its messages have cost %(amount)s %(currency)s of at most %(limit)s, and the next ones would cost more. Raise "
        "its spending limit, and resume the mailing."
    )
    DAILY_LIMIT_REACHED = (
        "The messages of today (%(day)s, UTC) have cost %(amount)s %(currency)s of at most %(limit)s, and the next "
        "ones would cost more. Resume the mailing tomorrow, or raise the daily spending limit, and resume it."
    )
    SPENDING_CURRENCY_UNKNOWN = (
        "The price of a segment at gateway %(gateway)s is not known in %(currency)s, the currency of a spending limit. "
        "Set the price of the gateway or change the limit, and resume the mailing."
    )
    AUDIENCE_TIMED_OUT = (
        "Its clients could not be listed in %(seconds)s s. Make the segment simpler if it is a saved one, or set a "
        "longer AUDIENCE_TIMEOUT for the workers; then resume the mailing."
    )
    AUDIENCE_FIELD_REMOVED = (
        "Its segment uses the field %(field)s, which is not declared any more. Declare it again, and resume the "
        "mailing; or cancel it, and create a new one."
    )
    AUDIENCE_SEGMENT_UNUSABLE = (
        "Its segment can't be used any more: %(fault)s Correct that, and resume the mailing; or cancel it, and create "
        "a new one."
    )
    AUDIENCE_LEDGER_REMOVED = (
        "Its segment, or one that it leaves out, names mailing %(mailing)s, whose messages are no longer kept. If that "
        "is a saved segment, correct it, and resume the mailing; otherwise cancel it, and create a new one."
    )
    AUDIENCE_SEGMENT_REMOVED = (
        "Segment %(segment)s, whose clients are left out, is removed. Cancel the mailing, and create a new one."
    )
    AUDIENCE_NOT_LISTED = (
        "The database could not list its clients (%(error)s). Read the workers' logs, and resume the mailing."
    )
    AUDIENCE_MISSED = "Its clients could not be listed before its window closed: it has no messages."
    AUDIENCE_CANCELLED = "It was cancelled before its clients could be listed: it has no messages."


@enum.unique
class ErrorCode(Code):
    """Why a request, a field, a file or a row of it is refused."""

    # A request
    NOT_FOUND = "Not found."
    NO_SUCH_CLIENT = "There is no client %(client)s."
    NO_SUCH_MAILING = "There is no mailing %(mailing)s."
    NO_SUCH_MESSAGE = "There is no message %(message)s."
    NO_SUCH_INBOUND_MESSAGE = "There is no inbound message %(inbound_message)s."
    NO_SUCH_SUPPRESSION = "There is no suppression %(suppression)s."
    NO_SUCH_CONSENT = "There is no consent %(consent)s."
    NO_SUCH_DRAFT = "There is no draft %(draft)s."
    NO_SUCH_GATEWAY = "There is no gateway %(gateway)s."
    NO_SUCH_TEMPLATE = "There is no template %(template)s."
    NO_SUCH_ROUTE = "There is no route %(route)s."
    NO_SUCH_KEY = "There is no key %(key)s."
    NO_SUCH_CHOICE = "There is no such choice."
    NO_KEY_TO_ERASE = (
        "To erase a number, set CREDENTIALS_KEY or CREDENTIALS_KEY_FILE: with that key Gonets recognises the number if "
        "it comes again."
    )
    NO_KEY_FOR_ERASED_NUMBERS = (
        "Numbers were erased, and without CREDENTIALS_KEY Gonets cannot tell whether this is one of them. Set the key "
        "again with which they were erased."
    )
    NOT_THE_NUMBER_TO_ERASE = "Must be the number in the address, once more: what is erased cannot be restored."
    NUL_IN_ADDRESS = "The address holds a NUL character."
    QUERY_NOT_UTF_8 = "The query string is not UTF-8."
    DATABASE_UNAVAILABLE = "The database is unavailable; please retry."
    CONCURRENT_REQUEST = "Conflicting concurrent request; please retry."
    INTERNAL_ERROR = "Internal error. It has been logged."

    # Who may
    ROLE_NEEDED = "This needs the role %(needed_role)s, and yours is %(role)s."
    NO_ROLE_DECLARED = "This operation declares no role, so it is refused for everybody."
    KEY_MISSING = "Send an API key as `Authorization: Bearer …`."
    KEY_UNKNOWN = "Unknown, expired or revoked API key."
    LINK_INVALID = "This link was already used, or has expired. Sign in with a key."
    FORM_EXPIRED = "This form has expired. Please try again."
    FOREIGN_SITE = "This came from another site."
    PAGE_TOKEN_MISSING = "Send the page's token in the field %(field)s or in the header %(header)s."  # noqa: S105  a name
    NO_PUBLIC_URL = "PUBLIC_URL is not set, so providers have no address to call."
    NO_SUCH_CALLBACKS = "The provider makes no such callbacks."
    CALLBACK_METHOD = "Callbacks are made by GET or POST."
    CALLBACK_TOO_LARGE = "A callback has at most %(limit)s bytes."
    CALLBACK_NOT_SIGNED = "The signature is missing, wrong or too old."
    CALLBACK_NOT_UNDERSTOOD = "The callback is not understood: %(fault)s"
    GATEWAY_UNUSABLE = "The settings of the gateway cannot be used now. Try again later."
    TOO_MANY_RECEIPTS_WAIT = "Too many receipts wait to be applied. Try again later."
    TOO_MANY_REQUESTS = "Too many requests. Try again in %(seconds)s s."
    TOO_MANY_FAILED_SIGN_INS = "Too many failed sign-ins from this address. Try again in %(seconds)s s."
    PROVIDER_SILENT = "The identity provider did not respond. Try again, or sign in with a key."
    PROVIDER_UNVERIFIED = "The identity provider's response could not be verified. Try again."
    PROVIDER_GAVE_NO_ROLE = "%(name)s has no role here. The administrator of the identity provider can assign one."

    # A form of the console
    CHANGED_MEANWHILE = "Somebody else has changed this since you opened it. Compare both versions and save again."
    SUBMITTED_BEFORE = "This form has already been submitted with other content."

    # A field
    NUL_CHARACTER = "Must not contain the NUL character."
    HALF_A_SURROGATE_PAIR = "Must not contain half of a surrogate pair."
    BLANK = "Must not be empty or only white space."
    TOO_LONG = "Has %(length)s characters, %(excess)s more than the %(limit)s allowed."
    TEXT_LENGTH = "Must be 1 to 1600 characters."
    NOT_AN_OBJECT_OF_TEXTS = "Must be a JSON object whose values are strings without the NUL character."
    NOT_A_JSON_OBJECT = "Must be a JSON object."
    NOT_A_MOMENT = "Must be a date and time with its offset from UTC (RFC 3339), such as 2022-06-02T18:25:43.511Z."
    NO_UTC_OFFSET = "Missing UTC offset; append Z or an offset such as +03:00."
    IMPOSSIBLE_MOMENT = "Not a valid moment: %(fault)s."
    IN_THE_FUTURE = "Must not be in the future."
    NOT_A_SUPPRESSION_SCOPE = "Must be everything, marketing or gateway."
    NOT_A_SUPPRESSION_REASON = "Must be opted_out, complaint, operator_refusal, not_in_service, law or other."
    SCOPE_NEEDS_A_GATEWAY = "The scope gateway needs the name of the gateway."
    ONLY_OF_SCOPE_GATEWAY = "Only the scope gateway has a gateway."
    NOT_EVIDENCE = "Must be a JSON object of 1 to %(maximum)s texts, each with at most %(limit)s characters."
    WITHDRAWN_BEFORE_GIVEN = "A consent can't be withdrawn before it was given."
    NOT_A_TIMEZONE = "Must be the name of an IANA time zone, such as Europe/Moscow."
    NOT_A_DECISION = "Must be stop, start or nothing."
    NOT_A_MAILING_KIND = "Must be marketing or service."
    LOCAL_WINDOW_IS_NOT_WHOLE = "A local window has a beginning, an end and days of the week: give all of them or none."
    HOLIDAYS_NEED_A_LOCAL_WINDOW = "Holidays concern only a mailing with a local window."
    LIMIT_NEEDS_A_CURRENCY = "A spending limit has an amount and a currency: give both, or none."
    CALENDAR_NAME_TAKEN = "Another holiday calendar has this name."
    CALENDAR_IS_IN_USE = "Mailing %(mailing)s has this calendar and has not ended. Change or cancel it first."
    CALENDAR_IS_A_DEFAULT = "The sending rules have this calendar. Change them first."
    NOT_LISTED_DAYS = (
        "Must be an array of up to %(limit)s objects with a day, such as 2026-07-14, each once, and optionally a name."
    )
    NOT_YEARS = "Must be an array of 1 to %(limit)s years from %(first)s to %(last)s, each once."
    NOT_A_COUNTRY = "Must be the two capital letters of a country (ISO 3166-1), such as FR."
    DAYS_OR_COUNTRY = "A holiday calendar has either its days, or a country: give one of them."
    YEARS_OF_A_COUNTRY = "A country needs years; years and a subdivision need a country."
    NO_HOLIDAYS_OF_COUNTRY = "The public holidays of %(country)s are not known. List the days instead."
    NO_SUCH_SUBDIVISION = "No subdivision %(subdivision)s of %(country)s with holidays of its own is known."
    NO_HOLIDAYS_IN_YEARS = "The public holidays of %(country)s in some of these years are not known."
    CAP_IS_NOT_WHOLE = "A cap has a number of messages and a number of hours."
    NOT_CAPS = (
        "Must be an array of up to %(limit)s objects with messages, from 1 to %(messages)s, and period_hours, from 1 "
        "to %(hours)s, each period once."
    )
    NOT_REPLIES = (
        "Must be an object by action (stop, start, help) of objects by language (%(languages)s), whose values are "
        "texts of 1 to %(limit)s characters, or null."
    )
    NOT_A_REPLY_LANGUAGE = "Must be one of the languages of replies: %(languages)s."
    NO_SUCH_CALENDAR = "There is no holiday calendar %(calendar)s."
    NOT_A_TIME_OF_DAY = "Must be a time of day from 00:00 to 24:00, such as 09:30."
    LOCAL_UNTIL_NOT_AFTER_FROM = (
        "The time until which messages are sent must be after the time from which they are, and on the same day: a "
        "window can't go past midnight. It can end at 24:00; for the hours after that, create a second mailing."
    )
    NOT_WEEKDAYS = "Must be an array of one or more days, such as monday, each once."
    NOT_A_COUNT_OR_NOTHING = "Must be a whole number from 1 to %(maximum)s, or nothing."
    NOT_AN_OPERATOR_CODE = "Must be 1 to 15 digits."
    OPERATOR_CODE_ELSEWHERE = "The operator code must occur in the phone number."
    OPERATOR_CODE_NOT_DIGITS = "The operator code must be digits that occur in the phone number."
    NOT_A_PHONE_NUMBER = (
        "Must be a phone number in international form: an integer of 7 to 15 digits, such as 79161234567."
    )
    PHONE_NUMBER_DIGITS = "Must be a phone number of 7 to 15 digits."
    PHONE_NUMBER_UNREADABLE = (
        "Must be a phone number of 7 to 15 digits in international form, such as 79161234567. "
        "Blanks, brackets, dashes and a plus sign do no harm."
    )
    PHONE_NUMBER_ROUNDED = (
        "A spreadsheet has rounded it, and its last digits are lost. Format the column as text, and enter the number "
        "again."
    )
    SEVERAL_PHONE_NUMBERS = "There is more than one phone number here. Give one."
    PHONE_EXTENSION = "An extension can't get text messages. Give a number without one."
    NATIONAL_PHONE_NUMBER = (
        "Is not in international form. Write it with the country's code, such as 79161234567, "
        "or name the default region, whose numbers may come without it."
    )
    PHONE_NUMBER_OF_NO_COUNTRY = (
        "No country has such numbers. Write it with the country's code, such as 79161234567, "
        "or name the default region, whose numbers may come without it."
    )
    PHONE_NUMBER_TAKEN = "There is another client with this phone number."
    PHONE_NUMBER_OF_NO_CLIENT = (
        "No client has this phone number. Add the client first: messages are sent only to clients."
    )

    # A field of clients, and its values
    NO_SUCH_CLIENT_FIELD = "There is no field of clients %(client_field)s."
    FIELD_NOT_DECLARED = "There is no field %(name)s. Declare it first (POST /v1/client-field/create/)."
    NOT_A_FIELD_NAME = (
        "Must be 1 to %(limit)s letters, digits and underscores in lower case, and begin with a letter or an "
        "underscore, such as city or last_order."
    )
    FIELD_NAME_RESERVED = "The name %(name)s has another meaning. Choose another one."
    FIELD_NAME_TAKEN = "There is another field with this name."
    ONLY_DATES_REPEAT = "Only a date can repeat yearly."
    TOO_MANY_FIELDS = "There are %(limit)s fields already, and no more are possible."
    FIELD_IN_SEGMENT = "Segment %(name)s uses it. Change or remove the segment first."
    FIELD_IN_TEMPLATE = "Template %(name)s uses it. Change or remove the template first."
    FIELD_IN_MAILING = "Mailing %(mailing)s uses it and has not ended. Change or cancel it first."
    FIELD_HAS_VALUES = "Clients have values of it. If they are to be removed, say so (`values=remove`)."
    NOT_A_TEXT = "Must be a text."
    NOT_A_NUMBER = "Must be a number, such as 1250.5."
    NUMBER_TOO_LONG = "Must have at most %(limit)s digits: more are not kept exactly."
    NUMBER_ROUNDED = (
        "Is in exponential form, in which a spreadsheet may have rounded it. Format the column as text, and enter the "
        "number again."
    )
    NOT_TRUE_OR_FALSE = "Must be true or false."
    NOT_YES_OR_NO = "Must be yes or no, true or false, 1 or 0."
    NOT_A_DATE = "Must be a date, such as 2026-12-31."
    NO_SUCH_DATE = "There is no such date."
    DATE_AMBIGUOUS = "Day and month can be confused. Write the date as 2026-12-31 or 31.12.2026."
    NOT_A_LIST_OF_TEXTS = "Must be an array of texts."
    TOO_MANY_VALUES = "Has %(count)s values, and %(limit)s are allowed."
    NOT_AN_OBJECT_OF_VALUES = "Must be a JSON object with values by the names of fields."
    ATTRIBUTES_TOO_LARGE = "The attributes of a client have %(size)s bytes as JSON, and %(limit)s are allowed."
    EXTERNAL_ID_TAKEN = "There is another client with this external id."
    TOO_MANY_TAGS = "Has %(count)s tags, and %(limit)s are allowed."

    # A mailing
    END_NOT_AFTER_START = "The end must be after the start."
    END_HAS_PASSED = "The end has passed, or will have when sending starts. Choose a later one."
    MAILING_IS_OVER = (
        "Mailing %(mailing)s is %(status)s, and what is over can't be changed. Create a new mailing instead."
    )
    MARK_IS_FIXED = (
        "Mailing %(mailing)s has been launched, and whom it is for can't be changed any more. "
        "Cancel it (POST /v1/mailing/%(mailing)s/cancel/) and create a new mailing instead."
    )
    START_IS_FIXED = (
        "Mailing %(mailing)s has been launched, and when it starts can't be changed any more. "
        "Cancel it (POST /v1/mailing/%(mailing)s/cancel/) and create a new mailing instead."
    )
    NOTHING_TO_PAUSE = "Mailing %(mailing)s is %(status)s: there is nothing to pause."
    NOTHING_TO_RESUME = "Mailing %(mailing)s is %(status)s: there is nothing to resume."
    NOTHING_TO_CANCEL = "Mailing %(mailing)s is %(status)s: there is nothing to cancel."
    STATUS_ALREADY = "Mailing %(mailing)s is %(status)s already."
    MAILING_IS_CANCELLED = "Mailing %(mailing)s is cancelled. Create a new mailing instead."
    MAILING_IS_REMOVED = "Mailing %(mailing)s is removed: nothing of it is sent any more."
    AWAITS_APPROVAL = "Mailing %(mailing)s must be approved by a second person first."
    NEEDS_NO_APPROVAL = "Mailing %(mailing)s needs no approval."
    ALREADY_APPROVED = "Mailing %(mailing)s is approved already."
    APPROVED_BY_ITS_AUTHOR = "You have created mailing %(mailing)s: somebody else must approve it."
    APPROVED_BY_ITS_EDITOR = "You have changed mailing %(mailing)s last: somebody else must approve it."
    NOT_LAUNCHED = "Mailing %(mailing)s is not launched yet: there is nothing to retry."
    LEDGER_REMOVED = "The messages of mailing %(mailing)s are no longer kept. Create a new one instead."
    WINDOW_CLOSED = "The window of mailing %(mailing)s has closed: nothing is sent after it. Create a new one."
    NO_MESSAGES_OF_STATUS = "Mailing %(mailing)s has no %(status)s messages."
    STATUS_NOT_RETRIED = "Messages that are %(status)s are not tried again."
    MESSAGE_NOT_UNKNOWN = "Message %(message)s is %(status)s: only what is unknown can be decided."
    CLIENT_IS_REMOVED = "The client was removed: nothing is sent to them any more."
    NUMBER_IS_ERASED = "The number was erased: nothing is sent to it any more."
    DRAFT_IS_SENT = "Draft %(draft)s has been sent already: it is mailing %(mailing)s."
    TOO_LATE_TO_UNDO = "Mailing %(mailing)s is %(status)s: it is too late to make it a draft again."
    AUDIENCE_HAS_GROWN = "There are %(count)s clients now, and %(before)s were shown before."
    WARNINGS_UNCONFIRMED = "Confirm each warning first."

    ROUTE_IS_FIXED = (
        "Mailing %(mailing)s has been launched, and its route can't be changed any more. "
        "Cancel it (POST /v1/mailing/%(mailing)s/cancel/) and create a new mailing instead."
    )
    KIND_IS_FIXED = "Mailing %(mailing)s has started: its kind can no longer be changed."
    EXCLUSION_IS_FIXED = (
        "Mailing %(mailing)s has been launched, and who is left out can't be changed any more. "
        "Cancel it (POST /v1/mailing/%(mailing)s/cancel/) and create a new mailing instead."
    )

    # A template: most have the place in its text, in characters from 1
    TEMPLATE_NAME_TAKEN = "There is another template with this name."
    TEXT_AND_TEMPLATE = "Give a text or a template, and not both."
    TEMPLATE_NO_FIELD = "Line %(line)s, column %(column)s: the text has braces and names no field of a client."
    TEMPLATE_UNCLOSED = "Line %(line)s, column %(column)s: these braces are not closed."
    TEMPLATE_INCOMPLETE = "Line %(line)s, column %(column)s: something is missing here, such as {%% endif %%}."
    TEMPLATE_SYNTAX = "Line %(line)s, column %(column)s: this can't be read."
    TEMPLATE_BRACES = "Line %(line)s, column %(column)s: these braces belong to nothing."
    TEMPLATE_TAG = "Line %(line)s, column %(column)s: there is no tag %(name)s. There are: %(choices)s."
    TEMPLATE_FIELD = "Line %(line)s, column %(column)s: there is no field %(name)s."
    NO_OPT_OUT_URL = (
        "Line %(line)s, column %(column)s: there are no links to opt out, since OPT_OUT_URL is not set. Set it for the "
        "API and the workers."
    )
    TEMPLATE_PATH = "Line %(line)s, column %(column)s: write the name of a field alone, without dots and brackets."
    TEMPLATE_OUTPUT = "Line %(line)s, column %(column)s: write the name of a field here, or a text in quotes."
    TEMPLATE_FILTER = "Line %(line)s, column %(column)s: there is no filter %(name)s. There are: %(choices)s."
    TEMPLATE_ARGUMENTS = "Line %(line)s, column %(column)s: the filter %(name)s does not take these arguments."
    TEMPLATE_NO_DATE = "Line %(line)s, column %(column)s: only a date has the filter date, and before other filters."
    TEMPLATE_DATE_FORMAT = (
        "Line %(line)s, column %(column)s: %(part)s can't be in the format of this date. There are: %(choices)s."
    )
    TEMPLATE_NEEDS_DATE = (
        'Line %(line)s, column %(column)s: say how the date is written, such as {{ birthday | date: "%%d.%%m.%%Y" }}.'
    )
    TEMPLATE_NEEDS_IF = (
        "Line %(line)s, column %(column)s: yes and no have no text. Write {%% if vip %%}…{%% endif %%} instead."
    )
    TEMPLATE_CONDITION = "Line %(line)s, column %(column)s: this is not a condition."
    TEMPLATE_OPERATOR = "Line %(line)s, column %(column)s: a field of the type %(type)s has no %(operator)s."
    TEMPLATE_LITERAL = "Line %(line)s, column %(column)s: this does not compare with a field of the type %(type)s."
    TEMPLATE_OUTPUTS = "Line %(line)s, column %(column)s: a template has at most %(limit)s outputs."
    TEMPLATE_TAGS = "Line %(line)s, column %(column)s: a template has at most %(limit)s tags."
    TEMPLATE_NESTED = "Line %(line)s, column %(column)s: conditions are nested at most %(limit)s deep."
    TEMPLATE_COMPARISONS = "Line %(line)s, column %(column)s: a condition has at most %(limit)s comparisons."
    ONE_AUDIENCE = "Give one of mark, segment and segment_id, and not several."
    NOT_LISTED_SEGMENTS = "Must be an array of at most 20 ids of segments, each once."

    # A number list
    NUMBER_LIST_NAME_TAKEN = "There is another number list with this name."
    NUMBER_LIST_FILE_TYPE = "Send the numbers as Content-Type: text/plain or text/csv, one a line."
    NUMBER_LIST_HAS_NO_NUMBER = "The file has no phone number."
    NUMBER_LIST_IN_SEGMENT = "Segment %(segment)s uses it. Change or remove the segment first."
    NUMBER_LIST_IN_MAILING = "Mailing %(mailing)s uses it and has not been launched. Change or cancel it first."
    TIMEZONE_OF_NUMBER_UNKNOWN = "Its time zone can't be told from the number. Give one for such numbers (`timezone`)."
    OPERATOR_CODE_OF_NUMBER_UNKNOWN = "Its operator code can't be told from the number."

    # A gateway
    GATEWAY_NAME = "Must be 1 to 40 lower-case letters, digits and hyphens, such as infobip-2."
    GATEWAY_NAME_TAKEN = "There is another gateway with this name, or was: the ledger keeps names."
    NO_SUCH_PROVIDER = "There is no such provider. There are: %(choices)s."
    REQUIRED = "Is required."
    NOT_ONE_OF = "Must be one of: %(choices)s."
    NOT_ONE_LINE = "Must be one line."
    NOT_A_FIELD_OF_PROVIDER = "This provider has no field %(name)s."
    ADDRESS_NEEDED = "Is required: this provider has no public address."
    NOT_AN_ADDRESS = (
        "Must be an address such as https://api.example.com: with https or http, and without a user name, a query or "
        "a fragment."
    )
    ADDRESS_FORBIDDEN = (
        "%(host)s is not on the public internet. If it is right, add its network to GATEWAY_ALLOWED_NETWORKS, for the "
        "API and the workers."
    )
    ACCOUNT_REFUSED = "%(fault)s"
    NO_CREDENTIALS_KEY = (
        "Credentials can't be stored, as there is no key to encrypt them with. Set CREDENTIALS_KEY_FILE to a file made "
        "by `flask --app api make-credentials-key FILE`, for the API and the workers."
    )
    CREDENTIAL_OF_OTHER_ADDRESS = (
        "Enter it again: it was entered for another address, and is not sent to one for which it was not."
    )
    ACCOUNT_IN_USE = (
        "Messages in flight or in doubt: %(messages)s. In another account they would not be found, and would be sent "
        "again. Wait until they have ended, or add another gateway. If it is still the same account, say so "
        "(`same_account`)."
    )
    CREDENTIALS_UNREADABLE = (
        "No key of CREDENTIALS_KEY decrypts the stored credentials. Set the right key, or enter all credentials again."
    )
    GATEWAY_OF_ENVIRONMENT = (
        "This is a setting of the workers for the gateway `default`, such as GATEWAY_URL, GATEWAY_TOKEN, GATEWAY_RATE."
    )
    GATEWAY_IS_KEPT = "The gateway `default` can't be removed. It can be paused."
    GATEWAY_IN_ROUTES = "It is in use by routes: %(routes)s. Take it out of them first."
    GATEWAY_IS_AWAITED = (
        "Messages wait that no other gateway may send. Wait until they are sent, or cancel their mailings."
    )
    GATEWAY_IS_REMOVED = "Gateway %(gateway)s was removed: nothing is sent through it any more."
    NUMBER_IS_SUPPRESSED = "The number must not be written to: suppression %(suppression)s is in force."
    SENDER_HAS_NO_PHONE_NUMBER = "The sender has no phone number, so there is nothing to decide."
    SUPPRESSION_STAYS = (
        "Suppression %(suppression)s stays in force: it has another reason, or is later than this message. Lift that "
        "suppression itself."
    )
    GATEWAY_IS_PAUSED = "Gateway %(gateway)s is paused: nothing is sent through it."
    PROVIDER_REPORTS_NOTHING = "%(provider)s does not report deliveries."
    PROVIDER_CANNOT_BE_ASKED = "%(provider)s cannot be asked for deliveries."
    POLLS_NEED_RECEIPTS = "It is asked for deliveries only if they are expected (`receipts`)."
    NOT_A_CURRENCY = "Must be the three letters of a currency (ISO 4217), such as EUR."
    NOT_AN_AMOUNT = "Must be a string with a number from 0 to %(limit)s, such as 1500.50."
    PRICE_RANGE = "Must be from 0 to 999999.999999."
    PRICE_AND_CURRENCY = "A price needs a currency, and a currency a price."
    CURRENCY_IS_FIXED = "The currency is %(currency)s, in which the ledger has prices: it can't be changed any more."

    # A segment
    SEGMENT_AT_COLUMN = "Column %(column)s: %(fault)s"
    SEGMENT_AT_NODE = "In %(path)s: %(fault)s"
    SEGMENT_EMPTY = 'Write a condition, such as city = "London".'
    SEGMENT_TOO_LONG = "A segment has at most %(limit)s characters."
    SEGMENT_TOO_DEEP = "Conditions are nested at most %(limit)s levels deep."
    SEGMENT_TOO_MANY_CONDITIONS = "A segment has at most %(limit)s conditions."
    SEGMENT_TOO_MANY_VALUES = "A list has at most %(limit)s values. For more, upload a number list."
    SEGMENT_CONDITION_EXPECTED = 'A condition is expected here, such as city = "London" or received mailing 41.'
    SEGMENT_OPERATOR_EXPECTED = (
        "An operator is expected here: =, !=, <, <=, >, >=, in, not in, contains, starts with, exists, "
        "does not exist or within."
    )
    SEGMENT_VALUE_EXPECTED = (
        "A value is expected here: a text in quotes, a number, true, false, today, today + 3 days or 3 days ago."
    )
    SEGMENT_JOIN_EXPECTED = "“and”, “or”, a closing bracket or the end is expected here."
    SEGMENT_WHOLE_EXPECTED = "A whole number is expected here, such as 7."
    SEGMENT_WORD_EXPECTED = "Expected here: %(expected)s."
    SEGMENT_NOT_QUOTED = 'Write texts and dates in quotes: "%(text)s".'
    SEGMENT_QUOTE_NOT_CLOSED = "This quote is not closed."
    SEGMENT_BRACKET_NOT_CLOSED = "The bracket that is opened here is not closed."
    SEGMENT_BRACKET_NOT_OPENED = "The bracket that is closed here was not opened."
    SEGMENT_NO_SUCH_FIELD = "There is no field %(name)s. There are: %(choices)s."
    SEGMENT_FIELD_LIKE = "There is no field %(name)s. Did you mean %(closest)s?"
    SEGMENT_WRONG_OPERATOR = "%(field)s has the type %(type)s, which has no “%(operator)s”. It has: %(choices)s."
    SEGMENT_NOT_A_BOOLEAN = "%(field)s has the type %(type)s: say what it is compared with. Only booleans stand alone."
    SEGMENT_NO_VALUE_HERE = "There is nothing to compare here: leave the value out."
    SEGMENT_VALUES_EXPECTED = "Must be a list of at least one value."
    SEGMENT_RELATIVE_IN_LIST = "A list has dates only. Join conditions with relative days by “or”."
    SEGMENT_TEXT_EXPECTED = "%(field)s is compared with a text: write it in quotes."
    SEGMENT_NUMBER_EXPECTED = "%(field)s is compared with a number, without quotes, such as 18 or 1.5."
    SEGMENT_BOOLEAN_EXPECTED = "%(field)s is compared with true or false, without quotes."
    SEGMENT_DATE_EXPECTED = (
        '%(field)s is compared with a date such as "2026-11-29", today, today + 3 days or 3 days ago.'
    )
    SEGMENT_DATETIME_EXPECTED = (
        '%(field)s is compared with a date such as "2026-11-29", with a date and time with its offset from UTC such as '
        '"2026-11-29T18:25:00Z", or with today, today + 3 days or 3 days ago.'
    )
    SEGMENT_EMPTY_TEXT = "No value is an empty text. For clients without a value, write “does not exist”."
    SEGMENT_TEXT_TOO_LONG = "A value has at most %(limit)s characters."
    SEGMENT_NUMBER_TOO_LONG = "A number has at most %(limit)s digits."
    SEGMENT_NOT_DIGITS = "Must be a phone number or a part of one: 1 to 15 digits."
    SEGMENT_NOT_WHOLE = "Must be a whole number from %(minimum)s to %(maximum)s."
    NO_SUCH_NUMBER_LIST = "There is no number list %(list)s."
    SEGMENT_LEDGER_REMOVED = "The messages of mailing %(mailing)s are no longer kept."
    SEGMENT_NOT_A_NODE = "Must be an object with the keys of one kind: and; or; not; field, operator, value; event."
    SEGMENT_NOT_NODES = "Must be an array of two or more conditions."
    SEGMENT_NOT_A_FIELD = "Must be the name of a field."
    SEGMENT_NOT_A_VALUE = (
        'Must be a string, a number, a boolean, an array of these, or an object such as {"today": -3}.'
    )
    SEGMENT_TEXT_OR_TREE = "Give one of: %(choices)s."
    NOT_SEGMENT_IDS = "Must be an array of at most %(limit)s ids of segments."
    SEGMENT_IS_TOO_SLOW = (
        "The clients of this segment could not be counted in %(seconds)s s. Make it smaller with a condition on an "
        "operator code, a tag or a field, or raise SEGMENT_TIMEOUT."
    )
    SEGMENT_NAME_TAKEN = "There is another segment with this name."
    SEGMENT_IS_IN_USE = "Mailing %(mailing)s uses this segment and has not been launched. Change or cancel it first."
    NO_SUCH_SEGMENT = "There is no segment %(segment)s."

    # A route
    ROUTE_NAME_TAKEN = "There is another route with this name."
    ROUTE_IS_KEPT = "The route `default` can't be removed or renamed."
    ROUTE_MATCHES_ALL = "The route `default` is for all messages that no other route matches: it has no conditions."
    ROUTE_IS_IN_USE = "Mailing %(mailing)s takes this route and has not ended. Change or cancel it first."
    NOT_LISTED_GATEWAYS = (
        "Must be an array of 1 to 20 objects with the name of a gateway and optionally a weight from 0 to 10000."
    )
    NO_GATEWAYS = "Name at least one gateway."
    GATEWAY_LISTED_TWICE = "Gateway %(gateway)s is listed twice."
    WEIGHTS_MIXED = "Give a weight to every gateway, or to none."
    WEIGHTS_ARE_ZERO = "At least one weight must be greater than 0."
    NOT_DIGITS = "Must be 1 to 15 digits each."
    PREFIX_TAKEN = "Numbers that begin with %(prefix)s take route %(route)s already."
    OPERATOR_CODE_TAKEN = "Numbers of operator code %(operator_code)s take route %(route)s already."

    # JSON, of a body or of a line of a file
    JSON_NOT_UTF_8 = "The %(what)s is not UTF-8: byte %(byte)s is out of place."
    NOT_JSON = "The %(what)s is not JSON: %(fault)s at line %(line)s column %(column)s."
    NOT_A_JSON_NUMBER = "The %(what)s is not JSON: there is no %(name)s in it."
    NESTED_TOO_DEEP = "The %(what)s is nested too deep."
    NAME_REPEATED = "The %(what)s has %(name)s more than once."
    NAME_WITH_SURROGATE = "The %(what)s has a name with half of a surrogate pair in it."
    TOO_MANY_DIGITS = "The %(what)s holds a number of too many digits."
    BODY_NOT_DECLARED_JSON = "Send the body as Content-Type: application/json."

    # A file of clients as a whole
    FILE_TYPE_UNKNOWN = "Send the file as Content-Type: %(csv)s or %(ndjson)s."
    CONTENT_ENCODING_UNKNOWN = "The only Content-Encoding that is taken is gzip."
    FILE_JSON_NOT_UTF_8 = "Send JSON in UTF-8."
    FILE_CUT_OFF = "The body ended early, or did not go on. Nothing has changed."
    TOO_MANY_UPLOADS = "Too many uploads are under way. Try again."
    UPLOAD_TOO_SLOW = "The upload has taken too long."
    NOT_GZIP = "The body is not gzip, or not the whole of it."
    FILE_EMPTY = "The file is empty."
    ENCODING_UNKNOWN = "This encoding is not read. Those that are: %(choices)s."
    ENCODING_UNDETECTABLE = (
        "The encoding can't be told: line %(line)s is neither UTF-8 nor plain Windows-1251. "
        "Save the file as CSV UTF-8, or say which encoding it is in."
    )
    ENCODINGS_CONTRADICT = (
        "The encoding can't be told: lines %(first)s and %(line)s are in different ones. "
        "Save the file as CSV UTF-8, or say which encoding it is in."
    )
    WORKBOOK = "This is a workbook or an archive, and not a text. Save the sheet as “CSV UTF-8”, and send that file."
    OLD_WORKBOOK = (
        "This is a workbook of an old Excel, and not a text. Save the sheet as “CSV UTF-8”, and send that file."
    )
    PACKED = "This is packed with gzip. Unpack it, or announce it as Content-Encoding: gzip."
    WEB_PAGE = "This is a web page or XML, and not CSV. Open it in Excel, save it as “CSV UTF-8”, and send that file."
    PDF = "This is a PDF, and not a text. Send the clients as CSV."
    UTF_32 = "This is UTF-32, which is not read. Save the file as UTF-8."
    HEADER_UNREADABLE = "The first line, which names the columns: %(fault)s"
    COLUMN_MISSING = "Missing column: the first line names all four."
    COLUMN_UNKNOWN = "Unknown column."
    COLUMN_NEEDED = "The first line must name this column."
    COLUMN_TWICE = "Named more than once."
    COLUMN_NOT_IN_FILE = "The file has no column with this name."
    NOT_CHOICES_OF_COLUMNS = (
        'Must be a JSON object: by the name of a column its field, null to ignore it, or {"field": "city", '
        '"type": "text"} for a new field.'
    )
    FIELD_HAS_ANOTHER_TYPE = "Another request has just declared the field %(name)s with another type. Try again."

    # A row of it
    ROW_EMPTY = "The row is empty."
    WRONG_ENCODING = "Is not %(encoding)s."
    ENCODING_AMBIGUOUS = "Could be UTF-8 or Windows-1251: say which encoding the file is in."
    LINE_TOO_LONG = "Is longer than 65,536 characters."
    QUOTE_NOT_CLOSED = "A quote is not closed, or not where its cell ends."
    QUOTE_NOT_DOUBLED = "Is not CSV: a quote is inside of a cell in quotes, and not there twice."
    WRONG_NUMBER_OF_COLUMNS = "Has %(count)s columns, and the header has %(expected)s."
    MORE_ERRORS = "Has %(count)s more errors."
    NUMBER_IN_FILE_TWICE = "The same phone number as in line %(line)s."
    EXTERNAL_ID_IN_FILE_TWICE = "The same external id as in line %(line)s, which has another phone number."
    EXTERNAL_ID_OF_CLIENT = (
        "Client %(client)s, with another phone number, has this external id. If it is the same person, change the "
        "phone number of that client first."
    )
    OPERATOR_CODE_NOT_IN_PLAN = "The number's plan has no operator code. Give the client's operator code in the file."
    TIMEZONE_NOT_IN_PLAN = (
        "The number's plan does not tell the time zone, as of most mobile phones in a country with several. Give the "
        "time zone in the file, or one for all such rows (`default_timezone`)."
    )


def code_of(text: str) -> str | None:
    """The code of a sentence; None for a text without one."""
    return str(text.code) if isinstance(text, Sentence) else None


def sentence_of(code: str, parameters: Parameters, catalogue: type[Code] = ErrorCode) -> str:
    """The sentence of a code as it was stored or sent; a text that is no code is returned as it is."""
    try:
        return catalogue[code.upper()](**parameters)
    except KeyError:
        return code

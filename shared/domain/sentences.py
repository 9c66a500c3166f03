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


@enum.unique
class ErrorCode(Code):
    """Why a request, a field, a file or a row of it is refused."""

    # A request
    NOT_FOUND = "Not found."
    NO_SUCH_CLIENT = "There is no client %(client)s."
    NO_SUCH_MAILING = "There is no mailing %(mailing)s."
    NO_SUCH_MESSAGE = "There is no message %(message)s."
    NO_SUCH_DRAFT = "There is no draft %(draft)s."
    NO_SUCH_GATEWAY = "There is no gateway %(gateway)s."
    NO_SUCH_ROUTE = "There is no route %(route)s."
    NO_SUCH_KEY = "There is no key %(key)s."
    NO_SUCH_CHOICE = "There is no such choice."
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
    NOT_A_TIMEZONE = "Must be the name of an IANA time zone, such as Europe/Moscow."
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
    NOT_LAUNCHED = "Mailing %(mailing)s is not launched yet: there is nothing to retry."
    LEDGER_REMOVED = "The messages of mailing %(mailing)s are no longer kept. Create a new one instead."
    WINDOW_CLOSED = "The window of mailing %(mailing)s has closed: nothing is sent after it. Create a new one."
    NO_MESSAGES_OF_STATUS = "Mailing %(mailing)s has no %(status)s messages."
    STATUS_NOT_RETRIED = "Messages that are %(status)s are not tried again."
    MESSAGE_NOT_UNKNOWN = "Message %(message)s is %(status)s: only what is unknown can be decided."
    CLIENT_IS_REMOVED = "The client was removed: nothing is sent to them any more."
    DRAFT_IS_SENT = "Draft %(draft)s has been sent already: it is mailing %(mailing)s."
    TOO_LATE_TO_UNDO = "Mailing %(mailing)s is %(status)s: it is too late to make it a draft again."
    AUDIENCE_HAS_GROWN = "There are %(count)s clients now, and %(before)s were shown before."
    WARNINGS_UNCONFIRMED = "Confirm each warning first."

    ROUTE_IS_FIXED = (
        "Mailing %(mailing)s has been launched, and its route can't be changed any more. "
        "Cancel it (POST /v1/mailing/%(mailing)s/cancel/) and create a new mailing instead."
    )

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
    GATEWAY_IS_PAUSED = "Gateway %(gateway)s is paused: nothing is sent through it."
    NOT_A_CURRENCY = "Must be the three letters of a currency (ISO 4217), such as EUR."
    PRICE_RANGE = "Must be from 0 to 999999.999999."
    PRICE_AND_CURRENCY = "A price needs a currency, and a currency a price."
    CURRENCY_IS_FIXED = "The currency is %(currency)s, in which the ledger has prices: it can't be changed any more."

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
    FILE_TYPE_UNKNOWN = "Send the clients as Content-Type: %(csv)s or %(ndjson)s."
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
    COLUMN_TWICE = "Named more than once."

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


def code_of(text: str) -> str | None:
    """The code of a sentence; None for a text without one."""
    return str(text.code) if isinstance(text, Sentence) else None


def sentence_of(code: str, parameters: Parameters, catalogue: type[Code] = ErrorCode) -> str:
    """The sentence of a code as it was stored or sent; a text that is no code is returned as it is."""
    try:
        return catalogue[code.upper()](**parameters)
    except KeyError:
        return code

"""Default answers to keywords, as data. Each fits into one segment: 160 characters of GSM-7, or 70 of UCS-2.

Texts in Latin letters keep to the GSM alphabet where the language allows it. They name no sender, so replace the answer
for `help` by one that says who sends and whom to ask: carriers of the USA and Canada require it (CTIA, "Messaging
Principles and Best Practices"; AWS, "Keywords in End User Messaging SMS"). The answer for `stop` is the only message
after a refusal, and advertises nothing: 47 CFR 64.1200(a)(12).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.domain.suppressions import KeywordAction

DEFAULT_LANGUAGE = "en"

REPLIES: dict[str, dict[KeywordAction, str]] = {
    "en": {
        KeywordAction.STOP: "You will not receive any more messages from us. To receive them again, reply START.",
        KeywordAction.START: "You will receive messages from us again. To stop them, reply STOP.",
        KeywordAction.HELP: "To stop messages from us, reply STOP. To receive them again, reply START.",
    },
    "ru": {
        KeywordAction.STOP: "Мы больше не будем вам писать. Чтобы вернуть сообщения: СТАРТ.",
        KeywordAction.START: "Вы снова будете получать сообщения. Чтобы отказаться: СТОП.",
        KeywordAction.HELP: "Чтобы отказаться от сообщений: СТОП. Чтобы вернуть их: СТАРТ.",
    },
    "uk": {
        KeywordAction.STOP: "Ми більше не писатимемо вам. Щоб повернути повідомлення: СТАРТ.",
        KeywordAction.START: "Ви знову отримуватимете повідомлення. Щоб відмовитися: СТОП.",
        KeywordAction.HELP: "Щоб відмовитися від повідомлень: СТОП. Щоб повернути їх: СТАРТ.",
    },
    "kk": {
        KeywordAction.STOP: "Сізге енді хабарлама жіберілмейді. Қайта алу үшін: БАСТАУ.",
        KeywordAction.START: "Сізге хабарламалар қайта жіберіледі. Тоқтату үшін: ТОҚТАТУ.",
        KeywordAction.HELP: "Хабарламаларды тоқтату үшін: ТОҚТАТУ. Қайта алу үшін: БАСТАУ.",
    },
    "fr": {
        KeywordAction.STOP: "Vous ne recevrez plus nos messages. Pour les recevoir de nouveau, répondez START.",
        KeywordAction.START: "Vous recevrez de nouveau nos messages. Pour ne plus les recevoir, répondez STOP.",
        KeywordAction.HELP: "Pour ne plus recevoir nos messages, répondez STOP. Pour les recevoir de nouveau, "
        "répondez START.",
    },
    "es": {
        KeywordAction.STOP: "Ya no le enviaremos mensajes. Para volver a recibirlos, responda ALTA.",
        KeywordAction.START: "Le enviaremos mensajes de nuevo. Para dejar de recibirlos, responda BAJA.",
        KeywordAction.HELP: "Para dejar de recibir mensajes, responda BAJA. Para volver a recibirlos, responda ALTA.",
    },
    "pt": {
        KeywordAction.STOP: "O envio de mensagens foi cancelado. Para voltar a receber, responda INICIAR.",
        KeywordAction.START: "O envio de mensagens foi retomado. Para deixar de receber, responda SAIR.",
        KeywordAction.HELP: "Para deixar de receber mensagens, responda SAIR. Para voltar a receber, responda INICIAR.",
    },
    "de": {
        KeywordAction.STOP: "Sie erhalten keine Nachrichten mehr von uns. Um sie wieder zu erhalten, antworten Sie "
        "mit START.",
        KeywordAction.START: "Sie erhalten wieder Nachrichten von uns. Um sie abzubestellen, antworten Sie mit STOPP.",
        KeywordAction.HELP: "Um unsere Nachrichten abzubestellen, antworten Sie mit STOPP. Um sie wieder zu erhalten, "
        "antworten Sie mit START.",
    },
    "it": {
        KeywordAction.STOP: "Non riceverà più i nostri messaggi. Per riceverli di nuovo, risponda START.",
        KeywordAction.START: "Riceverà di nuovo i nostri messaggi. Per non riceverli più, risponda STOP.",
        KeywordAction.HELP: "Per non ricevere più i nostri messaggi, risponda STOP. Per riceverli di nuovo, "
        "risponda START.",
    },
    "pl": {
        KeywordAction.STOP: "Nie wyślemy już wiadomości. Aby je znów otrzymywać: START.",
        KeywordAction.START: "Znów będziemy wysyłać wiadomości. Aby zrezygnować: STOP.",
        KeywordAction.HELP: "Aby zrezygnować z wiadomości: STOP. Aby je znów otrzymywać: START.",
    },
    "tr": {
        KeywordAction.STOP: "Artık mesaj almayacaksınız. Yeniden almak için BAŞLA yazın.",
        KeywordAction.START: "Yeniden mesaj alacaksınız. Durdurmak için DUR yazın.",
        KeywordAction.HELP: "Mesajları durdurmak için DUR, yeniden almak için BAŞLA yazın.",
    },
}
"""The answers by language (ISO 639-1) and action."""


def default_reply(action: KeywordAction, language: str | None) -> str:
    """The answer to a keyword, in a language such as `pt` or `pt-BR`; in English if there is none in that language."""
    return REPLIES.get(_primary(language), REPLIES[DEFAULT_LANGUAGE])[action]


def reply_text(action: KeywordAction, language: str, configured: Mapping[str, Mapping[str, str | None]]) -> str | None:
    """The answer to a keyword, in a language, else in English; None if it is switched off.

    `configured` has the texts that differ from the defaults, by action and language; None switches one off.
    """
    texts = configured.get(action.value, {})
    for tried in (language, DEFAULT_LANGUAGE):
        if tried in texts:
            return texts[tried]
        if tried in REPLIES:
            break
    return default_reply(action, language)


def reply_language(languages: Collection[str], own: str | None, default: str) -> str:
    """The language (ISO 639-1) of the answer to a keyword that these languages have.

    The client's own one, such as `pt` or `pt-BR`, if it is one of them; else the only one of them; else the default.
    """
    if own and _primary(own) in languages:
        return _primary(own)
    return next(iter(languages)) if len(languages) == 1 else default


def _primary(language: str | None) -> str:
    return (language or DEFAULT_LANGUAGE).strip().replace("_", "-").partition("-")[0].lower()

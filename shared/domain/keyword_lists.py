"""Keywords of inbound messages, as data: words that recipients send to stop messages, start them again or get help.

A text that is one of the keywords and nothing else acts at once, so these lists have only words that are hardly sent
as the answer to another question. For this reason they leave out:
- YES, which carriers of the USA take for START, and its translations: they would lift a refusal by mistake;
- NO, which some senders take for STOP;
- FINE, Italian for END in one vendor's list, because an English speaker says it to agree;
- TD, which one vendor requires, because nobody outside it knows the word.

Words are written as people see them; `shared.domain.keywords` compares them in normalized form. A word that several
languages use is in the list of each. No word may have two actions: the module does not load with such a word.
"""

from __future__ import annotations

from shared.domain.suppressions import KeywordAction

# Sources that several lists name:
# - FCC: 47 CFR 64.1200(a)(10), in force from 11 April 2025: stop, quit, end, revoke, opt out, cancel and unsubscribe
#   revoke consent in any case.
# - Twilio: "Twilio support for opt-out keywords" (help article 223134027): FCC's words as STOP STOPALL UNSUBSCRIBE
#   CANCEL END QUIT REVOKE OPTOUT; START YES UNSTOP; HELP INFO. Braze and Klaviyo have nearly the same.
# - AWS: End User Messaging SMS, "Required opt-out keywords": also OPT-OUT, REMOVE, ARRET.
# - Telnyx: "SMS opt-out keywords and stop words": also STOP ALL.
# - sent.dm: "SMS guide" of each country.
# Words for which no source is named are translations, or other forms of those that have one.
KEYWORDS: dict[str, dict[KeywordAction, tuple[str, ...]]] = {
    # FCC, Twilio, AWS, Telnyx. UNSUB: Brevo, for Norway. SUBSCRIBE: Telnyx, "Advanced opt-in/out".
    "en": {
        KeywordAction.STOP: (
            *("STOP", "STOPALL", "STOP ALL", "QUIT", "END", "REVOKE", "OPT OUT", "OPTOUT", "CANCEL", "UNSUBSCRIBE"),
            *("REMOVE", "UNSUB"),
        ),
        KeywordAction.START: ("START", "UNSTOP", "SUBSCRIBE"),
        KeywordAction.HELP: ("HELP", "INFO"),
    },
    # STOP and СТОП: sent.dm, Russia and Kazakhstan. No list of a vendor was found for the others. ОТМЕНА (CANCEL) is
    # not among them: no rule requires it, and it is a usual answer to the reminder of an appointment.
    "ru": {
        KeywordAction.STOP: ("STOP", "СТОП", "ОТПИСКА", "ОТПИСАТЬСЯ", "ОТПИШИТЕ", "ОТПИШИТЕ МЕНЯ", "ОТКАЗ", "ХВАТИТ"),
        KeywordAction.START: ("START", "СТАРТ", "ПОДПИСКА", "ПОДПИСАТЬСЯ"),
        KeywordAction.HELP: ("HELP", "ПОМОЩЬ", "СПРАВКА", "ИНФО"),
    },
    # sent.dm, Ukraine: STOP, HELP and the Ukrainian words for UNSUBSCRIBE and HELP.
    "uk": {
        KeywordAction.STOP: ("STOP", "СТОП", "ВІДПИСКА", "ВІДПИСАТИСЯ", "ВІДПИСАТИСЬ", "ВІДМОВА", "ДОСИТЬ"),
        KeywordAction.START: ("START", "СТАРТ", "ПІДПИСКА", "ПІДПИСАТИСЯ", "ПІДПИСАТИСЬ"),
        KeywordAction.HELP: ("HELP", "ДОПОМОГА", "ДОВІДКА", "ІНФО"),
    },
    # sent.dm, Kazakhstan: STOP, HELP and the Russian and Kazakh words for them. Also as written without Kazakh letters.
    "kk": {
        KeywordAction.STOP: ("STOP", "СТОП", "ТОҚТАТУ", "ТОҚТАТ", "ТОҚТА", "ТОКТАТУ", "ТОКТАТ", "ТОКТА", "БАС ТАРТУ"),
        KeywordAction.START: ("START", "СТАРТ", "БАСТАУ"),
        KeywordAction.HELP: ("HELP", "КӨМЕК", "КОМЕК", "АНЫҚТАМА", "АНЫКТАМА"),
    },
    # STOP: obligatory in France (Brevo, article 115001945670). ARRET, DEBUT, DEBUTER, NONARRET: toll-free numbers of
    # Canada and the USA (Sakari, "Opt-out and opt-in keywords"). FIN, ARRET, AIDE: GC Notify
    # (cds-snc/notification-api#809, cds-snc/notification-terraform#2090 and #2625).
    "fr": {
        KeywordAction.STOP: (
            *("STOP", "STOP SMS", "ARRÊT", "ARRÊTER", "ARRÊTEZ", "FIN", "DÉSABONNER", "DÉSABONNEMENT"),
            *("DÉSINSCRIRE", "DÉSINSCRIPTION"),
        ),
        KeywordAction.START: ("START", "DÉBUT", "DÉBUTER", "NONARRÊT", "NON ARRÊT"),
        KeywordAction.HELP: ("HELP", "AIDE", "INFO"),
    },
    # ALTO, INICIO, AUXILIO: Textizen, "Reserved keywords". BAJA, PARAR, CANCELAR, ALTA, COMENZAR, SUSCRIBIRME:
    # Notifycame, "Funciones de SMS". DETENER, DESUSCRIBIR, INICIAR, SUSCRIBIR: Aivo, "Gestión de opt-out". NO MÁS: an
    # example of CompliancePoint, on the FCC's rule.
    "es": {
        KeywordAction.STOP: (
            *("STOP", "BAJA", "DAR DE BAJA", "DARME DE BAJA", "ALTO", "PARAR", "NO MÁS", "CANCELAR", "DETENER"),
            *("DESUSCRIBIR", "FIN"),
        ),
        KeywordAction.START: ("START", "ALTA", "INICIO", "INICIAR", "COMENZAR", "SUSCRIBIR", "SUSCRIBIRME"),
        KeywordAction.HELP: ("HELP", "AYUDA", "AUXILIO", "INFO"),
    },
    # SAIR: Anatel (Brazil), for the operators' advertising. PARAR, CANCELAR, REMOVER, DESCADASTRAR, INICIAR, CADASTRAR:
    # Aivo, "Gestão de opt-out".
    "pt": {
        KeywordAction.STOP: ("STOP", "SAIR", "PARAR", "PARE", "CANCELAR", "REMOVER", "DESCADASTRAR"),
        KeywordAction.START: ("START", "INICIAR", "CADASTRAR"),
        KeywordAction.HELP: ("HELP", "AJUDA", "INFO"),
    },
    # STOPP: Brevo, article 115001945670 in German. ABMELDEN, ABBESTELLEN: ActiveCampaign, "Anforderungen
    # an SMS-STOP-Klauseln".
    "de": {
        KeywordAction.STOP: ("STOP", "STOPP", "ABMELDEN", "ABMELDUNG", "ABBESTELLEN"),
        KeywordAction.START: ("START", "ANMELDEN", "ANMELDUNG"),
        KeywordAction.HELP: ("HELP", "HILFE", "INFO"),
    },
    # ANNULLA: AGCOM (Italy), for subscriptions. DISISCRIZIONE: ActiveCampaign, "Requisiti della clausola SMS STOP".
    "it": {
        KeywordAction.STOP: ("STOP", "ANNULLA", "BASTA", "CANCELLAMI", "DISISCRIVIMI", "DISISCRIZIONE"),
        KeywordAction.START: ("START", "INIZIA", "ISCRIVIMI"),
        KeywordAction.HELP: ("HELP", "AIUTO", "INFO"),
    },
    # sent.dm, Poland: STOP, ZAKOŃCZ, REZYGNACJA, POMOC, HELP.
    "pl": {
        KeywordAction.STOP: ("STOP", "ZAKOŃCZ", "REZYGNACJA", "REZYGNUJĘ", "WYPISZ", "WYPISZ MNIE"),
        KeywordAction.START: ("START", "ZAPISZ", "ZAPISZ MNIE"),
        KeywordAction.HELP: ("HELP", "POMOC", "INFO"),
    },
    # sent.dm, Turkey: İPTAL, DUR, YARDIM. RET: the national register of consents (İYS, short number 3338).
    "tr": {
        KeywordAction.STOP: ("STOP", "İPTAL", "DUR", "DURDUR", "RET"),
        KeywordAction.START: ("START", "BAŞLA", "BAŞLAT"),
        KeywordAction.HELP: ("HELP", "YARDIM", "BİLGİ", "INFO"),
    },
}
"""The keywords by language (ISO 639-1) and action."""

REFUSALS: dict[str, tuple[str, ...]] = {
    "en": (
        *("DON'T TEXT", "DONT TEXT", "DO NOT TEXT", "DON'T MESSAGE", "DO NOT MESSAGE", "DON'T CONTACT"),
        *("DO NOT CONTACT", "STOPPED", "STOPPING", "NO MORE MESSAGES", "NO MORE TEXTS", "TAKE ME OFF"),
        *("LEAVE ME ALONE", "NOT INTERESTED", "UNSUBSCRIBED", "OPTING OUT", "SPAM"),
    ),
    "ru": (
        *("НЕ ПИШИТЕ", "НЕ ПИШИ", "НЕ ПРИСЫЛАЙТЕ", "НЕ ОТПРАВЛЯЙТЕ", "НЕ ШЛИТЕ", "НЕ БЕСПОКОЙТЕ", "НЕ НАДО ПИСАТЬ"),
        *("УДАЛИТЕ МЕНЯ", "УДАЛИТЕ МОЙ НОМЕР", "ОТПИСАТЬ", "ОТСТАНЬТЕ", "ПРЕКРАТИТЕ", "ОТКАЗЫВАЮСЬ", "СПАМ"),
    ),
    "uk": (
        *("НЕ ПИШІТЬ", "НЕ НАДСИЛАЙТЕ", "НЕ ТУРБУЙТЕ", "ВИДАЛІТЬ МЕНЕ", "ВИДАЛІТЬ МІЙ НОМЕР", "ВІДПИШІТЬ"),
        *("ПРИПИНІТЬ", "ВІДМОВЛЯЮСЬ", "ВІДМОВЛЯЮСЯ"),
    ),
    "kk": ("ЖАЗБАҢЫЗ", "ЖІБЕРМЕҢІЗ", "МАЗАЛАМАҢЫЗ", "БАС ТАРТАМЫН"),
    "fr": ("NE M'ÉCRIVEZ PLUS", "N'ENVOYEZ PLUS", "NE M'ENVOYEZ PLUS", "LAISSEZ MOI TRANQUILLE", "PLUS DE MESSAGES"),
    "es": ("NO ME ESCRIBAN", "NO ME ESCRIBA", "NO ME ENVÍEN", "NO ME ENVÍE", "NO ME MANDEN", "NO ME MOLESTEN"),
    "pt": ("NÃO ME ENVIE", "NÃO ME ENVIEM", "NÃO ENVIE MAIS", "NÃO ENVIEM MAIS", "NÃO QUERO RECEBER", "DESCADASTRE"),
    "de": ("KEINE NACHRICHTEN MEHR", "KEINE SMS MEHR", "NICHT MEHR SCHREIBEN", "LASST MICH IN RUHE", "ABGEMELDET"),
    "it": ("NON SCRIVETEMI", "NON MANDATEMI", "NON INVIATEMI", "CANCELLATEMI", "LASCIATEMI IN PACE"),
    "pl": ("NIE PISZCIE", "NIE WYSYŁAJCIE", "NIE PRZYSYŁAJCIE", "PROSZĘ MNIE WYPISAĆ", "USUŃCIE MÓJ NUMER"),
    "tr": ("MESAJ ATMAYIN", "MESAJ GÖNDERMEYİN", "YAZMAYIN", "İSTEMİYORUM", "RAHATSIZ ETMEYİN"),
}
"""Phrases by language that may refuse messages in other words, and are for a person to read.

A reasonable person's understanding decides, whatever the words: 47 CFR 64.1200(a)(10) and article 18(1) of the Russian
law on advertising, 38-FZ. So these are examples, and a text without any of them can be a refusal too.
"""

"""The texts of the pages for recipients, as data: by the language's code (ISO 639-1)."""

from __future__ import annotations

from typing import NamedTuple


class PageTexts(NamedTuple):
    """The sentences in one language. `{number}` is the end of the phone number."""

    title: str
    question: str
    button: str
    done: str
    invalid: str
    """The token is forged, or a part of it is missing."""
    expired: str
    """The number of the message is not kept any more."""
    otherwise: str
    """How else to opt out."""
    later: str
    """Too many requests came, or the service is unavailable."""


LANGUAGES = {
    "en": PageTexts(
        title="Stop messages",
        question="Stop all our messages to the number ending in {number}?",
        button="Stop messages",
        done="Done. We will send no more messages to the number ending in {number}. A message that is on its way may "
        "still arrive.",
        invalid="This link is not valid. Check that it is complete, as it was in the message.",
        expired="This link has expired: your phone number is no longer stored with this message.",
        otherwise="To stop messages in another way, reply STOP to a message, or contact its sender.",
        later="This does not work at the moment. Please try again later.",
    ),
    "ru": PageTexts(
        title="Отказ от сообщений",
        question="Больше не отправлять сообщения на номер, который заканчивается на {number}?",
        button="Отказаться от сообщений",
        done="Готово. Мы больше не будем отправлять сообщения на номер, который заканчивается на {number}. Сообщение, "
        "которое уже отправляется, ещё может прийти.",
        invalid="Ссылка недействительна. Проверьте, что она открыта целиком, как в сообщении.",
        expired="Срок действия ссылки истёк: ваш номер больше не хранится вместе с этим сообщением.",
        otherwise="Отказаться можно и по-другому: ответьте на сообщение словом СТОП или обратитесь к отправителю.",
        later="Сейчас это не удалось. Попробуйте ещё раз позже.",
    ),
    "uk": PageTexts(
        title="Відмова від повідомлень",
        question="Більше не надсилати повідомлення на номер, який закінчується на {number}?",
        button="Відмовитися від повідомлень",
        done="Готово. Ми більше не надсилатимемо повідомлення на номер, який закінчується на {number}. Повідомлення, "
        "яке вже надсилається, ще може надійти.",
        invalid="Посилання недійсне. Перевірте, чи воно відкрите повністю, як у повідомленні.",
        expired="Термін дії посилання минув: ваш номер більше не зберігається разом із цим повідомленням.",
        otherwise="Відмовитися можна й інакше: дайте відповідь СТОП на повідомлення або зверніться до відправника.",
        later="Зараз це не вдалося. Спробуйте ще раз пізніше.",
    ),
    "fr": PageTexts(
        title="Ne plus recevoir de messages",
        question="Ne plus recevoir nos messages au numéro se terminant par {number} ?",
        button="Ne plus recevoir de messages",
        done="C’est fait. Nous n’enverrons plus de messages au numéro se terminant par {number}. Un message en cours "
        "d’envoi peut encore arriver.",
        invalid="Ce lien n’est pas valable. Vérifiez qu’il est complet, comme dans le message.",
        expired="Ce lien a expiré : votre numéro n’est plus conservé avec ce message.",
        otherwise="Vous pouvez aussi répondre STOP à un message, ou contacter son expéditeur.",
        later="Cela ne fonctionne pas pour le moment. Veuillez réessayer plus tard.",
    ),
    "es": PageTexts(
        title="Dejar de recibir mensajes",
        question="¿Quiere dejar de recibir nuestros mensajes en el número que termina en {number}?",
        button="Dejar de recibir mensajes",
        done="Hecho. No enviaremos más mensajes al número que termina en {number}. Es posible que aún llegue un "
        "mensaje que ya se está enviando.",
        invalid="Este enlace no es válido. Compruebe que está completo, como en el mensaje.",
        expired="Este enlace ha caducado: su número ya no se conserva con este mensaje.",
        otherwise="También puede responder BAJA a un mensaje o ponerse en contacto con el remitente.",
        later="No funciona en este momento. Inténtelo de nuevo más tarde.",
    ),
    "de": PageTexts(
        title="Nachrichten abbestellen",
        question="Möchten Sie keine Nachrichten mehr von uns an die Nummer mit der Endung {number}?",
        button="Nachrichten abbestellen",
        done="Erledigt. Wir senden keine Nachrichten mehr an die Nummer mit der Endung {number}. Eine Nachricht, die "
        "gerade gesendet wird, kann noch ankommen.",
        invalid="Dieser Link ist ungültig. Prüfen Sie, ob er vollständig ist, wie in der Nachricht.",
        expired="Dieser Link ist abgelaufen: Ihre Nummer ist mit dieser Nachricht nicht mehr gespeichert.",
        otherwise="Sie können auch auf eine Nachricht mit STOPP antworten oder sich an den Absender wenden.",
        later="Das ist im Moment nicht möglich. Bitte versuchen Sie es später erneut.",
    ),
    "pt": PageTexts(
        title="Deixar de receber mensagens",
        question="Quer deixar de receber as nossas mensagens no número que termina em {number}?",
        button="Deixar de receber mensagens",
        done="Pronto. Não enviaremos mais mensagens para o número que termina em {number}. Uma mensagem que já está a "
        "caminho ainda pode chegar.",
        invalid="Este link não é válido. Verifique se está completo, como na mensagem.",
        expired="Este link expirou: o seu número já não está guardado com esta mensagem.",
        otherwise="Também pode responder SAIR a uma mensagem ou contactar o remetente.",
        later="Isto não funciona neste momento. Tente novamente mais tarde.",
    ),
    "it": PageTexts(
        title="Non ricevere più messaggi",
        question="Non vuole più ricevere i nostri messaggi al numero che termina con {number}?",
        button="Non ricevere più messaggi",
        done="Fatto. Non invieremo più messaggi al numero che termina con {number}. Un messaggio già in corso di invio "
        "può ancora arrivare.",
        invalid="Questo link non è valido. Verifichi che sia completo, come nel messaggio.",
        expired="Questo link è scaduto: il Suo numero non è più conservato con questo messaggio.",
        otherwise="Può anche rispondere STOP a un messaggio o contattare il mittente.",
        later="Al momento non è possibile. Riprovi più tardi.",
    ),
    "pl": PageTexts(
        title="Rezygnacja z wiadomości",
        question="Czy nie chcesz już otrzymywać od nas wiadomości na numer kończący się na {number}?",
        button="Rezygnuję z wiadomości",
        done="Gotowe. Nie będziemy już wysyłać wiadomości na numer kończący się na {number}. Wiadomość, która jest "
        "właśnie wysyłana, może jeszcze dotrzeć.",
        invalid="Ten link jest nieprawidłowy. Sprawdź, czy jest kompletny, tak jak w wiadomości.",
        expired="Ten link wygasł: Twój numer nie jest już przechowywany z tą wiadomością.",
        otherwise="Możesz też odpowiedzieć STOP na wiadomość lub skontaktować się z nadawcą.",
        later="W tej chwili to nie działa. Spróbuj ponownie później.",
    ),
    "tr": PageTexts(
        title="Mesaj almayı durdur",
        question="Sonu {number} olan numaraya artık mesaj göndermeyelim mi?",
        button="Mesajları durdur",
        done="Tamam. Sonu {number} olan numaraya artık mesaj göndermeyeceğiz. Şu anda gönderilmekte olan bir mesaj "
        "yine de gelebilir.",
        invalid="Bu bağlantı geçerli değil. Mesajdaki gibi eksiksiz olduğunu kontrol edin.",
        expired="Bu bağlantının süresi doldu: numaranız artık bu mesajla birlikte saklanmıyor.",
        otherwise="Bir mesajı STOP yazarak yanıtlayabilir veya gönderenle iletişime geçebilirsiniz.",
        later="Bu şu anda yapılamıyor. Lütfen daha sonra tekrar deneyin.",
    ),
    "kk": PageTexts(
        title="Хабарламалардан бас тарту",
        question="Соңы {number} болатын нөмірге енді хабарлама жібермейік пе?",
        button="Хабарламалардан бас тарту",
        done="Дайын. Соңы {number} болатын нөмірге енді хабарлама жібермейміз. Дәл қазір жіберіліп жатқан хабарлама "
        "әлі де келуі мүмкін.",
        invalid="Сілтеме жарамсыз. Оның хабарламадағыдай толық екенін тексеріңіз.",
        expired="Сілтеменің мерзімі өтті: нөміріңіз енді бұл хабарламамен бірге сақталмайды.",
        otherwise="Хабарламаға ТОҚТАТУ деп жауап беруге немесе жіберушіге хабарласуға да болады.",
        later="Қазір бұл мүмкін болмады. Кейінірек қайталап көріңіз.",
    ),
}


def language_of(written: str | None) -> str | None:
    """The language of the texts that a tag such as `ru` or `pt-BR` names; None if there are none in it."""
    code = (written or "").strip().lower().replace("_", "-").partition("-")[0]
    return code if code in LANGUAGES else None

"""What can go wrong, as finished sentences for the person who meets it, in Russian and English.

Knows wording and exit codes; knows nothing of where the sentence will be shown.
"""

from __future__ import annotations

import errno
from typing import ClassVar, Final, NamedTuple


class Reason(NamedTuple):
    """A part of a sentence, in both languages."""

    ru: str
    en: str


# What systems say in English only.
_REASONS: Final = {
    errno.ENOENT: "такого файла или такой папки нет", errno.EACCES: "нет прав", errno.EPERM: "нет прав",
    errno.EISDIR: "это папка", errno.ENOTDIR: "на пути к нему файл, а не папка", errno.ENOSPC: "нет места",
    errno.EROFS: "туда нельзя писать", errno.ENAMETOOLONG: "слишком длинное имя", errno.EADDRINUSE: "он занят",
    errno.EADDRNOTAVAIL: "такого адреса у этой машины нет", errno.ENETUNREACH: "сети нет",
    errno.EPIPE: "читать их некому", errno.EBADF: "этот поток закрыт", errno.EIO: "диск отвечает ошибкой",
    errno.EFBIG: "файл слишком велик", errno.ELOOP: "ссылки ведут по кругу",
}  # fmt: skip


class BoxError(Exception):
    """Base of the tree. `details` fill the sentence; `exit_code` is what the process returns.

    A detail may be a Reason or an OSError, which is told in the language of the sentence.
    """

    en: ClassVar[str] = "Something went wrong: {reason}"
    ru: ClassVar[str] = "Что-то пошло не так: {reason}"
    exit_code: ClassVar[int] = 1

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(self.sentence("en"))

    def sentence(self, language: str) -> str:
        """The sentence in `language` ("ru" or "en")."""
        details = {name: _told(value, language) for name, value in self.details.items()}
        return (self.ru if language == "ru" else self.en).format(**details)


def _told(value: object, language: str) -> object:
    if isinstance(value, Reason):
        return value.ru if language == "ru" else value.en
    if isinstance(value, OSError):
        told = value.strerror or value
        return _REASONS.get(value.errno or 0, told) if language == "ru" else told
    return value


class UsageError(BoxError):
    """The command line cannot be understood."""

    en = "{reason} See --help."
    ru = "{reason} Смотри --help."
    exit_code = 2


class UnknownSetting(UsageError):
    en = "There is no setting called {name}. Did you mean {nearest}?"
    ru = "Нет настройки {name}. Может быть, {nearest}?"


class BadSetting(UsageError):
    en = "{name} cannot be {value}: it takes {expected}."
    ru = "{name} не может быть {value}: подойдёт {expected}."


class MindError(BoxError):
    """The mind cannot be opened."""


class NoMind(MindError):
    en = "This program carries no mind of its own. Give the path of a .mind file or of a box: {program} PATH"
    ru = "В этой программе нет своего разума. Укажи файл .mind или коробку: {program} ПУТЬ"
    exit_code = 2


class MindMissing(MindError):
    en = "There is no mind at {path}. Give the path of a .mind file or of another box."
    ru = "По пути {path} разума нет. Укажи файл .mind или другую коробку."


class MindUnreadable(MindError):
    en = "The mind {path} cannot be read: {reason}."
    ru = "Не получается прочесть разум {path}: {reason}."


class NoMindInside(MindError):
    en = "{path} carries no mind: it is neither a .mind file nor a box. Give another file."
    ru = "В {path} нет разума: это не файл .mind и не коробка. Укажи другой файл."


class MindTruncated(MindError):
    en = "The mind {path} is cut short: {expected} bytes are needed, {actual} are there. Copy or download it again."
    ru = "Разум {path} оборван: нужно байтов {expected}, а есть {actual}. Скопируй или скачай его ещё раз."


class MindDamaged(MindError):
    en = "The mind {path} is damaged: {reason}. Copy or download it again."
    ru = "Разум {path} повреждён: {reason}. Скопируй или скачай его ещё раз."


class MindTooNew(MindError):
    en = "The mind {path} has the format {format}, this program reads {known}. Get a newer box to open it."
    ru = "У разума {path} формат {format}, а эта программа читает {known}. Нужна коробка поновее."


class MindMisfit(MindError):
    en = "The mind {path} does not fit together: {reason}. It was exported wrongly; ask its maker."
    ru = "Разум {path} не сходится сам с собой: он неверно выгружен, спроси автора. Ему это скажет больше: {reason}."


class MindTooLarge(MindError):
    en = "There is not enough memory for the mind {path}. Close other programs, or choose a smaller mind."
    ru = "На разум {path} не хватает памяти. Закрой другие программы или выбери разум поменьше."


class SelftestFailed(MindError):
    en = "The selftest failed: {reason}. This machine computes something else than the mind's maker saw."
    ru = "Самопроверка не прошла: {reason}. Эта машина считает не то, что видел автор разума."
    exit_code = 3


class MessageTooLong(BoxError):
    en = (
        "This takes {tokens} tokens, and the mind holds {limit} beside its answer. Shorten the line or the system text."
    )
    ru = "Это слишком длинно: токенов {tokens}, а у разума места на {limit} и ответ. Сократи реплику или наставление."


class PromptTooLong(MessageTooLong):
    en = "This takes {tokens} tokens, and the mind holds {limit} together with its answer. Shorten the request."
    ru = "Это слишком длинно: токенов {tokens}, а у разума места на {limit} вместе с ответом. Сократи запрос."


class NothingToRetry(BoxError):
    en = "There is no answer to go back to yet."
    ru = "Пока нет ответа, к которому можно вернуться."


class NothingSaid(BoxError):
    en = "Nothing has been said yet. Give a line: {command} LINE"
    ru = "Пока ничего не сказано. Дай реплику: {command} РЕПЛИКА"


class NoSuchVoice(BoxError):
    en = "This mind has no voice called “{name}”. It has: {known}."
    ru = "У этого разума нет голоса «{name}». Есть: {known}."
    exit_code = 2


class NothingToRate(BoxError):
    en = "There is no answer to rate yet."
    ru = "Пока нет ответа, который можно оценить."


class NothingToLookAt(BoxError):
    en = "There is no answer to look into yet."
    ru = "Пока нет ответа, в который можно заглянуть."


class NoSuchToken(BoxError):
    en = "The last answer has {count} tokens, and {number} is none of them. /look shows them all."
    ru = "В последнем ответе токенов {count}, и номера {number} среди них нет. Все они видны по /look."


class NoSuchAlternative(BoxError):
    en = "“{name}” is no alternative of token {number}. /look {number} lists them."
    ru = "«{name}» не среди вариантов токена {number}. Они перечислены по /look {number}."


class ConversationUnreadable(BoxError):
    en = "The conversation “{path}” cannot be opened: {reason}."
    ru = "Не получается открыть разговор «{path}»: {reason}."


class NotAConversation(BoxError):
    en = "{path} is not a conversation of this program."
    ru = "{path} — не разговор этой программы."


class ConversationUnwritable(BoxError):
    en = "The conversation cannot be saved in {path}: {reason}."
    ru = "Не получается сохранить разговор в {path}: {reason}."


class ConversationShared(BoxError):
    en = "Another program went on with the conversation {path}, and it is left to that one."
    ru = "Разговор {path} продолжила другая программа: он остаётся ей."


class FileExists(BoxError):
    en = "{path} is there already. Give another name."
    ru = "Файл {path} уже есть. Дай другое имя."


class RequestRefused(BoxError):
    """A request to the page's server that it does not serve."""


class NoToken(RequestRefused):
    en = "The key of this start of the program is not here. Open the full address that the program shows now."
    ru = "Здесь нет ключа нынешнего запуска программы. Открой полный адрес, который она показывает сейчас."


class WrongKey(RequestRefused):
    en = "This key does not fit. The program shows the right one when it starts."
    ru = "Этот ключ не подходит. Верный программа показывает, когда запускается."


class NoHost(RequestRefused):
    en = "This request does not say by its Host which address it asked for."
    ru = "В этом запросе нет Host: не видно, к какому адресу он пришёл."


class ForeignPage(RequestRefused):
    en = "This request came from {origin}, and only the program's own page is answered."
    ru = "Этот запрос пришёл от {origin}, а отвечают здесь только своей странице."


class NoSuchPlace(RequestRefused):
    en = "There is nothing at {path}."
    ru = "По адресу {path} ничего нет."


class WrongMethod(RequestRefused):
    en = "{path} does not know the method {method}."
    ru = "{path} не знает метода {method}."


class NotJson(RequestRefused):
    en = "The body of this request is not a JSON object in UTF-8."
    ru = "Тело этого запроса — не объект JSON в UTF-8."


class NotHttp(RequestRefused):
    en = "This is not a request in HTTP/1.1."
    ru = "Это не запрос по HTTP/1.1."


class BadField(RequestRefused):
    en = "{name} must be here and be of the type {expected}."
    ru = "Здесь нужно поле {name} типа {expected}."


class Unsupported(RequestRefused):
    en = "{name} is not supported here; leave it out."
    ru = "{name} здесь не поддерживается, убери это поле."


class RequestTooLarge(RequestRefused):
    en = "This request is too large: at most {limit} bytes are taken."
    ru = "Этот запрос слишком велик: принимается не больше {limit} байтов."


class HeadTooLarge(RequestTooLarge):
    en = "The address and the headers of this request are too long: at most {limit} bytes are taken."
    ru = "Адрес и заголовки этого запроса слишком длинные: принимается не больше {limit} байтов."


class TooManyAtOnce(RequestRefused):
    en = "The mind has its hands full. Try again in a few seconds."
    ru = "Разум сейчас очень занят. Попробуй через несколько секунд."


class MindBusy(RequestRefused):
    en = "Another mind is just waking up. Try again in a few seconds."
    ru = "Как раз просыпается другой разум. Попробуй через несколько секунд."


class MindOfTerminal(RequestRefused):
    en = "The page shares its mind with the terminal; change it there: /mind {name}"
    ru = "У страницы и терминала один разум на двоих; смени его в терминале: /mind {name}"


class NoSuchConversation(RequestRefused):
    en = "There is no conversation {name}. It may have been deleted."
    ru = "Разговора {name} нет. Может быть, он удалён."


class ConversationBusy(RequestRefused):
    en = "The mind is still answering in this conversation. Wait, or stop it."
    ru = "В этом разговоре разум ещё отвечает. Подожди или останови его."


class ConversationElsewhere(RequestRefused):
    en = "This conversation is going on in the terminal. Begin another one here, or say /reset there."
    ru = "Этот разговор идёт в терминале. Начни здесь другой или скажи там /reset."


class NoSuchModel(RequestRefused):
    en = "There is no model {name} here. This is {known}."
    ru = "Модели {name} здесь нет. Здесь {known}."


class NotAChatMind(RequestRefused):
    en = "This mind continues text rather than chatting: ask /v1/completions."
    ru = "Этот разум не беседует, а продолжает текст: спрашивай /v1/completions."


class NoChildhood(BoxError):
    en = "This mind does not remember its childhood: its card has none."
    ru = "Этот разум не помнит своего детства: в его карточке о нём ничего нет."


class PortTaken(BoxError):
    en = "The page cannot be opened at {address}: {reason}. Give another --port, or none: a free one will be found."
    ru = "Страницу не получается открыть по адресу {address}: {reason}. Дай другой --port или никакого."


class NoNetwork(BoxError):
    en = "This machine is in no local network ({reason}), so that --lan has nobody to let in."
    ru = "Эта машина не в локальной сети ({reason}), и пускать по --lan некого."


class ProcessorTooOld(BoxError):
    en = "This processor is too old for the program: numpy says “{reason}”. Try a computer that is newer."
    ru = "Этот процессор слишком старый для программы: numpy говорит «{reason}». Попробуй на компьютере поновее."


class NoRoom(BoxError):
    en = "There is no room in {path}, where the program unpacks itself. Free some 100 MB there, or take the archive."
    ru = "В {path}, куда программа распаковывает себя, нет места. Освободи там мегабайт сто или возьми архив."


class LibraryRefused(BoxError):
    en = (
        "The system lets no library be loaded from {path}: {reason}. Set {variable} to another folder, or take the "
        "archive."
    )
    ru = "Система не даёт загружать библиотеки из {path}: {reason}. Дай {variable} другую папку или возьми архив."


class BoxDamaged(BoxError):
    en = "This program is damaged: {reason}. Copy or download it again."
    ru = "Эта программа повреждена: {reason}. Скопируй или скачай её ещё раз."


class InputUnreadable(BoxError):
    en = "There is nowhere to read lines from: {reason}."
    ru = "Реплики неоткуда читать: {reason}."


class OutputClosed(BoxError):
    """Whoever read our answers has gone, as `head` does, or has no room; the code is the shell's for SIGPIPE."""

    en = "There is nowhere to write the answers ({reason}): stopping."
    ru = "Ответы некуда писать ({reason}): останавливаюсь."
    exit_code = 141


class ProgramBroke(BoxError):
    """A mistake of ours, not of the person."""

    en = "The program broke down: {reason}. Please show its maker the file with the details."
    ru = "Программа сломалась: {reason}. Пожалуйста, покажи её автору файл с подробностями."
    exit_code = 70


class Breakdown(ProgramBroke):
    """The same, where no other line says which file that is."""

    en = "The program broke down: {reason}. Please show its maker the file with the details: {path}"
    ru = "Программа сломалась: {reason}. Пожалуйста, покажи её автору файл с подробностями: {path}"

"""What the program says besides the mind's own words, in Russian and English."""

from __future__ import annotations

import locale
import os
import sys
from dataclasses import dataclass
from typing import Final

_RUSSIAN_SPEAKING: Final = ("ru", "be", "uk", "kk", "ky")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One sentence in both languages, with named places to fill."""

    ru: str
    en: str

    def __call__(self, language: str, **values: object) -> str:
        """The sentence in `language` ("ru" or "en")."""
        return (self.ru if language == "ru" else self.en).format(**values)


def number(value: float, language: str, digits: int = 0) -> str:
    """A number with so many digits after its point, as the language writes it."""
    text = f"{value:,.{digits}f}"
    return text.replace(",", "\u00a0").replace(".", ",") if language == "ru" else text


def of_this_machine() -> str:
    """Russian ("ru") or English ("en"), by the environment or, on Windows, by the interface language."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "ru" if value.lower().startswith(_RUSSIAN_SPEAKING) else "en"
    if sys.platform == "win32":
        import ctypes

        primary = ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF
        return "ru" if primary in (0x19, 0x23, 0x22, 0x3F, 0x40) else "en"
    return "ru" if (locale.getlocale()[0] or "").lower().startswith(_RUSSIAN_SPEAKING) else "en"


TWO_MINDS: Final = Phrase(
    "Разумов названо два, {first} и {second}: оставь один.", "Two minds are named, {first} and {second}: leave one."
)
YOU: Final = Phrase("Ты: ", "You: ")
ANSWERS: Final = Phrase("Разум отвечает:", "The mind answers:")
GOES_ON: Final = Phrase("Разум продолжает:", "The mind goes on:")
WAKING: Final = Phrase("Разум в коробке просыпается…", "The mind in the box is waking up…")
HINT: Final = Phrase("/help — команды, /quit — выйти", "/help lists the commands, /quit leaves")
LEAVE: Final = Phrase("Чтобы выйти, набери /quit или нажми Ctrl-D.", "To leave, type /quit or press Ctrl-D.")
LEAVE_BY_NAME: Final = Phrase("Чтобы выйти, набери /quit.", "To leave, type /quit.")
STOPPED: Final = Phrase("[остановлено]", "[stopped]")
CUT: Final = Phrase(
    "[дальше — пустая строка; длиннее: /set max_tokens {longer}]",
    "[an empty line goes on; for more at once: /set max_tokens {longer}]",
)
CUT_ANSWER: Final = Phrase(
    "[ответ упёрся в предел; длиннее: /set max_tokens {longer}]",
    "[the answer hit its limit; for longer ones: /set max_tokens {longer}]",
)
CUT_ONCE: Final = Phrase(
    "[ответ упёрся в предел; длиннее: --max-tokens {longer}]",
    "[the answer hit its limit; for longer ones: --max-tokens {longer}]",
)
CONTEXT_FULL: Final = Phrase("[память разума кончилась на этом слове]", "[the mind's memory ended at this word]")
FORGOT: Final = Phrase(
    "Разговор стал длиннее памяти разума: самое начало он больше не видит.",
    "The conversation has outgrown the mind's memory: it no longer sees the very beginning.",
)
RATED: Final = Phrase(
    "Записано. Оценки хранятся в файле разговора; по ним разум можно доучить.",
    "Noted. Ratings stay in the conversation's file; the mind can be taught by them.",
)
VOICES: Final = Phrase("Голоса этого разума (сменить: /mode ИМЯ):", "The voices of this mind (to change: /mode NAME):")
VOICE_IS: Final = Phrase("Теперь говорит {title}.", "{title} speaks now.")
ONE_VOICE: Final = Phrase("У этого разума один голос.", "This mind has one voice.")
MOVED: Final = Phrase("Разговор пока пишется сюда: {path}", "For now the conversation is kept here: {path}")
IN_MEMORY: Final = Phrase(
    "Пока он хранится в памяти программы; до выхода сохрани его: /save ПУТЬ",
    "It is kept in the program's memory; before you leave, save it: /save PATH",
)
UNKNOWN_COMMAND: Final = Phrase(
    "Команды /{name} нет.{hint} Все команды: /help", "There is no command /{name}.{hint} All commands: /help"
)
PERHAPS: Final = Phrase(" Может быть, /{nearest}?", " Did you mean /{nearest}?")
ODD_BYTES: Final = Phrase(
    "Строка {number} не в UTF-8: нечитаемые байты заменены на «\ufffd».",
    "Line {number} is not UTF-8: the unreadable bytes became “\ufffd”.",
)
OTHER_ENCODING: Final = Phrase(
    "Строка {number} не в UTF-8: она прочитана в кодировке консоли, {encoding}.",
    "Line {number} is not UTF-8: it was read in the console's encoding, {encoding}.",
)
STATS: Final = Phrase(
    "прочитано токенов: {prompt} (из памяти {reused}) за {prefill} с; написано: {written}, {speed} в секунду",
    "read {prompt} tokens ({reused} from memory) in {prefill} s; wrote {written}, {speed} a second",
)
NO_STATS: Final = Phrase("Разум ещё ничего не сказал.", "The mind has not said anything yet.")
SETTINGS: Final = Phrase(
    "Настройки (изменить: /set temperature 0.7):", "Settings (to change one: /set temperature 0.7):"
)
SET_TO: Final = Phrase("{name} = {value}", "{name} = {value}")
SYSTEM_IS: Final = Phrase("Наставление: {text}", "System text: {text}")
NO_SYSTEM: Final = Phrase("Наставления нет.", "There is no system text.")
SYSTEM_BASE: Final = Phrase(
    "Этот разум не беседует, а продолжает текст: наставлений он не понимает.",
    "This mind continues text rather than chatting: it does not understand a system text.",
)
UNDONE: Final = Phrase("Последняя реплика забыта.", "The last line is forgotten.")
FRESH: Final = Phrase("Начинаем заново.", "A fresh start.")
RESET: Final = Phrase(
    "Начинаем заново. Прежний разговор остался в {path}", "A fresh start. The old conversation is kept in {path}"
)
NOTHING_TO_SAVE: Final = Phrase("Сохранять пока нечего.", "There is nothing to save yet.")
OF_ANOTHER_MIND: Final = Phrase(
    "Говорил в нём и другой разум; дальше говорит нынешний.",
    "Another mind spoke in it, too; from here the present one speaks.",
)
SAVED: Final = Phrase("Сохранено: {path}", "Saved: {path}")
LOADED: Final = Phrase(
    "Продолжаем разговор {path}: реплик в нём {count}.", "Going on with {path}: it has {count} lines."
)
RECENT: Final = Phrase("Недавние разговоры (открыть: /load ИМЯ):", "Recent conversations (to open one: /load NAME):")
NO_RECENT: Final = Phrase("Сохранённых разговоров ещё нет.", "There are no saved conversations yet.")
WHERE: Final = Phrase(
    "Разговор: {conversation}\nРазум:    {mind}\nПапка:    {folder}",
    "Conversation: {conversation}\nMind:         {mind}\nFolder:       {folder}",
)
CONTEXT: Final = Phrase("Токенов в памяти: {used} из {limit}.", "Tokens in memory: {used} of {limit}.")
LOOK_HINT: Final = Phrase(
    "Вероятности — самого разума, до температуры и других настроек. Варианты токена: /look НОМЕР",
    "Probabilities are the mind's own, before temperature and other settings. Of one token: /look NUMBER",
)
HEIGHTS: Final = Phrase(
    "Высота — энтропия: как разум колебался, █ = {most} бита.",
    "The height is entropy: how torn the mind was, █ = {most} bits.",
)
TOKEN_IS: Final = Phrase(
    "Токен {number} «{name}»: {share}, энтропия {bits} бита", "Token {number} “{name}”: {share}, entropy {bits} bits"
)
TOKEN_ALOUD: Final = Phrase("{number}. {name}: {share}, {bits} бита", "{number}. {name}: {share}, {bits} bits")
STANDS_HERE: Final = Phrase(", стоит здесь", ", stands here")
FORK_HINT: Final = Phrase("Пойти отсюда иначе: /fork {number} ВАРИАНТ", "To go another way: /fork {number} ALTERNATIVE")
FORK_HOW: Final = Phrase(
    "С какого токена пойти иначе? Номера видны по /look, потом: /fork НОМЕР [ВАРИАНТ]",
    "From which token? /look shows their numbers, then: /fork NUMBER [ALTERNATIVE]",
)
BEGINNINGS: Final = Phrase("С чего начинает:", "How it sets out:")
ENDINGS: Final = Phrase("Куда приходит:", "Where it comes to:")
SCATTERED: Final = Phrase("Врозь, каждый по-своему: {count} ({share})", "Each its own way: {count} ({share})")
AFTER: Final = Phrase("После слов «{prompt}»:", "After the words “{prompt}”:")
STAGE: Final = Phrase("— шаг {iteration}, прочитано токенов: {tokens}", "— step {iteration}, tokens read: {tokens}")
MINDS: Final = Phrase("Разумы в этой папке (сменить: /mind ИМЯ):", "Minds in this folder (to change: /mind NAME):")
MIND_IS: Final = Phrase("Теперь здесь {title}.", "{title} is here now.")
NO_LICENCE: Final = Phrase("Условия не указаны.", "No terms are given.")
OTHERS_TERMS: Final = Phrase(
    "Условия программ, из которых сделана коробка: /license all", "The terms of the programs in this box: /license all"
)
NOT_PACKED: Final = Phrase(
    "Это не коробка: условия каждой библиотеки лежат там, где она установлена.",
    "This is no box: the terms of each library stand where it is installed.",
)
PRESS_ENTER: Final = Phrase("Нажми Enter, чтобы закрыть окно.", "Press Enter to close the window.")
LOGGED: Final = Phrase("Подробности: {path}", "Details: {path}")
SELFTEST_OK: Final = Phrase(
    "Самопроверка пройдена: ответов {count}, наибольшее расхождение {difference:.1e}.",
    "The selftest passed: {count} answers, the largest difference {difference:.1e}.",
)
PAGE_OPEN: Final = Phrase(
    "Страница открыта в браузере. Её адрес: {url}", "The page is open in your browser. Its address: {url}"
)
PAGE_AT: Final = Phrase(
    "Браузер сам не открылся. Открой в нём этот адрес: {url}", "No browser opened. Open this address in one: {url}"
)
API_AT: Final = Phrase(
    "Для программ, которые умеют говорить с OpenAI: {url}, ключ {key}",
    "For programs that can talk to OpenAI: {url}, key {key}",
)
LAN: Final = Phrase(
    "Осторожно: по этому адресу, не зашифрованному, любой в твоей сети, кто его узнает, прочтёт все разговоры.",
    "Careful: by this address, which is not encrypted, anyone in your network who learns it reads all conversations.",
)
LEAVE_PAGE: Final = Phrase("Чтобы выйти, нажми Ctrl-C.", "To leave, press Ctrl-C.")
LEAVING: Final = Phrase("До свидания.", "Goodbye.")
VERIFIED: Final = Phrase("Разум цел: sha256 {sha256}", "The mind is whole: sha256 {sha256}")

HELP: Final[dict[str, Phrase]] = {
    "help": Phrase("этот список", "this list"),
    "retry": Phrase("ответить на последнюю реплику заново", "answer the last line anew"),
    "good": Phrase("хороший ответ (запомнить на будущее)", "a good answer (kept for teaching)"),
    "bad": Phrase("плохой ответ (запомнить на будущее)", "a bad answer (kept for teaching)"),
    "undo": Phrase("забыть последнюю реплику и ответ", "forget the last line and its answer"),
    "reset": Phrase("начать новый разговор", "begin a new conversation"),
    "set": Phrase("[ИМЯ ЗНАЧЕНИЕ] настройки", "[NAME VALUE] settings"),
    "system": Phrase("[ТЕКСТ] наставление разуму", "[TEXT] the system text"),
    "save": Phrase("[ПУТЬ] сохранить разговор (.jsonl, .txt, .md)", "[PATH] save the conversation (.jsonl, .txt, .md)"),
    "load": Phrase("[ИМЯ] продолжить сохранённый разговор", "[NAME] go on with a saved conversation"),
    "stats": Phrase("скорость последнего ответа", "speed of the last answer"),
    "context": Phrase("сколько памяти занято", "how much memory is taken"),
    "card": Phrase("кто этот разум и на чём вырос", "who this mind is and what it grew on"),
    "mind": Phrase("[ИМЯ] другой разум из той же папки", "[NAME] another mind of the same folder"),
    "mode": Phrase("[ИМЯ] каким голосом говорить", "[NAME] which voice speaks"),
    "both": Phrase("[РЕПЛИКА] ответить всеми голосами", "[LINE] every voice answers"),
    "license": Phrase("[all] условия использования (all: всей коробки)", "[all] terms of use (all: of the whole box)"),
    "web": Phrase("открыть страницу в браузере", "open the page in the browser"),
    "where": Phrase("где лежат файлы", "where the files are"),
    "look": Phrase("[НОМЕР] что разум думал над каждым токеном", "[NUMBER] what the mind thought at each token"),
    "fork": Phrase("НОМЕР [ВАРИАНТ] пойти с этого токена иначе", "NUMBER [ALTERNATIVE] go another way from it"),
    "attract": Phrase(
        "[СКОЛЬКО] [ТЕКСТ] куда разум тянет: много ответов сразу",
        "[COUNT] [TEXT] where the mind is drawn: many answers at once",
    ),
    "childhood": Phrase("как разум писал, пока рос", "what the mind wrote while it grew"),
    "quit": Phrase("выйти", "leave"),
}
CARD: Final[dict[str, Phrase]] = {
    "title": Phrase("Имя", "Name"),
    "description": Phrase("О нём", "About it"),
    "author": Phrase("Автор", "Author"),
    "licence": Phrase("Условия", "Terms"),
    "training_data": Phrase("На чём вырос", "Grown on"),
    "recipe": Phrase("Рецепт", "Recipe"),
    "parameters": Phrase("Параметров", "Parameters"),
    "held_out_bits_per_character": Phrase("Бит на знак нового текста", "Bits per character of unseen text"),
    "held_out_bits_per_byte": Phrase("Бит на байт нового текста", "Bits per byte of unseen text"),
    "tokens_seen": Phrase("Прочитал токенов", "Tokens read"),
    "hours": Phrase("Часов роста", "Hours of growth"),
}
USAGE: Final = Phrase("Как запускать: ", "usage: ")
METAVARS: Final[dict[str, Phrase]] = {
    "path": Phrase("ПУТЬ", "PATH"),
    "text": Phrase("ТЕКСТ", "TEXT"),
    "number": Phrase("ЧИСЛО", "NUMBER"),
}
OPTIONS: Final[dict[str, Phrase]] = {
    "options": Phrase("что можно сказать при запуске", "what it may be told when it is started"),
    "path": Phrase("разум (.mind) или другая коробка", "a mind (.mind) or another box"),
    "mind": Phrase("то же", "the same"),
    "prompt": Phrase("ответить на ТЕКСТ и выйти", "answer TEXT and leave"),
    "max_tokens": Phrase("не больше стольких токенов в ответе", "at most so many tokens an answer"),
    "seed": Phrase("одно и то же число — один и тот же ответ", "the same number gives the same answer"),
    "lang": Phrase("язык программы", "the program's language"),
    "plain": Phrase(
        "для программ чтения с экрана: ни цвета, ни перерисовки, целые строки",
        "for screen readers: no colour, no redrawing, whole lines",
    ),
    "web": Phrase("страница в браузере вместо терминала", "a page in the browser instead of the terminal"),
    "port": Phrase("порт страницы вместо любого свободного", "the page's port instead of any that is free"),
    "lan": Phrase("пустить на страницу и локальную сеть", "let the local network see the page"),
    "api_key": Phrase("ключ для программ вместо нового при каждом запуске", "a lasting key for programs"),
    "selftest": Phrase("сверить ответы с записанными при выгрузке", "replay the answers recorded at export"),
    "verify": Phrase("прочесть весь разум и сверить контрольную сумму", "read the whole mind and check its checksum"),
    "version": Phrase("версия", "the version"),
    "help": Phrase("эта справка", "this help"),
}

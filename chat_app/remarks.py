"""What the program says beside an answer: how it ended, what it cost, whether it is kept. Knows no command."""

from __future__ import annotations

from chat_app import language
from chat_app.answer import Answer
from chat_app.chat import Chat
from chat_app.conversation import Conversation
from chat_app.errors import BoxError


def stats_line(answer: Answer, lang: str) -> str:
    """What an answer cost, in one line."""
    s = answer.stats
    prefill, speed = language.number(s.prefill_seconds, lang, 2), language.number(s.tokens_per_second, lang, 1)
    return language.STATS(lang, prompt=s.prompt, reused=s.reused, prefill=prefill, written=s.written, speed=speed)


def remarks(chat: Chat, answer: Answer, lang: str, *, once: bool = False) -> list[str]:
    """What the person should know after an answer, beside the answer; `once` where no command can follow."""
    said = []
    if answer.stats.finish == "cancelled":
        said.append(language.STOPPED(lang))
    elif answer.stats.finish == "context":
        said.append(language.CONTEXT_FULL(lang))
    elif answer.stats.finish == "length":
        cut = language.CUT_ONCE if once else language.CUT_ANSWER if chat.mind.can_chat else language.CUT
        said.append(cut(lang, longer=2 * chat.sampling.max_tokens))
    if answer.forgot:
        said.append(language.FORGOT(lang))
    return said


def unsaved(conversation: Conversation, lang: str) -> list[str]:
    """Why it cannot be saved in its folder, and where it is kept meanwhile; nothing where it can."""
    if conversation.problem is None:
        return []
    kept = language.MOVED(lang, path=conversation.path) if conversation.saved else language.IN_MEMORY(lang)
    return [conversation.problem.sentence(lang), kept]


class DiskWatch:
    """Tells once, not every turn, that the conversation cannot be saved."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def remarks(self, chat: Chat, lang: str) -> list[str]:
        """Sentences to show now, perhaps none."""
        said = unsaved(chat.conversation, lang)
        if said[:1] == self._told:
            return []
        self._told = said[:1]
        return said

    def farewell(self, chat: Chat, lang: str) -> list[str]:
        """The last try before the program ends, and where it led if not to the usual file."""
        usual = chat.conversation.path
        try:
            path = chat.conversation.rescue()
        except BoxError as error:
            return [error.sentence(lang)]
        return [] if path == usual else [language.SAVED(lang, path=path)]

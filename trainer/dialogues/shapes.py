"""The shapes that conversations come in, and what makes one unusable. Knows JSON rows, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chat_app.template import MARKS, Message, Role

_ROLES: Final[dict[str, Role]] = {
    "system": "system", "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant",
}  # fmt: skip
LISTS: Final = ("turns", "messages", "conversations", "conversation")


class Malformed(ValueError):
    """A conversation that cannot be learned from; says why in two or three words, for counting."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages that end with an answer. `held` keeps them out of training.

    In one that `recalls`, the last exchange asks for what was told before it, and may come later in a talk.
    """

    messages: list[Message]
    held: bool = False
    recalls: bool = False


def messages_of(row: dict[str, Any]) -> list[Message]:
    """The messages of one row, their ends trimmed. Malformed says why there are none.

    Shapes: `{"turns": [user, assistant, ...]}`, OpenAI's `{"messages": [{"role", "content"}]}`, ShareGPT's
    `{"conversations": [{"from", "value"}]}`, and ru-big-russian-dataset's `{"conversation": [{"role", "content"}]}`.
    What the user says after the last answer is dropped: nobody answers it.
    """
    name = next((name for name in LISTS if row.get(name)), None)
    if name is None or not isinstance(row[name], Sequence) or isinstance(row[name], str):
        raise Malformed("no conversation")
    turns = row[name]
    if name == "turns":
        messages = [_message("assistant" if number % 2 else "user", text) for number, text in enumerate(turns)]
    else:
        messages = [_named(turn) for turn in turns]
    while messages and messages[-1].role != "assistant":
        messages.pop()
    _check(messages)
    return messages


def spoken(row: dict[str, Any]) -> list[str] | None:
    """What is said in a conversation of any shape, turn by turn, unjudged; None where the row holds none."""
    name = next((name for name in LISTS if row.get(name)), None)
    if name is None or not isinstance(row[name], list):
        return None
    turns = [turn.get("content", turn.get("value")) if isinstance(turn, dict) else turn for turn in row[name]]
    return turns if all(isinstance(turn, str) for turn in turns) else None


def _named(turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise Malformed("a turn without a role")
    role = _ROLES.get(str(turn.get("role", turn.get("from"))))
    if role is None:
        raise Malformed("an unknown role")
    return _message(role, turn.get("content", turn.get("value")))


def _message(role: Role, text: Any) -> Message:
    if not isinstance(text, str) or not text.strip():
        raise Malformed("an empty turn")
    if any(mark in text for mark in MARKS):
        raise Malformed("a mark inside the text")
    return Message(role, text.strip())


def _check(messages: list[Message]) -> None:
    spoken = messages[1:] if messages and messages[0].role == "system" else messages
    if not spoken:
        raise Malformed("no answer")
    for number, message in enumerate(spoken):
        if message.role == "system":
            raise Malformed("system text in the middle")
        if message.role != ("assistant" if number % 2 else "user"):
            raise Malformed("two turns of one side in a row")

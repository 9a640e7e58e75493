"""The chat template: messages to ids, with a mask that says which ids the assistant answers for.

One `render` serves fine-tuning and talking, so that they cannot differ (spec/chat-template.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from chat_app.tokenizer import Tokenizer

NAME: Final = "chatml/1"
END: Final = "<|end|>"
MARKS: Final = ("<|system|>", "<|user|>", "<|assistant|>", END)

Role = Literal["system", "user", "assistant"]


@dataclass(slots=True)
class Message:
    """One turn. `ids` are those the mind itself wrote: a text has many spellings in pieces, the cache knows one.

    `mode` is the voice of the mind that wrote them, "" being its own.
    """

    role: Role
    content: str
    ids: list[int] = field(default_factory=list)
    mode: str = ""


def has_marks(tokenizer: Tokenizer) -> bool:
    """Whether the vocabulary can chat at all."""
    return all(mark in tokenizer.control for mark in MARKS)


def render(tokenizer: Tokenizer, messages: Sequence[Message], *, answer: bool = False) -> tuple[list[int], list[int]]:
    """Return (ids, mask), equally long; mask is 1 on the assistant's tokens and on the `<|end|>` after them.

    A dialogue begins with `<s>` where the vocabulary has it. With `answer` an open `<|assistant|>` follows,
    for the mind to go on from.
    """
    ids = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    mask = [0] * len(ids)
    end = tokenizer.control[END]
    for message in messages:
        content = message.ids or tokenizer.encode(message.content.strip())
        ids += [tokenizer.control[f"<|{message.role}|>"], *content, end]
        spoken = int(message.role == "assistant")
        mask += [0, *[spoken] * (len(content) + 1)]
    if answer:
        ids.append(tokenizer.control["<|assistant|>"])
        mask.append(0)
    return ids, mask

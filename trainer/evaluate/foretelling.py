"""How well a mind foretells answers to questions it has not been taught, in bits a byte. Knows the engine's logits.

Where the intent is taught, its replies are learned under other wordings, so what is foretold there is in part
remembered. Of whole intents and of dialogues only those are taken whose replies stand in no learned conversation.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from chat_app import template
from chat_app.engine import Engine
from chat_app.mind import Mind
from chat_app.model import logits_everywhere
from chat_app.template import Message
from trainer.dialogues import exercises, intents
from trainer.dialogues.shapes import Conversation
from trainer.dialogues.sources import smalltalk

# Part -> how many conversations: of taught intents, of intents held out whole, of several turns, made by rule.
PARTS: Final = {"wordings": 200, "intents": 100, "dialogues": 40, "exercises": 100}
_LONGEST: Final = 512
_DRAWN: Final = 200


def held(talk: Sequence[Conversation], fraction: float = 1.0) -> dict[str, list[Conversation]]:
    """Part -> conversations that are held out, the same ones every time."""
    known = {intents.wording(text) for _, row in smalltalk() if _is_whole(row) for text in row["user"]}
    learned = {reply for conversation in talk if not conversation.held for reply in _replies(conversation)}
    found: dict[str, list[Conversation]] = {part: [] for part in PARTS}
    for conversation in talk:
        if conversation.held:
            single = len(conversation.messages) == 2
            whole = single and intents.wording(conversation.messages[0].content) in known
            part = "intents" if whole else "wordings" if single else "dialogues"
            if learned.isdisjoint(_replies(conversation)) == (part != "wordings"):
                found[part].append(conversation)
    found["exercises"] = [each for kind in exercises.KINDS for each in exercises.make(kind, _DRAWN, 0) if each.held]
    chance = random.Random("foretelling")
    return {
        part: chance.sample(found[part], min(len(found[part]), math.ceil(fraction * count)))
        for part, count in PARTS.items()
    }


def _is_whole(row: dict[str, object]) -> bool:
    return "user" in row and intents.whole(str(row["id"]))


def _replies(conversation: Conversation) -> list[str]:
    return [message.content for message in conversation.messages if message.role == "assistant"]


def bits_per_byte(
    mind: Mind, engine: Engine, parts: dict[str, list[Conversation]], step: Callable[[], None]
) -> dict[str, float]:
    """Part -> bits that the answers and their ends take, a byte of their UTF-8; `step` is called after each."""
    found = {}
    for part, conversations in parts.items():
        bits = size = 0.0
        for conversation in conversations:
            for nats, text in _answers(mind, engine, conversation):
                bits += nats / math.log(2)
                size += len(text.encode())
            step()
        if size:
            found[part] = bits / size
    return found


def _answers(mind: Mind, engine: Engine, conversation: Conversation) -> Iterator[tuple[float, str]]:
    """(nats, text) of all answers of a conversation that fits the context, as one."""
    system = [Message("system", mind.manners.system)] if mind.manners.system else []
    ids, mask = template.render(mind.tokenizer, [*system, *conversation.messages])
    if len(ids) > min(mind.config.block_size, _LONGEST):
        return
    logits = logits_everywhere(engine.weights, ids[:-1]).astype(np.float64)  # [T, V]
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(logits).sum(axis=1))
    nats = -float(chosen[np.array(mask[1:]) == 1].sum())
    yield nats, "".join(_replies(conversation))

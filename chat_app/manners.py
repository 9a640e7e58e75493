"""How a mind talks, what other voices it has, and what it must answer: these parts of its metadata, checked.

Knows what spec/mind-format.md says of `chat`, `variants` and `golden`; knows nothing of files. What does not hold is a
ValueError, a KeyError or a TypeError, which chat_app/mind.py turns into a sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chat_app import template
from chat_app.config import Config, tensor_shapes
from chat_app.planes import Stored
from chat_app.sampler import CHATTING, Sampling
from chat_app.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Manners:
    """How a mind talks. `template` is empty for a base mind, which continues what it is given."""

    template: str
    system: str
    stop_ids: tuple[int, ...]
    sampling: Sampling
    greeting: str
    language: str


@dataclass(frozen=True, slots=True)
class Golden:
    """What torch answered on the exporting machine: greedy ids after `prompt`, and its top logits after it."""

    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    top_logits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another voice of a mind: its own tensors, by the names of those whose place they take, and its own sampling."""

    title: str
    description: str
    sampling: Sampling
    golden: tuple[Golden, ...]
    tensors: dict[str, Stored]


def manners(chat: dict[str, Any], tokens: Tokenizer) -> Manners:
    """The manners that `chat` tells of; with a template, the vocabulary must have its marks."""
    if chat["template"] not in ("", template.NAME):
        raise ValueError(f"the chat template {chat['template']} is not known")
    if chat["template"] and not template.has_marks(tokens):
        raise ValueError("it chats, but its vocabulary lacks the marks of the chat template")
    stop_ids = tuple(chat["stop_ids"])
    if not all(type(i) is int and 0 <= i < tokens.vocab_size for i in stop_ids):
        raise ValueError("its stop ids are not ids of its vocabulary")
    if chat["language"] not in ("ru", "en"):
        raise ValueError(f"its language is {chat['language']!r}, neither ru nor en")
    sampling = Sampling.from_dict(chat["sampling"], CHATTING if chat["template"] else Sampling())
    return Manners(
        template=chat["template"], system=str(chat["system"]), stop_ids=stop_ids, sampling=sampling,
        greeting=str(chat["greeting"]), language=chat["language"],
    )  # fmt: skip


def variant(name: str, about: dict[str, Any], config: Config, manners: Manners) -> Variant:
    """A variant as it tells `about` itself; where its tensors stand is still to be found."""
    if unknown := sorted(set(about["tensors"]) - tensor_shapes(config).keys()):
        raise ValueError(f"its variant {name} has a tensor {unknown[0]} that takes no other's place")
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"its variant {name!r} cannot be called so")
    if not about["tensors"] or len(set(about["tensors"])) != len(about["tensors"]):
        raise ValueError(f"its variant {name} has no tensors of its own, or one twice")
    return Variant(
        title=str(about["title"]), description=str(about["description"]),
        sampling=Sampling.from_dict(about["sampling"], manners.sampling), golden=answers(about, config), tensors={},
    )  # fmt: skip


def answers(values: dict[str, Any], config: Config) -> tuple[Golden, ...]:
    """The golden answers among `values`; their ids must be of the vocabulary, and fit into the context."""
    return tuple(_golden(each, config) for each in values["answers"])


def _golden(values: dict[str, Any], config: Config) -> Golden:
    golden = Golden(*(tuple(values[key]) for key in ("prompt", "ids", "top_ids", "top_logits")))
    ids = (*golden.prompt, *golden.ids, *golden.top_ids)
    if not golden.prompt or not all(type(i) is int and 0 <= i < config.vocab_size for i in ids):
        raise ValueError("a golden answer is not made of ids of its vocabulary")
    if len(golden.prompt) + len(golden.ids) > config.block_size:
        raise ValueError("a golden answer is longer than its context")
    if not golden.top_ids:
        raise ValueError("a golden answer has no logits")
    if len(golden.top_logits) != len(golden.top_ids):
        raise ValueError("a golden answer does not have as many logits as ids")
    if not all(type(logit) in (int, float) for logit in golden.top_logits):
        raise ValueError("a golden answer has logits that are not numbers")
    return golden

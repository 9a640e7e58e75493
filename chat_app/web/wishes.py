"""What a request of OpenAI's API asks for, in our own words: ids to go on from, and how.

Knows the names of their fields (https://platform.openai.com/docs/api-reference, chat and completions); knows nothing
of HTTP. Fields that nobody knows are ignored. Those that they know and we do not serve are refused by name, unless
they ask for what is done anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from chat_app.errors import BadField, BadSetting, NotAChatMind, PromptTooLong, Reason, Unsupported
from chat_app.mind import Mind
from chat_app.sampler import LARGEST_SEED, Penalties, Sampling
from chat_app.template import Message, Role, render
from chat_app.text import encodable
from chat_app.web.replies import field

MOST_STOPS: Final = 4
MOST_LOGPROBS: Final = 20
_ROLES: Final[dict[str, Role]] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant",
}  # fmt: skip
_OURS: Final = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "no_repeat_ngram")
_HARMLESS: Final[dict[str, tuple[object, ...]]] = {
    "n": (1,), "best_of": (1,), "echo": (False,), "suffix": ("",), "tools": ([],), "functions": ([],),
    "tool_choice": ("none", "auto"), "function_call": ("none", "auto"), "logit_bias": ({},),
    "response_format": ({"type": "text"},), "modalities": (["text"],), "audio": (), "prediction": (),
    "web_search_options": (),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One completion."""

    ids: list[int]
    sampling: Sampling
    penalties: Penalties
    stops: tuple[str, ...]
    logprobs: int | None
    """How many alternatives are told beside each token; None where nothing is."""
    stream: bool
    with_usage: bool
    inside: bool
    """Whether the text goes on from the prompt's, within a word perhaps."""
    remember: int
    """Ids of the prompt that the repetition rules look back on, as where a mind continues a text."""


def of_chat(values: dict[str, Any], mind: Mind, base: Sampling) -> Wish:
    """What /v1/chat/completions is asked for. BoxError where it cannot be done."""
    if not mind.can_chat:
        raise NotAChatMind
    messages = [_message(value, f"messages[{i}]") for i, value in enumerate(field(values, "messages", list))]
    if not messages:
        raise BadSetting(name="messages", value="[]", expected=Reason("хотя бы одна реплика", "at least one message"))
    system = [m.content for m in messages if m.role == "system"]
    text = "\n\n".join(system) if system else mind.manners.system
    turns = [m for m in messages if m.role != "system"]
    ids, _ = render(mind.tokenizer, [*([Message("system", text)] if text else []), *turns], answer=True)
    wanted = _alternatives(values, "top_logprobs") if field(values, "logprobs", bool, False) else None
    return _wish(values, mind, base, ids, wanted, inside=False)


def of_text(values: dict[str, Any], mind: Mind, base: Sampling) -> Wish:
    """What /v1/completions is asked for. BoxError where it cannot be done."""
    ids = _prompt(values.get("prompt", ""), mind)
    wanted = None if values.get("logprobs") is None else _alternatives(values, "logprobs")
    return _wish(values, mind, base, ids, wanted, inside=True)


def _wish(
    values: dict[str, Any], mind: Mind, base: Sampling, ids: list[int], logprobs: int | None, *, inside: bool
) -> Wish:
    for name, harmless in _HARMLESS.items():
        if values.get(name) is not None and values[name] not in harmless:
            raise Unsupported(name=name)
    if len(ids) > mind.config.block_size:
        param = "prompt" if inside else "messages"
        raise PromptTooLong(tokens=len(ids), limit=mind.config.block_size, param=param)
    penalties = Penalties(
        frequency_penalty=field(values, "frequency_penalty", float, 0.0),
        presence_penalty=field(values, "presence_penalty", float, 0.0),
    )
    return Wish(
        ids=ids, sampling=_sampling(values, base), penalties=penalties, stops=_stops(values), logprobs=logprobs,
        stream=field(values, "stream", bool, False), inside=inside, remember=0 if mind.can_chat else len(ids),
        with_usage=field(field(values, "stream_options", dict, {}), "include_usage", bool, False),
    )  # fmt: skip


def _message(value: Any, name: str) -> Message:
    if not isinstance(value, dict):
        raise BadField(name=name, expected="object")
    role = field(value, "role", str, within=f"{name}.")
    if role not in _ROLES:
        raise BadSetting(name=f"{name}.role", value=role, expected=", ".join(_ROLES))
    if value.get("tool_calls") or value.get("function_call"):
        raise Unsupported(name=f"{name}.tool_calls")
    return Message(_ROLES[role], encodable(_content(value.get("content"), f"{name}.content")))


def _content(value: Any, name: str) -> str:
    """A string, or an array of parts that are all texts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise BadField(name=name, expected="string")
    return "".join(_part(part, f"{name}[{i}]") for i, part in enumerate(value))


def _part(value: Any, name: str) -> str:
    if not isinstance(value, dict):
        raise BadField(name=name, expected="object")
    kind = field(value, "type", str, within=f"{name}.")
    if kind != "text":
        raise BadSetting(name=f"{name}.type", value=kind, expected="text")
    return field(value, "text", str, within=f"{name}.")


def _prompt(value: Any, mind: Mind) -> list[int]:
    """A text, ids, or an array of one of these."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str | list):
        value = value[0]
    tokenizer = mind.tokenizer
    if isinstance(value, str):
        start = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
        return [*start, *tokenizer.encode(encodable(value))] or tokenizer.encode("\n") or [0]
    if isinstance(value, list) and value and isinstance(value[0], str | list):
        raise Unsupported(name="prompt[1]")
    if not isinstance(value, list) or not all(type(i) is int for i in value):
        raise BadField(name="prompt", expected="string")
    if not value:
        raise BadSetting(name="prompt", value="[]", expected=Reason("хотя бы один токен", "at least one token"))
    for i in value:
        if not 0 <= i < tokenizer.vocab_size:
            raise BadSetting(name="prompt", value=i, expected=f"0…{tokenizer.vocab_size - 1}")
    return list(value)


def _alternatives(values: dict[str, Any], name: str) -> int:
    """How many are told beside each token."""
    count = field(values, name, int, 0)
    if not 0 <= count <= MOST_LOGPROBS:
        raise BadSetting(name=name, value=count, expected=f"0…{MOST_LOGPROBS}")
    return count


def _sampling(values: dict[str, Any], base: Sampling) -> Sampling:
    sampling = replace(base, **{name: values[name] for name in _OURS if values.get(name) is not None})
    for name in ("max_completion_tokens", "max_tokens"):  # the newer name first
        if values.get(name) is not None:
            sampling = replace(sampling, max_tokens=values[name])
            break
    if values.get("seed") is not None:
        sampling = replace(sampling, seed=field(values, "seed", int) & LARGEST_SEED)  # theirs may be negative
    return sampling


def _stops(values: dict[str, Any]) -> tuple[str, ...]:
    given = values.get("stop")
    strings = [given] if isinstance(given, str) else [] if given is None else field(values, "stop", list)
    if not all(isinstance(string, str) for string in strings):
        raise BadField(name="stop", expected="string")
    if len(strings) > MOST_STOPS:
        raise BadSetting(name="stop", value=len(strings), expected=f"0…{MOST_STOPS}")
    return tuple(strings)

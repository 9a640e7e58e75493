"""Requests and replies in JSON: a body in; objects, sentences and streams of events out.

Knows HTTP and the form of OpenAI's errors; knows nothing of minds and conversations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

import orjson
from bottle import request, response

from chat_app.errors import (
    BadField,
    BoxError,
    Breakdown,
    ConversationBusy,
    ConversationElsewhere,
    ConversationUnreadable,
    ForeignPage,
    HeadTooLarge,
    MessageTooLong,
    MindBusy,
    MindMissing,
    MindOfTerminal,
    NoChildhood,
    NoSuchAlternative,
    NoSuchConversation,
    NoSuchModel,
    NoSuchPlace,
    NoSuchToken,
    NoSuchVoice,
    NotAConversation,
    NothingToLookAt,
    NothingToRetry,
    NotJson,
    NoToken,
    PromptTooLong,
    RequestRefused,
    RequestTooLarge,
    TooManyAtOnce,
    UnknownSetting,
    Unsupported,
    UsageError,
    WrongKey,
    WrongMethod,
)
from chat_app.sampler import SETTINGS, Sampling

T = TypeVar("T")
JSON: Final = "application/json; charset=utf-8"
EVENTS: Final = "text/event-stream; charset=utf-8"
WAITING: Final = b": waiting\n\n"  # a comment: it keeps the connection alive, and shows whether anyone listens
END: Final = b"data: [DONE]\n\n"
_STATUS: Final[dict[type[BoxError], int]] = {
    NoToken: 401, WrongKey: 401, ForeignPage: 403, NoSuchPlace: 404, NoSuchConversation: 404, NoSuchModel: 404,
    NoChildhood: 404, MindMissing: 404, NoSuchVoice: 404, ConversationUnreadable: 404, NotAConversation: 404,
    WrongMethod: 405,
    ConversationBusy: 409, ConversationElsewhere: 409, MindOfTerminal: 409, NothingToRetry: 409, NothingToLookAt: 409,
    RequestTooLarge: 413, TooManyAtOnce: 429, MindBusy: 429, HeadTooLarge: 431,
    RequestRefused: 400, UsageError: 400, MessageTooLong: 400, NoSuchToken: 400, NoSuchAlternative: 400,
}  # fmt: skip
_CODES: Final = {  # the names by which programs written for OpenAI know them
    MessageTooLong: "context_length_exceeded", PromptTooLong: "context_length_exceeded",
    NoSuchModel: "model_not_found", WrongKey: "invalid_api_key", TooManyAtOnce: "rate_limit_exceeded",
    BadField: "invalid_type", Unsupported: "unsupported_parameter", Breakdown: "program_broke",
}  # fmt: skip
_KINDS: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_WORD: Final = re.compile("(?<!^)(?=[A-Z])")
_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def body() -> dict[str, Any]:
    """The request's JSON object. NotJson where it is none."""
    try:
        values = orjson.loads(request.environ["wsgi.input"].read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise NotJson from error
    if not isinstance(values, dict):
        raise NotJson
    return values


def field(values: dict[str, Any], name: str, kind: type[T], default: T | None = None, *, within: str = "") -> T:
    """One field of a request, or of what stands `within` one; null counts as absent.

    BadField where it is missing without a default, or of another type.
    """
    value = values.get(name)
    if value is None and default is not None:
        return default
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise BadField(name=within + name, expected=_TYPES[kind])
    return value


def reply(value: object) -> bytes:
    """`value` as the JSON body of this response."""
    response.content_type = JSON
    return orjson.dumps(value)


def event(value: object) -> bytes:
    """`value` as one event of a stream."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def changed(base: Sampling, values: dict[str, Any]) -> Sampling:
    """`base` with the settings of a request over it. UnknownSetting, BadSetting where they are none."""
    for name, value in values.items():
        if name not in SETTINGS:
            raise UnknownSetting(name=name, nearest=", ".join(SETTINGS))
        base = replace(base, **{name: value})
    return base


def gone() -> Callable[[], bool]:
    """What tells whether the one who asked has closed the connection."""
    disconnected: Callable[[], bool] = request.environ["waitress.client_disconnected"]
    return disconnected


def status(error: BoxError) -> int:
    """The HTTP status that `error` has."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def failure(error: BoxError, lang: str) -> dict[str, Any]:
    """`error` in the form that OpenAI's clients understand."""
    kind = type(error)
    code = _CODES.get(kind) or _WORD.sub("_", kind.__name__).lower()
    number = status(error)
    return {
        "error": {
            "message": error.sentence(lang),
            "type": _KINDS.get(number, "server_error" if number >= 500 else "invalid_request_error"),
            "param": error.details.get("param") or (error.details.get("name") if number == 400 else None),
            "code": code,
        }
    }

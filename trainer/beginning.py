"""What a mind that goes on from a text is given. Knows a tokenizer, no model."""

from __future__ import annotations

from chat_app.tokenizer import Tokenizer


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text after `<s>`, if there is one; of a line end where that is nothing, for none is no start."""
    begin = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    return begin + tokenizer.encode(text) or tokenizer.encode("\n") or [0]

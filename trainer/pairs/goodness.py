"""Whether an answer of the mind's own is too good to be avoided. Knows small talk and the report card's measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from trainer.dialogues import intents, sources, trees
from trainer.evaluate import identity, key_words, measures

_MOST_KEY_WORDS: Final = 3
_ENOUGH_REPLIES: Final = 3  # that all fit a pattern of the report card: then the question is one that it asks


@dataclass(slots=True)
class Known:
    """What was written as an answer to each wording, and beside each reply: a question may have been reworded."""

    replies: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    beside: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of_small_talk(cls) -> Known:
        """All replies of the small talk's intents, and what else fits beside each in its trees."""
        known = cls()
        for _, row in sources.smalltalk():
            if "user" in row:
                for phrasing in intents.phrasings(row):
                    known.replies[intents.wording(phrasing)] += row["bot"]
            fitting = [row] if "user" in row else trees.groups(row) if "then" in row else ()
            for group in fitting:
                for reply in group["bot"]:
                    known.beside[intents.wording(reply)] += group["bot"]
        return known

    def praise(self, question: str, written: str, answer: str, *, ids: Sequence[int], ended: bool) -> str:
        """Why the answer is good, in two or three words for counting; "" where nothing says so.

        `written` is what people answered here. An answer that loops or does not end is never good.
        """
        if not ended or measures.loops(ids, answer):
            return ""
        others = self.replies.get(intents.wording(question)) or self.beside.get(intents.wording(written), ())
        replies = [written, *others]
        if intents.wording(answer) in {intents.wording(reply) for reply in replies}:
            return "a written answer"
        if numbers := measures.counts(written):
            return "the right number" if measures.counts(answer)[-1:] == numbers[-1:] else ""
        keys = key_words.of(replies, question)
        if 0 < len(keys) <= _MOST_KEY_WORDS and len(replies) >= _ENOUGH_REPLIES:
            return "the right words" if key_words.right(answer, keys) else ""
        if len(replies) >= _ENOUGH_REPLIES and any(
            all(identity.fits(reply, pattern) for reply in replies) and identity.fits(answer, pattern)
            for pattern in identity.PROBES
        ):
            return "a fitting answer"
        return ""

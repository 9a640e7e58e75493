"""Questions that leave out what the one before has said: «столица Франции?», then «а Италии?»."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from chat_app.template import Message
from trainer.dialogues import intents
from trainer.dialogues.shapes import Conversation

# What may be left out: what follows must be all that the question is about.
_OPENINGS: Final = (
    "столица", "какая столица у", "назови столицу", "скажи столицу", "кто написал", "кто нарисовал", "кто сочинил",
    "кто изобрёл", "кто придумал", "кто открыл", "что такое", "кто такой", "кто такая", "кто такие", "где живёт",
    "где живут", "где находится", "где растёт", "сколько живёт", "сколько живут", "сколько лет живёт", "что ест",
    "что едят", "что значит", "что означает", "как переводится", "как будет по-английски", "перевод слова", "переведи",
    "синоним к слову", "антоним к слову", "когда родился", "когда построили", "чем питается", "чем питаются",
    "расскажи про", "расскажи о",
)  # fmt: skip
_OPENING: Final = re.compile(
    r"(" + "|".join(sorted(map(re.escape, _OPENINGS), key=len, reverse=True)).replace("ё", "[её]") + r") (\w.*)",
    re.IGNORECASE,
)
_GOES_ON: Final = ("а {}?", "а {}?", "а {}", "ну а {}?", "и {}?")
_MOST: Final = 4  # questions of a kind in a row


def strung(
    pieces: Iterable[Conversation], share: float, forbidden: Collection[str], chance: random.Random
) -> list[Conversation]:
    """The same exchanges; about so large a share of those whose questions begin alike are asked one after another.

    None is asked in a forbidden wording; what is held out stays alone.
    """
    found: list[Conversation] = []
    alike: dict[str, list[tuple[str, Conversation]]] = defaultdict(list)
    for piece in pieces:
        asked = None if piece.held or len(piece.messages) != 2 else _OPENING.fullmatch(piece.messages[0].content)
        if asked and chance.random() < share:
            opening = asked[1].lower().replace("ё", "е")
            alike[opening].append((asked[2].rstrip("?!. "), piece))
        else:
            found.append(piece)
    for group in alike.values():
        chance.shuffle(group)
        while group:
            row = [group.pop() for _ in range(min(chance.randint(2, _MOST), len(group)))]
            found.append(_one_after_another(row, forbidden, chance))
    return found


def _one_after_another(
    row: list[tuple[str, Conversation]], forbidden: Collection[str], chance: random.Random
) -> Conversation:
    messages = list(row[0][1].messages)
    told = {row[0][0].lower()}
    for about, piece in row[1:]:
        question, answer = piece.messages
        short = chance.choice(_GOES_ON).format(about)
        if about.lower() not in told and intents.wording(short) not in forbidden:
            question = Message("user", short)
        told.add(about.lower())
        messages += [question, answer]
    return Conversation(messages)

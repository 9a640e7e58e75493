"""Talks that may go on in several ways: an opening, and what is said next that nobody understands without it.

A tree is `{"id", "opening": {"user", "bot"}, "then": [{"user", "bot", "what"}, ...], "alike": {"kind", "short"}}`.
Every reply fits every phrasing of its group, whatever else of `then` was said before. `alike` holds how people turn to
it from another tree of its kind, «а Лермонтов?»: then it answers the same `what` as was just asked of the other. A
group of `then` may hold a `then` of its own, which is open once it was said; after one that `ends` (a riddle given up)
nothing else is.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from chat_app.template import Message
from trainer.dialogues import intents
from trainer.dialogues.draw import fraction
from trainer.dialogues.shapes import Conversation

_STEPS: Final = (2, 4)  # after the opening
_TURNS: Final = 0.3  # of the steps lead to another tree of the kind, where there is one

Tree = dict[str, Any]
Group = dict[str, Any]


def walks(
    trees: Sequence[Tree], count: int, forbidden: Collection[str], chance: random.Random
) -> Iterator[Conversation]:
    """`count` talks that begin with each tree, and one of each that is held out whole, as intents are.

    Nothing is said in a forbidden wording, nor in the one that its tree holds out.
    """
    taught = [_without(tree, {*forbidden, intents.wording(held_out(tree)[1])}) for tree in trees]
    kinds: dict[str, list[Tree]] = defaultdict(list)
    for tree in taught:
        if tree["alike"]["short"] and not intents.whole(tree["id"]):
            kinds[tree["alike"]["kind"]].append(tree)
    for tree in taught:
        held = intents.whole(tree["id"])
        alike = [] if held else [other for other in kinds[tree["alike"]["kind"]] if other is not tree]
        for _ in range(1 if held else count):
            if tree["opening"]["user"]:
                yield Conversation(_walk(tree, alike, chance), held)


def held_out(tree: Tree) -> tuple[Group, str]:
    """(follow-up, wording) that is never said in this tree, whatever others say: to see if it is understood."""
    put = [(group, phrasing) for group in tree["then"] for phrasing in group["user"]]
    return min(put, key=lambda each: fraction(f"{tree['id']} {intents.wording(each[1])}"))


def groups(tree: Tree) -> Iterator[Group]:
    """The opening, and all that may be said after it."""
    waiting = [tree["opening"], *tree["then"]]
    for group in waiting:
        yield group
        waiting += group.get("then", ())


def _without(tree: Tree, apart: Collection[str]) -> Tree:
    """The tree without these wordings, and without groups that have no others; of no kind where it names none."""

    def rest(put: Sequence[str]) -> list[str]:
        return [phrasing for phrasing in put if intents.wording(phrasing) not in apart]

    def all_rest(found: Sequence[Group]) -> list[Group]:
        return [
            group | {"user": left, "then": all_rest(group.get("then", ()))}
            for group in found
            if (left := rest(group["user"]))
        ]

    alike = tree.get("alike", {"kind": "", "short": ()})
    opening = tree["opening"] | {"user": rest(tree["opening"]["user"])}
    return tree | {"opening": opening, "then": all_rest(tree["then"]), "alike": alike | {"short": rest(alike["short"])}}


def _walk(tree: Tree, alike: Sequence[Tree], chance: random.Random) -> list[Message]:
    messages = _said(tree["opening"], chance)
    what = None
    others = chance.sample(alike, len(alike))
    left = list(tree["then"])
    for _ in range(chance.randint(*_STEPS)):
        if others and chance.random() < _TURNS:
            tree = others.pop()
            answering = next((group for group in tree["then"] if what and group.get("what") == what), tree["opening"])
            messages += _said(answering | {"user": tree["alike"]["short"]}, chance)
            left = [group for group in tree["then"] if group is not answering]
        elif left:
            group = left.pop(chance.randrange(len(left)))
            what = group.get("what")
            messages += _said(group, chance)
            left = group["then"] + ([] if group.get("ends") else left)
    return messages


def _said(group: Group, chance: random.Random) -> list[Message]:
    return [Message("user", chance.choice(group["user"])), Message("assistant", chance.choice(group["bot"]))]

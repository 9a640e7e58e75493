"""The experiment: a mind and a prompt -> what becomes of it. Knows the runtime; knows nothing of how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chat_app.engine import Cancel, Engine, Stats
from chat_app.mind import Mind
from chat_app.template import Message, render
from chat_app.tokenizer import Detokenizer
from trainer import beginning
from trainer.errors import StageError
from trainer.probe import attractors, bimodality, tree
from trainer.probe.attractors import Attractor
from trainer.probe.tree import Node
from trainer.shares import wilson

_ENDING = 0.5  # of the tokens of a continuation: where it has come to, not how it set out
_LEAST_ENDING = 16  # tokens
_PERMUTATIONS = 499


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a prompt is probed: temperature alone shapes the dice, no other rule of sampling does."""

    samples: int = 64
    tokens: int = 60
    temperature: float = 0.8
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fork:
    """Where the most samples meet the most even choice between two ids.

    `decides` is the share of the uncertainty about the attractor that the branch taken here removes, chance deducted;
    None where all end alike, or take the same branch.
    """

    step: int
    node: Node
    written: str
    """What all samples that stand here have written before."""
    following: tuple[tuple[str, float], ...]
    balance: float
    decides: float | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one prompt. `texts` and `log_probabilities` (nats a token) are one a sample."""

    prompt: str
    settings: Settings
    root: Node
    texts: tuple[str, ...]
    log_probabilities: tuple[float, ...]
    attractors: list[Attractor]
    fork: Fork
    two_modes: float | None
    """The p-value of Silverman's test that the log-probabilities have one mode."""

    @property
    def scattered(self) -> float:
        """The share of samples that no attractor holds."""
        return 1 - sum(len(found.members) for found in self.attractors) / len(self.texts)

    def to_dict(self) -> dict[str, Any]:
        """Everything measured, as JSON."""
        modal = tree.modal(self.root)
        low, high = wilson(modal.count, self.root.count)
        return {
            "prompt": self.prompt,
            "fixed_tokens": tree.fixed(self.root),
            "common_prefix_tokens": tree.common_prefix(self.root),
            "coincidence": tree.coincidence(self.root),
            "modal_share": modal.count / self.root.count,
            "modal_share_interval": [low, high],
            "entropy_bits": tree.entropies(self.root),
            "fork": {
                "step": self.fork.step, "written": self.fork.written, "samples": self.fork.node.count,
                "entropy_bits": self.fork.node.entropy, "following": self.fork.following,
                "balance": self.fork.balance, "decides": self.fork.decides, "p_value": self.fork.p_value,
            },
            "attractors": [
                {"share": found.share, "interval": found.interval, "central": self.texts[found.central],
                 "typical": found.typical, "samples": found.members}
                for found in self.attractors
            ],
            "scattered": self.scattered,
            "attractors_balance": bimodality.balance([found.share for found in self.attractors]),
            "one_mode_p_value": self.two_modes,
            "texts": self.texts,
            "log_probabilities": self.log_probabilities,
        }  # fmt: skip


def probe(mind: Mind, engine: Engine, prompt: str, settings: Settings) -> Finding:
    """Sample continuations of `prompt` and look where they go. StageError where they do not fit into the context."""
    dice = np.random.default_rng(settings.seed)
    ids = prompt_ids(mind, prompt)
    if len(ids) + settings.tokens > mind.config.block_size + 1:
        raise StageError(
            f"The prompt takes {len(ids)} tokens, and {settings.tokens} are to follow, but this mind holds "
            f"{mind.config.block_size}: give fewer --tokens, or a shorter --prompt."
        )
    root = tree.grow(
        lambda so_far: _logits(engine, so_far), ids, count=settings.samples, tokens=settings.tokens,
        temperature=settings.temperature, dice=dice, stop_ids=mind.manners.stop_ids,
        never=mind.never,
    )  # fmt: skip
    paths = [path for path in tree.paths(root) for _ in range(path.count)]
    written = [[node.token for node in path.nodes] for path in paths]
    found = attractors.find([_ending(mind, tokens, settings) for tokens in written])
    means = [path.log_probability / max(1, len(path.nodes)) for path in paths]
    return Finding(
        prompt=prompt,
        settings=settings,
        root=root,
        texts=tuple(text_of(mind, tokens) for tokens in written),
        log_probabilities=tuple(means),
        attractors=found,
        fork=_fork(mind, root, written, attractors.labels(found, len(written)), dice),
        two_modes=bimodality.more_than_one_mode(np.array(means), dice),
    )


def prompt_ids(mind: Mind, prompt: str) -> list[int]:
    """What the mind reads: a line of a conversation if it chats, else a text to continue."""
    if mind.can_chat:
        system = [Message("system", mind.manners.system)] if mind.manners.system else []
        return render(mind.tokenizer, [*system, Message("user", prompt)], answer=True)[0]
    return beginning.ids(mind.tokenizer, prompt)


def text_of(mind: Mind, ids: Sequence[int]) -> str:
    """What was written; half a letter at the end is left out."""
    feed = Detokenizer(mind.tokenizer, inside=not mind.can_chat).feed
    return "".join(map(feed, ids))


def _logits(engine: Engine, ids: list[int]) -> np.ndarray:
    """After `ids`; what the cache still holds of them is not computed again."""
    logits = engine.read(ids, Stats(), Cancel())
    assert logits is not None  # nobody cancels
    return logits


def _ending(mind: Mind, ids: Sequence[int], settings: Settings) -> str:
    kept = max(_LEAST_ENDING, int(settings.tokens * _ENDING))
    return text_of(mind, ids[-kept:])


def _fork(mind: Mind, root: Node, written: list[list[int]], labels: list[int], dice: np.random.Generator) -> Fork:
    """The node with the highest balance of its two likeliest ids, times the share of samples that come by."""
    best, before, highest = root, [], -1.0
    waiting: list[tuple[Node, list[int]]] = [(root, [])]
    while waiting:
        node, ids = waiting.pop()
        weight = bimodality.balance([share for _, share in node.top]) * node.count / root.count
        if weight > highest + 1e-12:
            best, before, highest = node, ids, weight
        waiting += [(child, [*ids, child.token]) for child in reversed(node.children)]
    step = len(before)
    branches = [(ids[step] if len(ids) > step else -1, label) for ids, label in zip(written, labels)
                if ids[:step] == before]  # fmt: skip
    decides, p_value = decided([branch for branch, _ in branches], [label for _, label in branches], dice)
    return Fork(
        step=step,
        node=best,
        written=text_of(mind, before),
        following=tuple((mind.tokenizer.pieces.pieces[token], share) for token, share in best.top),
        balance=bimodality.balance([share for _, share in best.top]),
        decides=decides,
        p_value=p_value,
    )


def decided(
    branches: Sequence[int], labels: Sequence[int], dice: np.random.Generator
) -> tuple[float | None, float | None]:
    """(how much of the entropy of `labels` knowing the branch removes, the p-value of "nothing").

    Mutual information over the entropy of the labels, both less what permuted labels give: few samples look decided.
    """
    _, rows = np.unique(branches, return_inverse=True)
    _, columns = np.unique(labels, return_inverse=True)
    if rows.max() == 0 or columns.max() == 0:
        return None, None
    found = _information(rows, columns)
    chance = np.array([_information(rows, dice.permutation(columns)) for _ in range(_PERMUTATIONS)])
    whole = _information(columns, columns)
    share = (found - chance.mean()) / max(1e-12, whole - chance.mean())
    p_value = (1 + int(np.sum(chance >= found - 1e-12))) / (1 + _PERMUTATIONS)
    return float(np.clip(share, 0, 1)), p_value


def _information(rows: np.ndarray, columns: np.ndarray) -> float:
    """Mutual information in bits; of a labelling with itself, its entropy."""
    joint = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(joint, (rows, columns), 1 / len(rows))
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    here = joint > 0
    return float((joint[here] * np.log2(joint[here] / independent[here])).sum())

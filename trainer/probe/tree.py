"""Many continuations of one prompt as one tree. Knows ids and how to ask for logits; knows no text.

All samples stand at the root. At every node as many ids are drawn as samples stand there, and those that drew the same
id go on together. That is the same as drawing each sample by itself, but a beginning that many share is computed once,
and depth first, so that a cache goes on from where two branches part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

NextLogits = Callable[[list[int]], np.ndarray]  # ids -> logits [V] after them
_TOP = 8  # of the likeliest ids a node remembers


@dataclass(slots=True)
class Node:
    """Where `count` samples stand after `token`. The root's token is -1."""

    token: int
    count: int
    log_probability: float = 0.0
    """Nats, of `token` after its parent."""
    entropy: float | None = None
    """Bits, of what may follow; None where nobody asked."""
    top: list[tuple[int, float]] = field(default_factory=list)
    """The likeliest ids that may follow, with their probabilities."""
    children: list[Node] = field(default_factory=list)
    ended: int = 0
    """Samples that drew a stop id here."""


@dataclass(frozen=True, slots=True)
class Path:
    """One continuation to its end: its nodes without the root, and how many samples took it whole."""

    nodes: tuple[Node, ...]
    count: int

    @property
    def log_probability(self) -> float:
        """Nats, of all its tokens."""
        return sum(node.log_probability for node in self.nodes)


def distribution(logits: np.ndarray, temperature: float, never: Sequence[int] = ()) -> np.ndarray:
    """Probabilities [V] float64 at that temperature; at 0 the likeliest id has it all."""
    values = logits.astype(np.float64)
    values[list(never)] = -np.inf
    if temperature == 0:
        return np.eye(1, len(values), int(values.argmax()))[0]
    odds = np.exp((values - values.max()) / temperature)
    shares: np.ndarray = odds / odds.sum()
    return shares


def grow(
    next_logits: NextLogits, prompt: Sequence[int], *, count: int, tokens: int, temperature: float,
    dice: np.random.Generator, never: Sequence[int] = (), stop_ids: Sequence[int] = (),
) -> Node:  # fmt: skip
    """Draw `count` continuations of at most `tokens` ids; `never` are not drawn, a stop id ends one."""
    root = Node(-1, count)
    waiting = [(root, list(prompt))]
    while waiting:
        node, ids = waiting.pop()
        if len(ids) - len(prompt) == tokens:
            continue
        shares = distribution(next_logits(ids), temperature, never)
        possible = shares[shares > 0]
        node.entropy = float(-(possible * np.log2(possible)).sum()) + 0.0  # never -0.0
        node.top = [(int(i), float(shares[i])) for i in np.argsort(-shares, kind="stable")[:_TOP] if shares[i] > 0]
        drawn = dice.multinomial(node.count, shares)
        for token in sorted(np.flatnonzero(drawn).tolist(), key=lambda token: -drawn[token]):
            if token in stop_ids:
                node.ended += int(drawn[token])
            else:
                node.children.append(Node(token, int(drawn[token]), float(np.log(shares[token]))))
        waiting += [(child, [*ids, child.token]) for child in reversed(node.children)]
    return root


def paths(root: Node) -> Iterator[Path]:
    """Every distinct continuation, in the order of the tree."""
    waiting: list[tuple[Node, ...]] = [(root,)]
    while waiting:
        way = waiting.pop()
        last = way[-1]
        if finished := last.count - sum(child.count for child in last.children):
            yield Path(way[1:], finished)
        waiting += [(*way, child) for child in reversed(last.children)]


def levels(root: Node) -> list[list[Node]]:
    """The nodes by depth, from the root's own level down to the last."""
    found = [[root]]
    while below := [child for node in found[-1] for child in node.children]:
        found.append(below)
    return found


def entropies(root: Node) -> list[float]:
    """Bits, step by step: the mean over the samples that are still being written."""
    means = []
    for level in levels(root):
        asked = [node for node in level if node.entropy is not None]
        if asked:
            means.append(sum(node.count * (node.entropy or 0) for node in asked) / sum(node.count for node in asked))
    return means


def coincidence(root: Node) -> list[float]:
    """For k = 1, 2...: how likely two continuations are to have the same first k ids; an unbiased estimate."""
    pairs = root.count * (root.count - 1)
    return [sum(n.count * (n.count - 1) for n in level) / pairs if pairs else 1.0 for level in levels(root)[1:]]


def common_prefix(root: Node) -> float:
    """Ids that two continuations have in common before they part, on average."""
    return sum(coincidence(root))


def fixed(root: Node) -> int:
    """Ids that all continuations begin with."""
    steps, node = 0, root
    while len(node.children) == 1 and node.children[0].count == root.count:
        steps, node = steps + 1, node.children[0]
    return steps


def modal(root: Node) -> Path:
    """The continuation that most samples took; the first of them where several are as frequent."""
    return max(paths(root), key=lambda path: path.count)

from __future__ import annotations

from itertools import pairwise

import minds
import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from chat_app.config import tensor_shapes
from chat_app.engine import Engine
from chat_app.mind import open_mind
from chat_app.model import logits_everywhere
from chat_app.pieces import NORMAL, Pieces
from chat_app.weights import Weights
from trainer import figures
from trainer.__main__ import app, main
from trainer.errors import StageError
from trainer.probe import attractors, bimodality, command, experiment, figure, tree
from trainer.probe.experiment import Settings
from trainer.shares import wilson

NEVER = -1e9


def following(table: dict[int, dict[int, float]], size: int = 8):
    """A made-up mind: the next id depends on the last one alone, by a table of probabilities."""

    def next_logits(ids: list[int]) -> np.ndarray:
        logits = np.full(size, NEVER)
        for token, share in table[ids[-1]].items():
            logits[token] = np.log(share)
        return logits

    return next_logits


def grown(table, **changes) -> tree.Node:
    settings = {"count": 400, "tokens": 5, "temperature": 1.0, "dice": np.random.default_rng(0), **changes}
    return tree.grow(following(table), [0], **settings)


FORKED = {0: {1: 1.0}, 1: {2: 0.5, 3: 0.5}, 2: {2: 1.0}, 3: {3: 1.0}}
STRAIGHT = {0: {1: 1.0}, 1: {2: 1.0}, 2: {1: 1.0}}


# --- the tree --------------------------------------------------------------------------------------------------


def test_a_mind_without_choice_has_one_fixed_trajectory() -> None:
    root = grown(STRAIGHT)
    assert tree.fixed(root) == tree.common_prefix(root) == 5
    assert tree.coincidence(root) == [1.0] * 5
    assert [(len(path.nodes), path.count) for path in tree.paths(root)] == [(5, 400)]
    assert tree.entropies(root) == [0.0] * 5


def test_a_fork_of_two_is_seen_where_it_stands() -> None:
    root = grown(FORKED)
    assert tree.fixed(root) == 1
    first, second = tree.paths(root)
    assert first.count + second.count == 400
    assert 160 < first.count < 240
    assert first.log_probability == second.log_probability == pytest.approx(np.log(0.5))
    assert tree.entropies(root) == pytest.approx([0, 1, 0, 0, 0])
    # Two continuations share the first id always, and any later one when both took the same branch.
    same = (first.count * (first.count - 1) + second.count * (second.count - 1)) / (400 * 399)
    assert tree.coincidence(root) == pytest.approx([1, same, same, same, same])


def test_every_beginning_is_computed_once() -> None:
    asked: list[tuple[int, ...]] = []

    def next_logits(ids: list[int]) -> np.ndarray:
        asked.append(tuple(ids))
        return following(FORKED)(ids)

    tree.grow(next_logits, [0], count=50, tokens=5, temperature=1.0, dice=np.random.default_rng(1))
    assert len(asked) == len(set(asked)) == 1 + 1 + 2 * 3


def test_the_tree_draws_what_single_samples_would() -> None:
    root = grown({0: {1: 0.7, 2: 0.2, 3: 0.1}, 1: {1: 1}, 2: {2: 1}, 3: {3: 1}}, count=20_000)
    assert [child.count / 20_000 for child in root.children] == pytest.approx([0.7, 0.2, 0.1], abs=0.01)


def test_a_stop_id_ends_a_continuation_and_a_forbidden_one_is_never_drawn() -> None:
    root = grown({0: {1: 0.5, 2: 0.25, 3: 0.25}, 1: {1: 1}, 2: {2: 1}, 3: {3: 1}}, stop_ids=(1,), never=(2,))
    assert 220 < root.ended < 310  # two thirds
    assert [child.token for child in root.children] == [3]
    assert sum(path.count for path in tree.paths(root)) == 400
    assert next(tree.paths(root)).nodes == ()


def test_temperature_sharpens_and_zero_leaves_no_dice() -> None:
    logits = np.log(np.array([0.6, 0.3, 0.1]))
    assert tree.distribution(logits, 1.0) == pytest.approx([0.6, 0.3, 0.1])
    assert tree.distribution(logits, 0.5) == pytest.approx(np.array([0.36, 0.09, 0.01]) / 0.46)
    assert tree.distribution(logits, 0).tolist() == [1, 0, 0]
    assert tree.fixed(grown(FORKED, temperature=0)) == 5


# --- bimodality --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.5, 0.5], 1),
        ([1.0], 0),
        ([1.0, 0.0], 0),
        ([], 0),
        ([1 / 3] * 3, 2 / 3),
        ([0.01] * 100, 0.02),
        ([0.9, 0.1], 0.36),
    ],
)
def test_shares_are_bimodal_as_far_as_two_hold_everything_in_equal_parts(shares, expected) -> None:
    assert bimodality.balance(shares) == pytest.approx(expected)


def test_two_hills_have_more_than_one_mode_and_one_hill_has_not() -> None:
    dice = np.random.default_rng(0)
    two = np.concatenate([dice.normal(-3, 1, 32), dice.normal(3, 1, 32)])
    assert bimodality.more_than_one_mode(two, dice) < 0.05
    assert bimodality.more_than_one_mode(dice.normal(0, 1, 64), dice) > 0.05
    assert bimodality.more_than_one_mode(dice.exponential(1, 64), dice) > 0.05  # skewed is not bimodal


def test_the_test_of_modes_does_not_depend_on_the_unit() -> None:
    values = np.random.default_rng(3).normal(0, 1, 40)
    first, second = (bimodality.more_than_one_mode(v, np.random.default_rng(4)) for v in (values, 1000 * values - 5))
    assert first == pytest.approx(second, abs=0.02)


@pytest.mark.parametrize("values", [[1.0] * 50, [1.0, 2.0, 3.0], []])
def test_no_modes_are_sought_in_too_few_or_equal_values(values) -> None:
    assert bimodality.more_than_one_mode(np.array(values), np.random.default_rng(0)) is None


# --- attractors --------------------------------------------------------------------------------------------------

RIVER = ["вода уходит, а река остается", "и вода уходит, а река осталась", "вода ушла, а река остается"]
HOUSE = ["старик вышел на крыльцо дома", "старик опять вышел на крыльцо", "старик вышел на крыльцо и сел"]


def test_two_kinds_of_text_are_two_attractors_with_their_shares() -> None:
    texts = [*RIVER, *HOUSE, *RIVER]
    first, second = attractors.find(texts)
    assert first.members == (0, 1, 2, 6, 7, 8)
    assert second.members == (3, 4, 5)
    assert first.share == pytest.approx(2 / 3)
    assert first.interval[0] < 2 / 3 < first.interval[1]
    assert first.typical[:3] == ("а", "река", "уходит")  # "остается", at the end, may be half a word
    assert texts[second.central] in HOUSE
    assert attractors.labels([first, second], 9) == [0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_the_same_text_over_and_over_is_one_attractor() -> None:
    (only,) = attractors.find(["вода уходит"] * 20)
    assert (only.share, only.central) == (1, 0)


def test_texts_that_have_nothing_in_common_are_no_attractor() -> None:
    letters = np.random.default_rng(0).choice(list(minds.RUSSIAN), (30, 40))
    assert attractors.find(["".join(row) for row in letters]) == []


def test_what_happens_once_in_a_hundred_is_no_attractor() -> None:
    found = attractors.find([*[RIVER[0]] * 97, *HOUSE[:2], "совсем другое"])
    assert [attractor.share for attractor in found] == [0.97]


@pytest.mark.parametrize("texts", [[""], ["", ""], ["а", "б"]])
def test_texts_too_short_for_a_run_of_letters_do_no_harm(texts) -> None:
    assert len(attractors.find(texts)) <= 1


def test_the_interval_is_wilsons() -> None:
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(64, 64) == pytest.approx((0.9434, 1.0), abs=1e-4)
    assert wilson(0, 64) == pytest.approx((0.0, 0.0566), abs=1e-4)


# --- the experiment --------------------------------------------------------------------------------------------------

WAYS = ("абвгд", "жзиклм")


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    """A mind of letters that goes on from "." into one of WAYS, each as likely, and goes round in it for ever."""
    pieces = minds.char_pieces(alphabet="." + "".join(WAYS))
    index = pieces.pieces.index
    shape = minds.config(
        len(pieces.pieces), n_layer=1, n_embd=64, n_inner=8, tied=False, block_size=80, position="rope", norm="rmsnorm"
    )
    tensors = {name: np.zeros(size, np.float16) for name, size in tensor_shapes(shape).items()}
    tensors["ln_f.weight"] += np.float16(1)
    tensors["wte.weight"] = np.eye(len(pieces.pieces), 64, dtype=np.float16)
    for way in WAYS:
        for letter, follower in [(".", way[0]), *pairwise(way + way[0])]:
            tensors["lm_head.weight"][index(follower), index(letter)] = 8
    path = tmp_path_factory.mktemp("forked") / "forked.mind"
    return minds.write(path, pieces, tensors, shape, temperature=0.5)


def probed(path, prompt=".", **changes):
    mind = open_mind(path)
    settings = Settings(**{"samples": 100, "tokens": 30, "temperature": 0.5, **changes})
    return experiment.probe(mind, Engine(Weights.from_mind(mind)), prompt, settings)


def test_a_mind_with_an_even_fork_has_two_attractors_of_half_each(forked) -> None:
    finding = probed(forked)
    assert [found.share for found in finding.attractors] == pytest.approx([0.5, 0.5], abs=0.12)
    assert {finding.texts[found.central][:5] for found in finding.attractors} == {"абвгд", "жзикл"}
    assert finding.scattered == 0
    assert (finding.fork.step, finding.fork.written) == (0, "")
    assert {piece for piece, _ in finding.fork.following[:2]} == {"а", "ж"}
    assert finding.fork.balance > 0.95
    assert finding.fork.decides > 0.95
    assert finding.fork.p_value == 0.002
    assert finding.to_dict()["attractors_balance"] > 0.9


def test_beyond_the_fork_the_way_is_fixed(forked) -> None:
    finding = probed(forked, ".а")
    assert tree.fixed(finding.root) == 30
    assert [found.share for found in finding.attractors] == [1.0]
    assert finding.fork.decides is None
    assert finding.two_modes is None


def test_the_same_seed_finds_the_same(forked) -> None:
    assert probed(forked, seed=3).to_dict() == probed(forked, seed=3).to_dict()
    assert probed(forked, seed=3).texts != probed(forked, seed=4).texts


def test_the_cache_that_branches_share_changes_no_distribution(babbling) -> None:
    mind = open_mind(babbling)
    weights = Weights.from_mind(mind)
    ids = experiment.prompt_ids(mind, "Дом")
    finding = experiment.probe(mind, Engine(weights), "Дом", Settings(samples=12, tokens=6, temperature=1.0))
    never = sorted(mind.tokenizer.silent - set(mind.manners.stop_ids))
    for path in tree.paths(finding.root):
        written = [node.token for node in path.nodes]
        everywhere = logits_everywhere(weights, ids + written)[len(ids) - 1 :]
        for node, logits in zip(path.nodes, everywhere):
            shares = tree.distribution(logits, 1.0, never)
            assert node.log_probability == pytest.approx(np.log(shares[node.token]), abs=1e-3)


def test_a_mind_that_chats_is_asked_and_may_end(chatting) -> None:
    finding = probed(chatting, "Привет", temperature=0)
    assert set(finding.texts) == {minds.ANSWER_TEXT}
    assert tree.modal(finding.root).count == finding.root.count == 100


def test_a_mind_without_an_unknown_piece_is_probed(tmp_path) -> None:
    pieces = Pieces(kind="char", pieces=tuple(minds.ALPHABET), types=(NORMAL,) * len(minds.ALPHABET))
    finding = probed(minds.random_mind(tmp_path / "a.mind", pieces), "Дом", samples=5)
    assert {len(text) for text in finding.texts} == {30}


def test_weights_that_cannot_be_loaded_are_a_sentence(forked, tmp_path, monkeypatch) -> None:
    def broken(mind, progress):
        raise MemoryError

    monkeypatch.setattr(Weights, "from_mind", broken)
    with pytest.raises(StageError, match="not enough memory for the mind"):
        command.make(open_mind(forked), ["."], Settings(), tmp_path)


def test_a_prompt_that_does_not_fit_is_a_sentence(forked) -> None:
    with pytest.raises(StageError, match=r"takes 60 tokens, and 30 are to follow, but this mind holds 80: give fewer"):
        probed(forked, "а" * 60)
    assert tree.fixed(probed(forked, "а" * 51).root) == 30  # to the last position


def test_what_the_fork_decides_is_judged_against_chance() -> None:
    dice = np.random.default_rng(0)
    labels = dice.integers(0, 2, 60)
    assert experiment.decided(labels, labels, dice)[0] == pytest.approx(1)
    share, p_value = experiment.decided(dice.integers(0, 6, 60), labels, dice)
    assert share < 0.1
    assert p_value > 0.05
    assert experiment.decided([1] * 60, labels, dice) == (None, None)
    everybody_alone = np.arange(60)
    assert experiment.decided(everybody_alone, labels, dice)[1] == 1  # "decided" by chance alone


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_tells_writes_and_draws(forked, tmp_path) -> None:
    words = ["probe", str(forked), "--prompt", ".", "--prompt", "а[b]б", "--samples", "20", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "140"})
    assert result.exit_code == 0, result.output
    for told in ("How fixed is the way", "абвгд", "а[b]б", "bimodality"):
        assert told in result.output
    values = orjson.loads((tmp_path / "probe.json").read_bytes())
    assert values["settings"] == {"samples": 20, "tokens": 60, "temperature": 0.5, "seed": 0}
    assert [found["prompt"] for found in values["prompts"]] == [".", "а[b]б"]
    for number in (1, 2):
        assert (tmp_path / f"probe-{number}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_continuation_stands_in_the_picture_at_its_place(forked, language) -> None:
    mind = open_mind(forked)
    finding = probed(forked, samples=40)
    drawn = figure.draw(finding, lambda ids: experiment.text_of(mind, ids), language)
    boxes = [patch.get_bbox() for patch in drawn.axes[0].patches]
    assert sum(box.width * box.height for box in boxes) == pytest.approx(40 * 30)  # no gap, no overlap
    letters = [text.get_text() for text in drawn.axes[0].texts]
    assert sorted(map(len, letters)) == [30, 30]
    page = drawn.get_window_extent()
    assert all(text.get_window_extent().x1 < page.x1 for text in drawn.texts)
    assert figures.png(drawn).startswith(b"\x89PNG")


def test_an_unknown_mind_is_a_sentence(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["trainer", "probe", str(tmp_path / "no.mind"), "--prompt", "a"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "There is no mind at" in told
    assert "trainer export" in told
    with pytest.raises(StageError):
        command.opened(tmp_path)

"""KTO, Kahneman-Tversky optimisation (Ethayarajh and others, 2024, arXiv 2402.01306): learning from rated answers.

Equation numbers are the paper's. A reward is the log-ratio r = log pi(y|x) - log pi_ref(y|x) of an answer (eq. 7);
it counts by how far it is from z_ref, an estimate of KL(pi || pi_ref), on the side that its rating asks for (eq. 8).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chat_app import tokenizer as tokenizer_module
from chat_app.pieces import Pieces
from trainer import checkpoint, lora, pretrain, sft
from trainer.dialogues import gather
from trainer.errors import StageError
from trainer.held_out import HeldOut
from trainer.loop import Run
from trainer.model import Transformer
from trainer.pairs import rated
from trainer.pairs.batches import Batch, RatedBatches, encode, split
from trainer.pairs.watch import Watch
from trainer.ranks import Ranks
from trainer.recipe import Recipe
from trainer.sections import Kto
from trainer.writing import Writer

STAGE = "kto"
_READ_AT_ONCE = 16  # answers that the reference reads side by side, however few the stage learns from at once


def sequence_log_probabilities(model: nn.Module, ids: Tensor, targets: Tensor) -> Tensor:
    """log pi(y|x) of each row [B]: over `targets` [B, T], of which those below 0 do not count, after `ids` [B, T]."""
    counted = targets >= 0
    logits = model(ids, wanted=counted)  # [N, V]
    nats = F.cross_entropy(logits.float(), targets[counted], reduction="none")  # [N]
    return -nats.new_zeros(targets.shape).masked_scatter(counted, nats).sum(1)


def z_ref(policy: Tensor, reference: Tensor, *, clamp: bool = True) -> Tensor:
    """The reference point: the mean log-ratio of answers to each other's prompts, both [m]; no gradient flows.

    Section 4.1 of the paper estimates KL so, and holds it at 0 where the estimate is negative.
    """
    estimate = (policy - reference).mean().detach()
    return estimate.clamp(min=0) if clamp else estimate


def kto_losses(rewards: Tensor, desirable: Tensor, reference_point: Tensor, settings: Kto) -> Tensor:
    """lambda_y - v(x, y) of each answer (eq. 8); `rewards` are log-ratios [B], `desirable` bool [B]."""
    distance = settings.beta * (rewards - reference_point)
    gain = settings.desirable_weight * (1 - torch.sigmoid(distance))
    loss = settings.undesirable_weight * (1 - torch.sigmoid(-distance))
    return torch.where(desirable, gain, loss)


class KtoRun(Run):
    """The training loop with KTO's loss, which ends before the mind is spoiled."""

    def __init__(
        self, settings: Kto, folder: Path, model: Transformer, writer: Writer, batches: RatedBatches,
        held_out: HeldOut, *, rated_apart: Batch, watch: Watch, device: str, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(settings, folder, model, writer, batches, held_out, device=device, **options)
        self.settings: Kto = settings
        self.state.tokens_per_iteration = batches.tokens_per_batch
        self._rated_apart, self._kl_and_loops = rated_apart, watch

    def _backward(self) -> float:
        batch: Batch = self.batches.batch(self.state.iteration)
        rows, good = len(batch), max(1, batch.desirable_tokens)
        batch = batch.take(self.ranks.part)
        with torch.no_grad():
            there, count = self._crossed(self.model, batch)
            point = self._reference_point(self.ranks.sum(there, self.device), self.ranks.sum(count, self.device))
        total = torch.zeros((), device=self.device)
        for part in batch.parts(self.settings.batch_size):
            policy = self._policy(self.model, part.ids, part.targets)
            desirable = torch.from_numpy(part.desirable).to(self.device)
            losses = kto_losses(self._rewards(policy, part.reference, part.targets), desirable, point, self.settings)
            loss = losses.sum() / rows - self.settings.sft_weight * policy[desirable].sum() / good
            loss.backward()
            total += loss.detach()
        return self.ranks.sum(total.item(), self.device)

    def _policy(self, model: nn.Module, ids: np.ndarray, targets: np.ndarray) -> Tensor:
        rows = (torch.from_numpy(each).to(self.device) for each in (ids, targets))
        with self._autocast():
            return sequence_log_probabilities(model, *rows)

    def _rewards(self, policy: Tensor, reference: np.ndarray, targets: np.ndarray) -> Tensor:
        """The log-ratios [B] of answers, of a token each where the recipe says so."""
        rewards = policy - torch.from_numpy(reference).to(self.device)
        if self.settings.length_normalised:
            rewards = rewards / torch.from_numpy((targets >= 0).sum(1)).to(self.device)
        return rewards

    def _crossed(self, model: nn.Module, batch: Batch) -> tuple[float, int]:
        """(sum, count) of the rewards of answers to their neighbours' prompts: of this process, for it may be alone."""
        found = [
            self._rewards(self._policy(model, part.crossed_ids, part.crossed_targets), part.crossed_reference,
                          part.crossed_targets)
            for part in batch.parts(self.settings.batch_size)
        ]  # fmt: skip
        rewards = torch.cat(found)
        return float(rewards.sum()), len(rewards)

    def _reference_point(self, total: float, count: float) -> Tensor:
        """z_ref, from the sum of so many crossed rewards."""
        return z_ref(torch.tensor([total / count]), torch.zeros(1), clamp=self.settings.clamp).to(self.device)

    def _watch(self, model: nn.Module) -> dict[str, Any]:
        """Rewards, gap, accuracy and z_ref of the rated answers held out; KL and loops of answers it writes now.

        The first process measures alone: nothing in here may wait for the others.
        """
        batch = self._rated_apart
        with torch.no_grad():
            point = self._reference_point(*self._crossed(model, batch))
            parts = [
                (self._rewards(self._policy(model, part.ids, part.targets), part.reference, part.targets),
                 part.desirable)
                for part in batch.parts(self.settings.batch_size)
            ]  # fmt: skip
        rewards = torch.cat([found for found, _ in parts]).cpu()
        desirable = torch.cat([torch.from_numpy(labels) for _, labels in parts])
        chosen, rejected = rewards[desirable], rewards[~desirable]
        right = torch.where(desirable, rewards > point.cpu(), rewards < point.cpu())
        found = {
            "z_ref": point.item(), "chosen": chosen.mean().item(), "rejected": rejected.mean().item(),
            "gap": (chosen.mean() - rejected.mean()).item(), "accuracy": right.float().mean().item(),
            **self._kl_and_loops.measure(model, self._autocast),
        }  # fmt: skip
        self.say(", ".join(f"{name} {value:.3f}" for name, value in found.items()))
        return {name: round(value, 4) for name, value in found.items()}

    def _spoiled(self) -> str:
        """The sentence to end with where the last evaluation found too much of a change."""
        if not (row := next(iter(self.state.curve[-1:]), None)) or not (reason := self._exceeded(row)):
            return ""
        if self.state.best_loss is None:
            return (
                f"{reason} The run ends at its first evaluation, with nothing kept: remove {self.folder} and begin "
                "anew with a smaller eval_interval or lr of the kto stage."
            )
        return (
            f"{reason} The run ends here; what it kept is iteration {self.state.best_iteration}. For more of a change "
            "without this, lower lr or undesirable_weight, raise sft_weight or beta, or give more varied answers."
        )

    def _exceeded(self, row: dict[str, Any]) -> str:
        settings = self.settings
        if settings.kl_budget is not None and row["kl"] > settings.kl_budget:
            far, most = f"{row['kl']:.2f}", f"{settings.kl_budget:g}"
            return f"The mind is {far} nats a token from its reference, above kl_budget {most}."
        if settings.loop_budget is not None:
            allowed = self._kl_and_loops.loops_before + settings.loop_budget
            if row["loops"] > allowed:
                return f"Of 100 answers {row['loops']:.1f} loop, above the {allowed:.1f} that loop_budget allows."
        return ""

    def _preferred(self, loss: float, row: dict[str, Any]) -> bool:
        """The latest weights within the budgets: the held-out loss alone would choose the reference."""
        return not self._exceeded(row)


def prepare(
    recipe: Recipe, folder: Path, pieces: Pieces, *, device: str = "cpu", ranks: Ranks = Ranks(),  # noqa: B008
    minutes: float | None = None, start: Path | None = None, say: Callable[[str], None] = lambda line: None,
    ratings: Path | None = None,
) -> KtoRun:  # fmt: skip
    """A run that stands at its last checkpoint, or at its beginning: the best of the sft stage, or `start`.

    Learns from the answers in `ratings`, else from those of the pairs stage. StageError where they are too few, or
    where an earlier run of this recipe began with other weights.
    """
    if recipe.kto is None or recipe.dialogues is None:
        raise StageError(f"The recipe {recipe.name} has no kto: it ends with the sft stage.")
    settings, place = recipe.kto, folder / stage_of(recipe)
    config = recipe.model.config(len(pieces.pieces))
    tokenizer = tokenizer_module.from_dict(pieces.to_dict())
    model = Transformer(config, settings.dropout, settings.attention_dropout, begin=tokenizer.bos_id)
    start = start or folder / sft.STAGE / checkpoint.BEST
    weights = pretrain.weights_of(start, config, pieces)
    model.load_state_dict(weights)
    reference = deepcopy(model).to(device).eval()
    learned, apart = split(rated.read(ratings or folder / rated.FILE), settings.val_fraction, settings.seed)
    writer = Writer(tokenizer, chat=True, system=recipe.dialogues.system)
    size = settings.batch_size * settings.gradient_accumulation

    def refer(ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            rows = (torch.from_numpy(each).to(device) for each in (ids, targets))
            return sequence_log_probabilities(reference, *rows).cpu().numpy()

    sides: list[RatedBatches] = []
    origin, at_once = checkpoint.digest(weights), max(_READ_AT_ONCE, settings.batch_size)
    for name, some, whole, iterations in (("train", learned, size, settings.max_iters), ("val", apart, None, 1)):
        rows = encode(some, writer, config.block_size)
        sides.append(RatedBatches(rows, whole, settings.seed, config.block_size))
        sides[-1].refer(refer, at_once, place / f"reference-{name}.npz", origin, iterations, say)
    if settings.lora_rank:
        torch.manual_seed(settings.seed)
        lora.adapt(model, settings.lora_rank, settings.lora_targets, tables=False)
    run = KtoRun(
        settings, place, model, writer, sides[0],
        sft.HeldOutAnswers(*gather.load(folder, "val"), config.block_size, settings.eval_sequences),
        rated_apart=sides[1].batch(0),
        watch=Watch(
            reference, apart, writer, recipe.export.sampling(), settings.watched_prompts, settings.seed
        ),
        device=device, start=start, ranks=ranks, minutes=minutes, say=say,
        origin={"set of rated answers": rated.digest(learned), "set of held-out rated answers": rated.digest(apart)},
        shipped=lora.merged if settings.lora_rank else Transformer.state_dict,
    )  # fmt: skip
    run.resume()
    return run


def stage_of(recipe: Recipe) -> str:
    """The name of the stage's folder: a family of recipes shares one work folder, and each has its own KTO."""
    return recipe.name if recipe.extends else STAGE

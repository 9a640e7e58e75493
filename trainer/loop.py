"""The training loop of every stage: iterate, evaluate, let the mind write, keep `last` and `best`, stop cleanly.

Everything random is drawn from (seed, iteration), so a run that was killed and resumed equals an unbroken one.
Knows no corpus: a stage hands in its batches and its held-out text.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trainer import checkpoint, childhood, machine, optimizers
from trainer.budget import Budget
from trainer.checkpoint import BEST, LAST, Checkpoint, State
from trainer.errors import StageError, first_line
from trainer.held_out import HeldOut, bits_per_byte
from trainer.model import Transformer
from trainer.ranks import Ranks
from trainer.sections import Training
from trainer.writing import Writer

# Changed, they break a resumption.
_FIXED = (
    "batch_size", "gradient_accumulation", "early_block_size", "optimizer", "seed", "ema", "lora_rank", "lora_targets",
    "start_share",
)  # fmt: skip


class Batches(Protocol):
    """What a stage learns from."""

    def batch(self, iteration: int, cooldown_start: int) -> tuple[np.ndarray, np.ndarray]:
        """(ids, targets) of one iteration, int64 [size, T] each; targets of -1 are not learned."""


class Run:
    """One run of a stage in its folder.

    `writer` lets the mind write samples; `start` is what the model's weights are from, if they are from anything;
    `origin` are digests of what a resumption must find again, by their names in a sentence; `minutes` are those it may
    take from now on; `shipped` gives the weights that the best checkpoint keeps; `say` gets the run's lines.
    """

    def __init__(
        self, settings: Training, folder: Path, model: Transformer, writer: Writer, batches: Batches,
        held_out: HeldOut, *, device: str, start: Path | None = None, origin: dict[str, str] | None = None,
        ranks: Ranks = Ranks(), minutes: float | None = None,  # noqa: B008
        shipped: Callable[[torch.nn.Module], dict[str, Tensor]] = torch.nn.Module.state_dict,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        self.settings, self.folder, self.device, self.ranks = settings, folder, device, ranks
        self.writer, self.batches, self.held_out, self._shipped = writer, batches, held_out, shipped
        self.say = say
        self.model = model.to(device)
        self.optimizers = optimizers.make(self.model, settings)
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema)) if settings.ema else None
        size, block_size = settings.batch_size * settings.gradient_accumulation, model.config.block_size
        self._early = settings.early_block_size or block_size
        for rows in (size, size * self._early // block_size):
            ranks.share(rows)  # now rather than when the cooldown begins
        self.state = State(
            max_iters=settings.max_iters,
            parameters=sum(p.numel() for name, p in model.named_parameters() if ".lora_" not in name),
            tokens_per_iteration=size * self._early,
            origin=origin or {},
        )
        if start is not None and not checkpoint.exists(folder / LAST):
            self.state.tokens_before, self.state.seconds_before, self.state.samples_before = childhood.before(start)
        self.stop = False
        # A shape of its own for the cooldown's longer sequences: code for any shape would be slower in both.
        self._forward = torch.compile(self.model, dynamic=False) if settings.compile else self.model
        self._budget = Budget(minutes, settings.eval_interval)
        self._bf16 = settings.bf16 and machine.multiplies_bf16(device)

    # One iteration

    def step(self) -> float:
        """Forward, backward, update. The mean loss in nats a token. StageError where it or a gradient is no number."""
        settings, state = self.settings, self.state
        self._seed(state.iteration)
        if state.cooldown_start is None and state.iteration >= self.cooldown_start:
            state.cooldown_start, state.cooldown_from = state.iteration, (state.iteration, 1.0)
        self.model.train()
        loss = self._backward()
        self._check(loss, "The loss")
        self.ranks.sum_gradients(self.model)
        most = settings.grad_clip or math.inf  # which scales by 1
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), most)
        self._check(norm.item(), "A gradient")  # before it is in the weights, and in a checkpoint
        optimizers.set_rates(self.optimizers, self.rate_ratio(state.iteration))
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.model)
        state.iteration += 1
        return loss

    def _check(self, value: float, what: str) -> None:
        """StageError where it is no number."""
        if not math.isfinite(value):
            rates = "lr or muon_lr" if self.settings.optimizer == "muon" else "lr"
            raise StageError(
                f"{what} is no longer a number at iteration {self.state.iteration}: lower {rates} of the "
                f"{self.folder.name} stage, or lengthen warmup_iters, and go on from the last checkpoint, still there."
            )

    def _backward(self) -> float:
        """The gradients of this process's part of a batch; the loss of the whole batch."""
        ids, targets = self.batches.batch(self.state.iteration, self.cooldown_start)
        counted = max(1, int((targets >= 0).sum()))  # of the whole batch, whoever computes it
        share = self.ranks.share(len(ids))
        ids, targets = ids[share], targets[share]
        total = torch.zeros((), device=self.device)
        at_once = max(1, self.settings.batch_size * self._early // ids.shape[1])
        for begin in range(0, len(ids), at_once):
            rows = slice(begin, begin + at_once)
            weight = int((targets[rows] >= 0).sum()) / counted
            if weight:
                loss = self._loss(ids[rows], targets[rows]) * weight
                loss.backward()
                total += loss.detach()
        return self.ranks.sum(total.item(), self.device)

    def _loss(self, ids: np.ndarray, targets: np.ndarray) -> Tensor:
        try:
            return self._mean_loss(self._forward, ids, targets)
        except machine.compile_errors() as error:
            self.say(f"torch.compile does not work here, so training is slower than it could be: {first_line(error)}")
            self._forward = self.model
            return self._mean_loss(self.model, ids, targets)

    def _mean_loss(self, model: Callable[..., Tensor], ids: np.ndarray, targets: np.ndarray) -> Tensor:
        with self._autocast():
            return model(*(torch.from_numpy(rows).to(self.device, non_blocking=True) for rows in (ids, targets)))

    def _autocast(self) -> AbstractContextManager[Any]:
        """bf16, where the recipe wants it and the machine multiplies it faster than fp32."""
        return torch.autocast(self.device.split(":")[0], torch.bfloat16) if self._bf16 else nullcontext()

    def _seed(self, iteration: int) -> None:
        """Dropout's dice, from the iteration and the process alone: a checkpoint need not keep them."""
        seed = np.random.SeedSequence((self.settings.seed, iteration, self.ranks.rank))
        torch.manual_seed(int(seed.generate_state(1)[0]))

    # The whole run

    @property
    def cooldown_start(self) -> int:
        """The first iteration of the cooldown: where it began, or will as things stand."""
        begun = self.state.cooldown_start
        return optimizers.planned_cooldown(self.settings, self.state.max_iters) if begun is None else begun

    def rate_ratio(self, iteration: int) -> float:
        """The share of the peak rate at an iteration."""
        return optimizers.rate_ratio(self.settings, iteration, self.state.max_iters, self.state.cooldown_from)

    def go(self) -> Iterator[int]:
        """Run to the end of the schedule or of the time, or until `stop` is set, yielding each finished iteration.

        What breaks off an iteration halfway is not saved: the last checkpoint stays, and is exact.
        """
        settings, state = self.settings, self.state
        if settings.bf16 and not self._bf16:
            self.say(f"{self.folder.name}: this machine is slow at bfloat16, so it computes in fp32.")
        saved = started = self._evaluated = time.monotonic()
        self._evaluated_at = state.iteration
        before = state.seconds
        try:
            while state.iteration < state.max_iters and not self._stopping():
                began = time.monotonic()
                loss = self.step()
                self._budget.iterated(time.monotonic() - began)
                state.recent_loss = loss if state.recent_loss is None else 0.95 * state.recent_loss + 0.05 * loss
                state.seconds = before + time.monotonic() - started
                self._plan()
                if state.iteration % settings.eval_interval == 0 or state.iteration == state.max_iters:
                    self._evaluate()
                if time.monotonic() - saved > 60 * settings.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
                yield state.iteration
        except GeneratorExit:  # the caller has seen enough, and we stand between two iterations
            self.save()
            raise
        if state.iteration and (state.best_loss is None or self._budget.over):
            self._evaluate()  # or what was learned last could not be shipped
        self.save()

    def _stopping(self) -> bool:
        """Whether to end now; all processes must end after the same iteration."""
        state, patience = self.state, self.settings.patience
        waited = state.iteration - state.best_iteration
        tired = patience is not None and bool(state.curve) and waited >= patience * self.settings.eval_interval
        spoiled = self._spoiled()
        if not self.ranks.agree([self.stop or self._budget.over or tired or bool(spoiled)], self.device)[0]:
            return False
        if spoiled:
            self.say(spoiled)
        elif tired:
            self.say(f"The held-out loss has not improved for {waited} iterations: it ends here, and the best is kept.")
        elif self._budget.over and not self.stop:
            self.say(f"The {self._budget.minutes:g} minutes are over: the same command goes on from here.")
        return True

    def _spoiled(self) -> str:
        """Why the run must not go on, where a stage watches over more than the loss."""
        return ""

    def _plan(self) -> None:
        """Let the schedule end with the time given; a cooldown that has begun goes on from where the rate is."""
        settings, state = self.settings, self.state
        end = self._budget.end(state.iteration) if settings.schedule == "wsd" else None
        if end is None:
            return
        if state.cooldown_from is not None:
            left = optimizers.cooldown_left(settings, state.iteration, state.max_iters, state.cooldown_from)
            state.cooldown_from = state.iteration, left
        state.max_iters = self.ranks.agree([min(settings.max_iters, end)], self.device)[0]

    # What happens at an evaluation

    def _evaluate(self) -> None:
        """Measure, let the mind write, and keep the best weights yet, averaged or not."""
        if not self.ranks.first:
            return
        state, now = self.state, time.monotonic()
        if state.curve and state.curve[-1]["iteration"] == state.iteration:
            return
        losses = self.losses(self.model)
        loss, better = self.held_out.overall(losses), self.model
        row: dict[str, Any] = {"iteration": state.iteration, "train": round(state.recent_loss or math.nan, 4)}
        row["val"] = round(loss, 4)
        if self.average is not None:
            of_average = self.losses(self.average.module)
            average_loss = self.held_out.overall(of_average)
            row["ema_val"] = round(average_loss, 4)
            if average_loss < loss:
                losses, loss, better = of_average, average_loss, self.average.module
        row["bits_per_byte"] = round(self.held_out.bits_per_byte(losses), 4)
        row["sources"] = {n: round(bits_per_byte(losses[n], c), 4) for n, c in self.held_out.counts.items()}
        row["lr_ratio"] = round(self.rate_ratio(state.iteration - 1), 4)
        speed = (state.iteration - self._evaluated_at) * state.tokens_per_iteration / (now - self._evaluated)
        row["tokens_per_second"], row["memory_mb"] = round(speed), machine.memory_mb(self.device)
        row["seconds"] = round(state.seconds)
        row |= self._watch(better)
        state.curve.append(row)
        self.say(
            f"iteration {state.iteration}: train {state.recent_loss:.4f}, held-out {loss:.4f} nats a token, "
            f"{row['bits_per_byte']:.4f} bits a byte, {speed:,.0f} tokens/s, {state.seconds / 60:.1f} min"
        )
        prompts = self.settings.sample_prompts
        texts = self.writer.write(
            better, prompts, self.settings.sample_tokens, seed=self.settings.seed, autocast=self._autocast()
        )
        for prompt, text in zip(prompts, texts, strict=True):
            state.samples.append({"iteration": state.iteration, "prompt": prompt, "text": text})
            self.say(f"at iteration {state.iteration} it writes: {text}")
        if self._is_best(loss, row):
            state.best_loss, state.best_iteration = loss, state.iteration
            self._checkpoint(self._shipped(better)).save(self.folder / BEST)
        self._evaluated, self._evaluated_at = time.monotonic(), state.iteration
        self._budget.evaluated(self._evaluated - now)

    def _watch(self, model: torch.nn.Module) -> dict[str, Any]:
        """What a stage measures beside the held-out loss."""
        return {}

    def _is_best(self, loss: float, row: dict[str, Any]) -> bool:
        """Whether these are the weights to ship, as things stand."""
        return math.isfinite(loss) and self._preferred(loss, row)

    def _preferred(self, loss: float, row: dict[str, Any]) -> bool:
        """Whether they are to be kept in the place of those before."""
        return self.settings.keep == "last" or checkpoint.improves(loss, self.state.best_loss)

    def losses(self, model: torch.nn.Module) -> dict[str, float]:
        """Source -> held-out nats a token, with these weights."""
        model.eval()
        with torch.no_grad():
            return self.held_out.losses(
                lambda ids, targets: self._mean_loss(model, ids, targets).item(), self.settings.batch_size
            )

    # Checkpoints

    def _checkpoint(self, weights: dict[str, Tensor]) -> Checkpoint:
        return Checkpoint(
            config=self.model.config.to_dict(), pieces=list(self.writer.tokenizer.pieces.pieces),
            settings=self.settings.model_dump(), state=self.state, model=weights,
        )  # fmt: skip

    def save(self) -> None:
        """Write everything a resumption needs, in place of the last checkpoint."""
        if not self.ranks.first:
            return
        whole = self._checkpoint(self.model.state_dict())
        whole.average = self.average.module.state_dict() if self.average is not None else None
        whole.optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        whole.save(self.folder / LAST)

    def resume(self) -> bool:
        """Take up the last checkpoint, if there is one. StageError where it belongs to another recipe."""
        if not checkpoint.exists(self.folder / LAST):
            return False
        found = checkpoint.load(self.folder / LAST, optimizers=True)
        now = self.settings.model_dump(mode="json")  # as a checkpoint keeps them
        # An older checkpoint does not know every key.
        changed = [key for key in _FIXED if found.settings.get(key, now.get(key)) != now.get(key)]
        if found.config != self.model.config.to_dict() or found.pieces != list(self.writer.tokenizer.pieces.pieces):
            changed.append("model or vocabulary")
        if changed:
            raise StageError(
                f"{self.folder / LAST} was grown with another {', '.join(changed)}: change the recipe back, "
                "or start afresh by giving another --out."
            )
        if other := [name for name, digest in self.state.origin.items()
                     if found.state.origin.get(name, digest) != digest]:  # fmt: skip
            raise StageError(
                f"{self.folder / LAST} was begun with another {', '.join(other)}: remove {self.folder} to begin anew, "
                f"or give another --out, with --from {self.folder / BEST} to go on from there."
            )
        self.model.load_state_dict(found.model)
        for optimizer, saved in zip(self.optimizers, found.optimizers or [], strict=True):
            optimizers.load(optimizer, saved)
        if self.average is not None and found.average is not None:
            self.average.module.load_state_dict(found.average)
            self.average.n_averaged.fill_(found.state.iteration)
        self.state = found.state
        if found.settings["max_iters"] != self.settings.max_iters:  # the maker wants it longer, or shorter
            self.state.cooldown_start = self.state.cooldown_from = None
        if self.state.cooldown_start is None:  # what was planned for another evening's time is forgotten
            self.state.max_iters = self.settings.max_iters
        return True

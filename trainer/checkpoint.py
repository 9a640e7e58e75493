"""Checkpoints of a stage: `last` to go on from, `best` to ship. Knows files and formats, not how training works.

Each is a folder: model.safetensors (fp32), state.json, and in `last` optimizers.pt.
"""

from __future__ import annotations

import errno
import hashlib
import math
import pickle
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from trainer.errors import StageError, first_line
from trainer.files import recovered, replacing_folder

LAST, BEST = "last", "best"
_MODEL, _AVERAGE, _OPTIMIZERS, _STATE = "model.safetensors", "average.safetensors", "optimizers.pt", "state.json"


@dataclass
class State:
    """How far a run is, and what it has seen on the way; what a report and a card tell."""

    iteration: int = 0
    seconds: float = 0.0
    max_iters: int = 0
    """Where the schedule ends: the recipe's `max_iters`, or fewer if they do not fit into the time given."""
    cooldown_start: int | None = None
    """The iteration in which the cooldown began, once it has."""
    cooldown_from: tuple[int, float] | None = None
    """The rate comes down straight from here: the iteration of the last plan, and what was left of the way down."""
    recent_loss: float | None = None
    best_loss: float | None = None
    best_iteration: int = 0
    parameters: int = 0
    tokens_per_iteration: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    tokens_before: int = 0
    """Read before this run, by the mind that it began as."""
    seconds_before: float = 0.0
    """What that took."""
    samples_before: list[dict[str, Any]] = field(default_factory=list)
    """What that mind wrote while it grew, in the words of a card (trainer/childhood.py)."""
    origin: dict[str, str] = field(default_factory=dict)
    """Digests of what the run was begun with, as far as they are known."""


@dataclass(slots=True)
class Checkpoint:
    """What is kept of a run. `model` is named as in the torch module; `average` is the EMA of it, if there is one."""

    config: dict[str, Any]
    pieces: list[str]
    settings: dict[str, Any]
    state: State
    model: dict[str, Tensor]
    average: dict[str, Tensor] | None = None
    optimizers: list[dict[str, Any]] | None = None

    def save(self, folder: Path) -> None:
        """Take the place of `folder`, whole or not at all. OSError where the disk does not take it."""
        about = {
            "config": self.config, "pieces": self.pieces, "settings": self.settings,
            **asdict(self.state),
        }  # fmt: skip
        try:
            with replacing_folder(folder) as partial:
                safetensors.torch.save_file(_plain(self.model), partial / _MODEL)
                if self.average is not None:
                    safetensors.torch.save_file(_plain(self.average), partial / _AVERAGE)
                if self.optimizers is not None:
                    with (partial / _OPTIMIZERS).open("wb") as file:
                        torch.save(self.optimizers, file)
                (partial / _STATE).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
        except safetensors.SafetensorError as error:  # its own word for a full disk
            raise OSError(errno.EIO, first_line(error), str(folder)) from error
        except RuntimeError as error:  # torch's, before which Python's own stood
            if not isinstance(cause := error.__context__, OSError):
                raise
            raise OSError(cause.errno, cause.strerror, str(folder)) from error


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def load(folder: Path, *, optimizers: bool = False) -> Checkpoint:
    """Read what `save` wrote, on the CPU. StageError where it is not there or damaged."""
    if not exists(folder):
        raise StageError(f"There is no checkpoint at {folder}: run the {folder.parent.name} stage first.")
    folder = recovered(folder)
    if not any((folder / name).exists() for name in (_STATE, _MODEL)):
        raise StageError(f"{folder} is no checkpoint: give the folder of one, as OUT/pretrain/{BEST}, or a .mind.")
    try:
        about: dict[str, Any] = orjson.loads((folder / _STATE).read_bytes())
        average = folder / _AVERAGE
        state = {f.name: about[f.name] for f in fields(State) if f.name in about}
        return Checkpoint(
            config=about["config"], pieces=about["pieces"], settings=about["settings"], state=State(**state),
            model=safetensors.torch.load_file(folder / _MODEL),
            average=safetensors.torch.load_file(average) if average.exists() else None,
            optimizers=torch.load(folder / _OPTIMIZERS, map_location="cpu", weights_only=True) if optimizers else None,
        )  # fmt: skip
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError,
            safetensors.SafetensorError) as error:  # fmt: skip
        raise StageError(f"The checkpoint {folder} cannot be read: {first_line(error)}") from error


def digest(weights: dict[str, Tensor]) -> str:
    """The SHA-256 of weights, by which a later stage knows what it began with."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode() + weights[name].float().contiguous().numpy().tobytes())
    return found.hexdigest()


def is_one(start: Path) -> bool:
    """Whether a run that begins as `start` begins as a checkpoint, even as one whose folder waits for its name."""
    return start.name == BEST or start.is_dir()


def exists(folder: Path) -> bool:
    """Whether there is one to load."""
    return recovered(folder).is_dir()


def improves(loss: float, best: float | None) -> bool:
    """Whether a held-out loss is the best yet."""
    return math.isfinite(loss) and (best is None or loss < best)

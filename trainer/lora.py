"""Low-rank adapters (Hu et al., arXiv 2106.09685), by peft: they learn for the layers and are merged at last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.errors import StageError
from trainer.model import Transformer
from trainer.sections.training import LORA_TARGETS

_ADAPTER = "default"


def adapt(model: Transformer, rank: int, targets: Sequence[str] = LORA_TARGETS, *, tables: bool = True) -> None:
    """Put adapters of that rank beside the layers' matrices of a model, in place.

    `targets` are ends of names, "attn.c_proj" as well as "c_proj". Beside the adapters only the tables of pieces
    learn, if they shall: the marks of a conversation are new to a pretrained mind. StageError without peft, and
    where no matrix has such a name.
    """
    try:
        import peft
    except ImportError as error:
        raise StageError("lora_rank wants peft: pip install peft.") from error

    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(targets))
    try:
        peft.inject_adapter_in_model(config, model)
    except ValueError as error:
        raise StageError(
            f"No adapters can stand beside {', '.join(targets)}: lora_targets are ends of names, as "
            f"{', '.join(LORA_TARGETS)}."
        ) from error
    if tables:
        model.wte.weight.requires_grad_(True)
        if not model.config.tied:
            model.lm_head.weight.requires_grad_(True)


@torch.no_grad()
def merged(model: nn.Module) -> dict[str, Tensor]:
    """The weights as if there had never been adapters: W + B A alpha / r, under the names of the plain model."""
    from peft.tuners.lora import LoraLayer

    adapted = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
    weights = {name: tensor for name, tensor in model.state_dict().items() if ".lora_" not in name}
    for name, layer in adapted.items():
        weights[f"{name}.weight"] = weights.pop(f"{name}.base_layer.weight") + layer.get_delta_weight(_ADAPTER)
        if f"{name}.base_layer.bias" in weights:
            weights[f"{name}.bias"] = weights.pop(f"{name}.base_layer.bias")
    return weights

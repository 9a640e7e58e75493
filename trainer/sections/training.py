"""What a mind is made of, and how each stage teaches it."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from chat_app.config import Config, Mlp, Norm, Position
from trainer.sections.section import Section

LEAST_ROWS: Final = 8
LORA_TARGETS: Final = ("c_q", "c_k", "c_v", "c_proj", "c_gate", "c_fc")
"""Every matrix of the layers."""


class Model(Section):
    """The architecture; see chat_app/config.py. The vocabulary's size is not chosen here but found."""

    n_layer: PositiveInt
    n_head: PositiveInt
    n_kv_head: PositiveInt
    n_embd: PositiveInt
    n_inner: PositiveInt
    block_size: PositiveInt
    position: Position = "learned"
    norm: Norm = "layernorm"
    mlp: Mlp = "gelu"
    qk_norm: bool = False
    bias: bool = False
    tied: bool = True
    norm_eps: PositiveFloat = 1e-5
    rope_theta: PositiveFloat = 10000.0

    def config(self, vocab_size: int) -> Config:
        """The whole config, once the vocabulary is known."""
        return Config(vocab_size=vocab_size, **self.model_dump())


class Training(Section):
    """How a stage learns. Sizes are in sequences, iterations and tokens; rates are peaks."""

    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: torch.optim.Muon for the layers' matrices, AdamW for embeddings and norms."""
    lr: PositiveFloat = 1e-3
    muon_lr: PositiveFloat = 0.02
    min_lr_ratio: float = Field(default=0.1, ge=0, le=1)
    schedule: Literal["cosine", "wsd"] = "cosine"
    """cosine: nanoGPT's. wsd: warm-up, stable, then straight down over the last `cooldown`."""
    warmup_iters: int = Field(default=100, ge=0)
    max_iters: PositiveInt = 5000
    lr_decay_iters: PositiveInt | None = None
    """cosine: where the rate reaches its floor; `max_iters` if not given."""
    cooldown: float = Field(default=0.4, gt=0, le=1)
    batch_size: PositiveInt = 64
    gradient_accumulation: PositiveInt = 1
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.95, ge=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    grad_clip: float = Field(default=1.0, ge=0)
    early_block_size: PositiveInt | None = None
    """wsd: shorter sequences before the cooldown, which learns in model.block_size; as many tokens an iteration."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    attention_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Of attention's weights; `dropout` if not given. On a CPU only 0 keeps the fast kernel: more halves the speed."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of an exponential moving average of the weights; the better of the two is kept. 0: none."""
    bf16: bool = True
    """Multiply in bfloat16, several times faster than fp32 on recent GPUs and CPUs, not at all on others; weights stay
    fp32."""
    compile: bool = True
    """torch.compile: a minute's wait, then up to twice the speed. Without a C++ compiler it goes on without."""
    eval_interval: PositiveInt = 250
    eval_sequences: PositiveInt = 200
    keep: Literal["best", "last"] = "best"
    """Which weights the stage leaves: those with the least held-out loss, or the last ones. The loss of subjects that
    are held out whole grows with a mind's certainty, while it answers new wordings of the others better."""
    patience: PositiveInt | None = None
    """End after so many evaluations without a better held-out loss."""
    checkpoint_minutes: PositiveFloat = 5.0
    sample_prompts: tuple[str, ...] = ("\n",)
    """What the mind goes on from at every evaluation."""
    sample_tokens: PositiveInt = 200
    seed: int = 1337

    @model_validator(mode="after")
    def _warm(self) -> Self:
        if self.warmup_iters >= self.max_iters:
            raise ValueError(
                f"warmup_iters {self.warmup_iters} is not below max_iters {self.max_iters}, so the rate would never "
                "reach its peak: lower warmup_iters, too"
            )
        return self

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.patience and self.keep == "last":
            raise ValueError(
                "patience waits for a better held-out loss, and keep = 'last' asks for none: leave one out"
            )
        return self


class Sft(Training):
    """Fine-tuning: the loss counts answers only, and some pretraining text against forgetting."""

    text_weight: float = Field(default=0.0, ge=0)
    """The share of pretraining text in every batch, beside the weights of the dialogues' sources."""
    start_share: float = Field(default=0.0, ge=0, lt=1)
    """Of the weights that are kept, so large a share is those that the stage began with (arXiv 2109.01903): a mind that
    learns more after it has learned much forgets less. 0: none. The curve is of the weights before that."""
    lora_rank: int = Field(default=0, ge=0)
    """Learn adapters of this rank instead of all weights, for a mind too large to learn whole. 0: none. Wants peft."""

    @model_validator(mode="after")
    def _adapters(self) -> Sft:
        if self.lora_rank and self.optimizer == "muon":
            raise ValueError("muon is for whole matrices: adapters (lora_rank) want the optimizer adamw")
        if self.early_block_size:
            raise ValueError("early_block_size is for pretraining: conversations are packed into block_size")
        return self


class Kto(Training):
    """KTO: what is rated good becomes likelier, what is rated bad less so, not far from where the mind began."""

    beta: PositiveFloat = 0.1
    """How steeply a log-ratio to the reference counts."""
    desirable_weight: float = Field(default=1.0, ge=0)
    undesirable_weight: float = Field(default=1.0, ge=0)
    length_normalised: bool = False
    """Log-ratios of a token instead of an answer: a long answer then counts no more than a short one."""
    clamp: bool = True
    """Hold z_ref at 0 where the estimate of it is negative."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Of the usual loss of the good answers, in nats a token, added to KTO's."""
    val_fraction: float = Field(default=0.03, gt=0, lt=1)
    """Held out of the rated answers, by prompt: rewards, gap and accuracy are measured on them."""
    kl_budget: PositiveFloat | None = 0.5
    """Nats a token: a run that has gone further from the reference ends. None: it never does."""
    loop_budget: float | None = Field(default=2.0, ge=0)
    """So many loops per 100 answers more than the reference makes end the run, too. None: they do not."""
    watched_prompts: PositiveInt = 64
    """Held-out prompts that are answered at every evaluation, to measure the two."""
    lora_rank: int = Field(default=0, ge=0)
    """Learn adapters of this rank instead of all weights. 0: none. Wants peft."""
    lora_targets: tuple[str, ...] = LORA_TARGETS
    """The matrices that adapters stand beside; what they leave alone, the variants of a mind share."""
    bf16: bool = False  # its rounding is larger than the log-ratios
    compile: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Kto:
        if self.lora_rank and self.optimizer == "muon":
            raise ValueError("muon is for whole matrices: adapters (lora_rank) want the optimizer adamw")
        if self.batch_size * self.gradient_accumulation < LEAST_ROWS:
            raise ValueError(
                f"batch_size x gradient_accumulation is below {LEAST_ROWS}: z_ref is estimated from the answers of one "
                "batch given to each other's prompts, and so few tell nothing"
            )
        if self.early_block_size:
            raise ValueError("early_block_size is for pretraining: rated answers have their own lengths")
        if self.patience:
            raise ValueError("patience waits for a better held-out loss, and kto asks for none: leave it out")
        if "keep" in self.model_fields_set:
            raise ValueError("keep is not for kto, which keeps the latest weights within its budgets: leave it out")
        if self.compile:
            raise ValueError("compile is not for kto: batches of another length each time would be compiled each time")
        return self

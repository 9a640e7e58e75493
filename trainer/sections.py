"""The sections of a recipe: what each stage may be told, and what it takes for granted. Knows no file."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from chat_app.config import Config, Mlp, Norm, Position
from chat_app.sampler import Sampling
from trainer.dialogues import exercises
from trainer.errors import RecipeError

LEAST_ROWS: Final = 8


class Section(BaseModel):
    """A key that is not here is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Mind(Section):
    """What the card says of the mind, beside what is measured."""

    title: str
    description: str
    author: str
    licence: str
    training_data: str
    language: Literal["ru", "en"] = "ru"


class Librus(Section):
    """Works of lib.ru: `pages` are addresses of authors (ending in /) or of single works."""

    pages: tuple[str, ...] = ()
    contact: str = ""
    """An e-mail or a web page: how the library's keeper reaches you. Every request carries it."""
    delay: float = Field(default=1.0, ge=0.2)
    """Seconds between two requests; robots.txt may ask for more."""
    cache: str = "out/cache"
    """Where fetched pages stay, so that none is asked for twice."""

    @model_validator(mode="after")
    def _polite(self) -> Librus:
        if self.pages and len(self.contact) < 3:
            raise ValueError("contact is empty: give an e-mail or a page under which the library's keeper reaches you")
        return self


class Source(Section):
    """One kind of text. `text` are files or folders; the command line adds to them (`--text NAME=PATH`)."""

    text: tuple[str, ...] = ()
    hub: str = ""
    """A dataset of the Hugging Face Hub, owner/name: fetched once and read where no `text` is given."""
    librus: Librus = Librus()
    generated_documents: int = Field(default=0, ge=0)
    clean: bool | None = None
    """Remove editors' notes and the like; if not given, from lib.ru's works but not from `text`."""
    weight: PositiveFloat | None = None
    """This source's share of every batch, beside the others' weights; if not given, its share of the tokens."""
    cooldown_weight: PositiveFloat | None = None
    """The same during the cooldown, when the best text teaches most; `weight` if not given."""


class Corpus(Section):
    """Where the text comes from, and how it is prepared."""

    sources: dict[str, Source] = Field(min_length=1)
    yo_to_e: bool = True
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Held out of every source, by whole documents where they are short enough, else from the end of the largest."""
    near_duplicates: float = Field(default=0.8, gt=0, le=1)
    """Of two texts at least this alike (the share of runs of three words in common) one is kept; 1: only copies go."""
    shared_with_held_out: float = Field(default=0.25, gt=0, le=1)
    """A text to learn from goes when at least this share of its runs of six words is held out; 1: none goes."""
    seed: int = 0

    @model_validator(mode="after")
    def _weighted(self) -> Corpus:
        weighted = [name for name, source in self.sources.items() if source.weight]
        if weighted and len(weighted) < len(self.sources):
            missing = next(name for name in self.sources if name not in weighted)
            raise ValueError(f"sources.{missing}.weight is missing: give a weight to every source or to none")
        if not weighted and any(source.cooldown_weight for source in self.sources.values()):
            raise ValueError("cooldown_weight needs a weight beside it, for every source")
        return self


class Vocabulary(Section):
    """Characters, or SentencePiece BPE. `marks` are ids that no text can produce."""

    kind: Literal["char", "bpe"]
    marks: tuple[str, ...] = ()
    min_count: PositiveInt = 1
    """char: a character seen less often becomes the unknown one."""
    vocab_size: PositiveInt = 8192
    """bpe: pieces, marks and bytes included."""
    user_symbols: tuple[str, ...] = ()
    """bpe: strings that are always one piece."""
    character_coverage: float = Field(default=1.0, gt=0, le=1)
    split_digits: bool = True
    sample_characters: PositiveInt = 50_000_000
    """bpe: SentencePiece looks at no more than about so many characters, spread over the corpus, at 13 bytes each."""


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
    """Multiply in bfloat16, several times faster than fp32 on GPUs and recent CPUs; weights stay fp32."""
    compile: bool = True
    """torch.compile: a minute's wait, then up to twice the speed. Without a C++ compiler it goes on without."""
    eval_interval: PositiveInt = 250
    eval_sequences: PositiveInt = 200
    patience: PositiveInt | None = None
    """End after so many evaluations without a better held-out loss."""
    checkpoint_minutes: PositiveFloat = 5.0
    sample_prompts: tuple[str, ...] = ("\n",)
    """What the mind goes on from at every evaluation."""
    sample_tokens: PositiveInt = 200
    seed: int = 1337


class DialogueSource(Section):
    """One kind of conversation. `text` are files or folders; the command line adds to them (`--text NAME=PATH`)."""

    text: tuple[str, ...] = ()
    """JSONL or parquet rows; trainer/dialogues/shapes.py lists their shapes."""
    hub: str = ""
    """A dataset of the Hugging Face Hub, owner/name: fetched once and read where no `text` is given."""
    smalltalk: bool = False
    """The small talk that comes with the trainer."""
    only: tuple[str, ...] = ()
    """Of the small talk these files alone, as ["01-self-and-feelings"]: what people say most can weigh more."""
    generated: dict[str, PositiveInt] = {}
    """Exercises made by rule: kind -> how many."""
    at_least: dict[str, float] = {}
    """Only rows whose fields reach these values, as {overall_score = 6}."""
    at_most: dict[str, float] = {}
    """Only rows whose fields do not exceed these values, as {pii_leak = 0}."""
    weight: PositiveFloat = 1.0
    """This source's share of every batch, beside the others' weights."""

    @model_validator(mode="after")
    def _known(self) -> DialogueSource:
        for kind in self.generated:
            try:
                exercises.check(kind)
            except RecipeError as error:
                raise ValueError(str(error).rstrip(".")) from error
        return self


class Dialogues(Section):
    """What the mind learns to answer."""

    sources: dict[str, DialogueSource] = Field(min_length=1)
    system: str = ""
    """System text put before conversations that have none."""
    pairs_per_intent: PositiveInt = 24
    """Of an intent's phrasings crossed with its replies at most about so many are learned, so that none dominates."""
    reworded: float = Field(default=0.0, ge=0, le=1)
    """This share of the small talk is asked as somebody else would: other words, an address, a slip of the finger."""
    chain: PositiveInt = 3
    """Single exchanges are strung into conversations of one to so many."""
    val_fraction: float = Field(default=0.02, gt=0, lt=1)
    """Held out of conversations; intents hold out wordings instead."""
    seed: int = 0


class Sft(Training):
    """Fine-tuning: the loss counts answers only, and some pretraining text against forgetting."""

    text_weight: float = Field(default=0.0, ge=0)
    """The share of pretraining text in every batch, beside the weights of the dialogues' sources."""
    lora_rank: int = Field(default=0, ge=0)
    """Learn adapters of this rank instead of all weights, for a mind too large to learn whole. 0: none. Wants peft."""

    @model_validator(mode="after")
    def _adapters(self) -> Sft:
        if self.lora_rank and self.optimizer == "muon":
            raise ValueError("muon is for whole matrices: adapters (lora_rank) want the optimizer adamw")
        if self.early_block_size:
            raise ValueError("early_block_size is for pretraining: conversations are packed into block_size")
        return self


class Manner(Section):
    """How freely answers are drawn; see chat_app/sampler.py."""

    temperature: PositiveFloat = 0.8
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    min_p: float = Field(default=0.0, ge=0, lt=1)
    repetition_penalty: PositiveFloat = 1.0
    no_repeat_ngram: int = Field(default=0, ge=0)
    max_tokens: PositiveInt = 400

    def sampling(self) -> Sampling:
        """The same for a sampler."""
        names = Sampling().to_dict().keys() & type(self).model_fields.keys()
        return Sampling(**{name: getattr(self, name) for name in sorted(names)})


class Preset(Manner):
    """One way to let the mind answer badly, and how many prompts it answers so."""

    count: PositiveInt = 1000


class Pairs(Section):
    """Answers to prefer and to avoid: what people wrote beside what the fine-tuned mind says itself."""

    presets: dict[str, Preset] = Field(min_length=1)
    batch_size: PositiveInt = 32
    """Answers that are written side by side."""
    seed: int = 0


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
    lora_targets: tuple[str, ...] = ("c_q", "c_k", "c_v", "c_proj", "c_gate", "c_fc")
    """The matrices that adapters stand beside; what they leave alone, the variants of a mind share."""
    bf16: bool = False  # its rounding is larger than the log-ratios
    compile: bool = False  # batches of another length each time would be compiled each time

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
        return self


class Variant(Manner):
    """Another voice in the same mind."""

    recipe: str
    """The recipe of the same family whose kto stage made it."""
    title: str
    description: str = ""


class Export(Manner):
    """What the mind takes along besides its weights."""

    variants: dict[str, Variant] = {}
    """Other voices, by the names that /mode takes."""
    variants_at_most: float = Field(default=0.3, gt=0)
    """All of them together may make the mind larger by this share."""

    golden_prompts: tuple[str, ...]
    golden_tokens: PositiveInt = 32
    greeting: str = ""
    """The first thing the person reads; in the mind's language."""

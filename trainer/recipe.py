"""A recipe: one TOML file that is one mind. Its sections are the stages of growth, in order."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from chat_app.config import Config, Mlp, Norm, Position
from trainer.errors import RecipeError

RECIPES = Path(__file__).parent / "recipes"


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
    """Held out of every source, by whole documents."""
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
    smalltalk: bool = False
    """The small talk that comes with the trainer."""
    generated: dict[str, PositiveInt] = {}
    """Exercises made by rule: kind -> how many."""
    at_least: dict[str, float] = {}
    """Only rows whose fields reach these values, as {overall_score = 6}."""
    at_most: dict[str, float] = {}
    """Only rows whose fields do not exceed these values, as {pii_leak = 0}."""
    weight: PositiveFloat = 1.0
    """This source's share of every batch, beside the others' weights."""


class Dialogues(Section):
    """What the mind learns to answer."""

    sources: dict[str, DialogueSource] = Field(min_length=1)
    system: str = ""
    """System text put before conversations that have none."""
    pairs_per_intent: PositiveInt = 24
    """Of an intent's phrasings crossed with its replies at most about so many are learned, so that none dominates."""
    chain: PositiveInt = 3
    """Single exchanges are strung into conversations of one to so many."""
    val_fraction: float = Field(default=0.02, gt=0, lt=1)
    """Held out of conversations; intents hold out wordings instead."""
    seed: int = 0


class Sft(Training):
    """Fine-tuning: the loss counts answers only, and some pretraining text against forgetting."""

    text_weight: float = Field(default=0.0, ge=0)
    """The share of pretraining text in every batch, beside the weights of the dialogues' sources."""


class Export(Section):
    """What the mind takes along besides its weights."""

    golden_prompts: tuple[str, ...]
    golden_tokens: PositiveInt = 32
    temperature: PositiveFloat = 0.8
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    min_p: float = Field(default=0.0, ge=0, lt=1)
    repetition_penalty: PositiveFloat = 1.0
    no_repeat_ngram: int = Field(default=0, ge=0)
    max_tokens: PositiveInt = 400
    greeting: str = ""
    """The first thing the person reads; in the mind's language."""


class Recipe(Section):
    """All stages of one mind."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    mind: Mind
    corpus: Corpus
    vocabulary: Vocabulary
    model: Model
    pretrain: Training | None = None
    dialogues: Dialogues | None = None
    sft: Sft | None = None
    export: Export

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        self.model.config(vocab_size=1)  # raises ValueError with the reason
        if self.pretrain is None and self.sft is None:
            raise ValueError("neither pretrain nor sft: a mind grows in one of them at least")
        if (self.dialogues is None) != (self.sft is None):
            raise ValueError("dialogues and sft belong together: give both or none")
        for stage in (self.pretrain, self.sft):
            if stage is not None:
                self._check_early_block_size(stage)
        if self.vocabulary.kind == "bpe" and self.vocabulary.vocab_size > 1 << 16:
            raise ValueError("vocab_size above 65536 does not fit the token files (uint16)")
        return self

    def _check_early_block_size(self, stage: Training) -> None:
        early, block_size = stage.early_block_size, self.model.block_size
        if early is None:
            return
        if stage.schedule != "wsd" or early > block_size:
            raise ValueError(f"early_block_size {early} needs the schedule wsd and a block_size not below it")
        if early * stage.batch_size * stage.gradient_accumulation % block_size:
            raise ValueError(
                f"early_block_size {early} x batch_size x gradient_accumulation is not divisible by "
                f"block_size {block_size}"
            )


def find(name: str) -> Path:
    """The file of a recipe given by path or by the name of one that comes with the trainer."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path
    known = sorted(p.stem for p in RECIPES.glob("*.toml"))
    if name in known:
        return RECIPES / f"{name}.toml"
    raise RecipeError(f"There is no recipe {name}{_nearest(name, known)}. Known: {', '.join(known)}.")


def load(path: Path, changes: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe; `changes` are `section.key=value`, the value in TOML. RecipeError says what is wrong and where."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.") from error
    for change in changes:
        _apply(values, change)
    try:
        return Recipe.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        raise RecipeError(f"The recipe {path} does not hold: {_explain(error)}") from error


def _apply(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    *sections, name = key.strip().split(".")
    if not (equals and sections and all(sections) and name):
        raise RecipeError(f"--set {change}: write section.key=value, as in pretrain.max_iters=1000.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {change}: {section} is a value, not a section.")
    values[name] = value


def _explain(error: ValidationError) -> str:
    """The first problem as a sentence, an unknown key with the nearest known one."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the recipe"
    if first["type"] == "extra_forbidden":
        return f"{where} is not a key{_nearest(str(first['loc'][-1]), _keys(first['loc'][:-1]))}."
    if first["type"] == "missing":
        return f"{where} is missing."
    return f"{where}: {first['msg']} (got {first['input']!r})." if first["loc"] else f"{first['msg']}."


def _keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at `place` knows."""
    section: type[Section] = Recipe
    named = False
    for part in place:
        if named:  # in a table of sections (corpus.sources) the maker chose this part
            named = False
            continue
        annotation = section.model_fields[str(part)].annotation
        named = get_origin(annotation) is dict
        kinds = (annotation, *get_args(annotation))
        section = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section))
    return sorted(section.model_fields)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""

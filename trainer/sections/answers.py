"""How a mind answers: for rated answers, and what it takes along when it is exported."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from chat_app.sampler import Sampling
from trainer.sections.section import Section


class Mind(Section):
    """What the card says of the mind, beside what is measured."""

    title: str
    description: str
    author: str
    licence: str
    training_data: str
    language: Literal["ru", "en"] = "ru"


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


class Variant(Manner):
    """Another voice in the same mind."""

    recipe: str
    """The recipe of the same family whose kto stage made it."""
    title: str
    description: str = ""


class Export(Manner):
    """What the mind takes along besides its weights."""

    variants: dict[str, Variant] = Field(default_factory=dict)
    """Other voices, by the names that /mode takes."""
    variants_at_most: float = Field(default=0.3, gt=0)
    """All of them together may make the mind larger by this share."""

    golden_prompts: tuple[str, ...]
    golden_tokens: PositiveInt = 32
    greeting: str = ""
    """The first thing the person reads; in the mind's language."""

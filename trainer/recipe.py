"""A recipe: one TOML file that is one mind, read and checked as a whole; its sections stand in sections.py."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import Field, ValidationError, model_validator

from trainer.errors import RecipeError, nearest
from trainer.sections import Corpus, Dialogues, Export, Mind, Model, Section, Sft, Training, Vocabulary

RECIPES = Path(__file__).parent / "recipes"


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
    raise RecipeError(f"There is no recipe {name}{nearest(name, known)}. Known: {', '.join(known)}.")


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
        return f"{where} is not a key{nearest(str(first['loc'][-1]), _keys(first['loc'][:-1]))}."
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

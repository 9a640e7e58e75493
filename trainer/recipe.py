"""A recipe: one TOML file that is one mind, read and checked as a whole; its sections stand in trainer/sections."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import Field, ValidationError, model_validator

from trainer.errors import RecipeError, nearest
from trainer.sections import Corpus, Dialogues, Export, Kto, Mind, Model, Pairs, Section, Sft, Training, Vocabulary

RECIPES = Path(__file__).parent / "recipes"


class Recipe(Section):
    """All stages of one mind.

    A recipe that `extends` another holds what differs, and works in that one's folder: both share the earlier stages.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    extends: str = Field(default="", pattern=r"^[a-z0-9-]*$")
    """The name of the other recipe; once read, of the one that extends none."""
    mind: Mind
    corpus: Corpus
    vocabulary: Vocabulary
    model: Model
    pretrain: Training | None = None
    dialogues: Dialogues | None = None
    sft: Sft | None = None
    pairs: Pairs | None = None
    kto: Kto | None = None
    export: Export

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        self.model.config(vocab_size=1)  # raises ValueError with the reason
        if self.pretrain is None and self.sft is None:
            raise ValueError("neither pretrain nor sft: a mind grows in one of them at least")
        if (self.dialogues is None) != (self.sft is None):
            raise ValueError("dialogues and sft belong together: give both or none")
        if (self.pairs or self.kto) and self.sft is None:
            raise ValueError("pairs and kto go on from a mind that answers: give dialogues and sft, too")
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
    if path.suffix == ".toml" or path.is_file():
        return path
    known = sorted(p.stem for p in RECIPES.glob("*.toml"))
    if name in known:
        return RECIPES / f"{name}.toml"
    raise RecipeError(f"There is no recipe {name}{nearest(name, known)}. Known: {', '.join(known)}.")


def load(path: Path, changes: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe; `changes` are `section.key=value`, the value in TOML. RecipeError says what is wrong and where."""
    values = _read(path)
    for change in changes:
        _apply(values, change)
    try:
        return Recipe.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        raise RecipeError(f"The recipe {path} does not hold: {_explain(error)}") from error


def _read(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a recipe, over those of the recipe that it extends."""
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.") from error
    if not isinstance(base := values.get("extends", ""), str) or not base:
        return values
    beside = path.with_name(f"{base}.toml")
    below = beside if beside.exists() else find(base)
    if below in (path, *extending):
        raise RecipeError(f"The recipe {path} extends itself by way of {below}.")
    found = _read(below, (path, *extending))
    return _over(found, values) | {"extends": found.get("extends") or base}


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The values of two recipes, section by section; where both have one, that of `above`."""
    merged = below | above
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merged[key] = _over(below[key], value)
    return merged


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
    if first["type"] == "tuple_type":
        return f"{where} is a list: write it in brackets, [{first['input']!r}]."
    if first["type"] == "value_error":  # one of the sections' own sentences
        return (f"{where}: " if first["loc"] else "") + f"{first['ctx']['error']}."
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

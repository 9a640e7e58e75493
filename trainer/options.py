"""What every command that works on a recipe takes: its name, changes of it, and the work folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.recipe import Recipe, find, load

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name or the path of a .toml file.")]
Set = Annotated[list[str], typer.Option("--set", help="Change the recipe: section.key=value.")]
Out = Annotated[Path | None, typer.Option("--out", help="The work folder; out/RECIPE by default.")]


def opened(name: str, changes: list[str], out: Path | None) -> tuple[Recipe, Path]:
    """The recipe that RECIPE and --set name, and its work folder, which the first stage makes."""
    recipe = load(find(name), tuple(changes))
    return recipe, out or Path("out") / (recipe.extends or recipe.name)

"""The commands that look at what has grown, and change nothing: report, evaluate, compare, probe."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import rich
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainer.options import Name, Out, Set, opened
from trainer.recipe import find

app = typer.Typer()

Folder = Annotated[Path | None, typer.Option("--to", help="The folder to write into; OUT by default.")]
MindFile = Annotated[Path, typer.Argument(metavar="MIND", help="A .mind file or a box that answers.")]
Sheets = Annotated[Path | None, typer.Option("--to", help="The folder for compare.md and its key; here by default.")]
Mode = Annotated[str, typer.Option("--mode", help="The voice to judge, if not the mind's own.")]
Other = Annotated[Path, typer.Argument(metavar="OTHER", help="Another .mind file or box, to compare with.")]
Json = Annotated[Path | None, typer.Option("--out", help="Write the figures and the talk into this .json file.")]
Page = Annotated[Path | None, typer.Option("--page", help="Write a page for people into this .html file.")]
Against = Annotated[list[Path], typer.Option("--against", help="Text that was learned too; may be given again.")]
Quick = Annotated[bool, typer.Option("--quick", help="A tenth of the questions.")]
Search = Annotated[bool, typer.Option("--search", help="Compare sampling settings by quick cards.")]
Baselines = Annotated[bool, typer.Option("--baselines", help="First compress the held-out text, to compare with.")]
MindOrRecipe = Annotated[str, typer.Argument(metavar="MIND|RECIPE", help="A .mind file or a box, or a grown recipe.")]
Prompts = Annotated[list[str], typer.Option("--prompt", help="Where the mind begins; may be given again.")]
Samples = Annotated[int, typer.Option(help="Continuations of each prompt.", min=2)]
Steps = Annotated[int, typer.Option(help="The length of a continuation, in tokens.", min=1)]
Heat = Annotated[float | None, typer.Option("--temperature", help="The mind's own by default; 0 is no dice.", min=0)]
Seed = Annotated[int, typer.Option(help="The same seed, the same continuations.", min=0)]


@app.command()
def report(
    name: Name, change: Set = [], out: Out = None, to: Folder = None, baselines: Baselines = False,  # noqa: B006
) -> None:  # fmt: skip
    """One page and one picture of a run: curves, samples over time, corpus, vocabulary."""
    from trainer.report import baselines as compressors
    from trainer.report import page  # matplotlib takes its time

    recipe, folder = opened(name, change, out)
    if baselines:
        found = compressors.make(folder)
        rich.print(f"report: bz2 needs {found['bz2']:.4f} bits a byte of the held-out text, xz {found['xz']:.4f}")
    for path in page.make(recipe, find(name).read_text("utf-8-sig"), folder, to or folder):
        rich.print(f"report: {escape(str(path))}")


@app.command()
def evaluate(
    mind: MindFile, out: Json = None, page: Page = None, against: Against = [], quick: Quick = False,  # noqa: B006
    search: Search = False, seed: Seed = 0, mode: Mode = "",
) -> None:  # fmt: skip
    """The report card of a mind that answers: sums, facts, itself, memory, loops; or which sampling suits it."""
    from trainer.evaluate import command, exam, table
    from trainer.evaluate import search as grid
    from trainer.evaluate.card import judge

    opened, engine = command.opened(mind, mode)
    questions = exam.prepare(against, quick=quick or search)
    sampling = opened.variants[mode].sampling if mode else opened.manners.sampling
    tries = len(list(grid.grid(sampling)))
    columns = (TextColumn("evaluate"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=len(questions.probes) * tries if search else questions.steps)
        step = partial(progress.advance, bar)
        if search:
            cards = grid.search(opened, engine, questions, sampling=sampling, seed=seed, step=step)
        else:
            cards = [judge(opened, engine, questions, sampling=sampling, seed=seed, step=step)]
    rich.print(*[table.ranking(cards)] * search, *table.of(cards[0]), sep="\n")
    for path, write in ((out, command.write_json), (page, command.write_page)):
        if path:
            write(opened, cards[0], path, quick=quick or search)
            rich.print(f"evaluate: {escape(str(path))}")


@app.command()
def compare(mind: MindFile, other: Other, to: Sheets = None, seed: Seed = 0) -> None:
    """Two minds answer the same 100 questions, side by side and shuffled, for a person to judge blindly."""
    from trainer.evaluate import blind

    columns = (TextColumn("compare"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=2 * blind.QUESTIONS)
        sheet, key = blind.make(mind, other, to or Path(), seed, partial(progress.advance, bar))
    rich.print(f"compare: judge {escape(str(sheet))}, then look into {escape(str(key))}")


@app.command()
def probe(
    mind: MindOrRecipe, prompt: Prompts, samples: Samples = 64, tokens: Steps = 60, temperature: Heat = None,
    seed: Seed = 0, out: Out = None,
) -> None:  # fmt: skip
    """Where a mind's continuations of a prompt end, and where on the way that is decided."""
    from trainer.probe import command, table
    from trainer.probe.experiment import Settings

    path = Path(mind)
    folder = out or Path("out") / path.stem
    if path.suffix != ".mind" and not (path.is_file() and path.suffix != ".toml"):
        recipe, folder = opened(mind, [], out)
        path = folder / f"{recipe.name}.mind"
    found = command.opened(path)
    warmth = found.manners.sampling.temperature if temperature is None else temperature
    settings = Settings(samples=samples, tokens=tokens, temperature=warmth, seed=seed)
    findings, files = command.make(found, prompt, settings, folder)
    rich.print(*table.of(findings), sep="\n")
    for file in files:
        rich.print(f"probe: {escape(str(file))}")

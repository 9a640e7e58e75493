"""The trainer's command line: one command a stage, and `grow` for all of them."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Annotated

import rich
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chat_app.tokenizer import from_dict as tokenizer_of
from trainer import importing, looking, processes, vocabulary_report
from trainer import tokens as tokens_stage
from trainer import vocabulary as vocabulary_stage
from trainer.corpora import gather
from trainer.corpora import report as corpus_report
from trainer.corpora.gather import with_texts
from trainer.errors import GrowError, StageError, first_line
from trainer.options import Name, Out, Set, opened
from trainer.recipe import Recipe

# The stages that need torch import it in their commands: the processes that read text start without it.
if TYPE_CHECKING:
    from trainer.loop import Run

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(looking.app)
app.add_typer(importing.app, name="import")

Text = Annotated[list[str], typer.Option("--text", metavar="[NAME=]PATH", help="Text, for the first source or NAME.")]
To = Annotated[Path | None, typer.Option("--to", help="Where the mind goes; OUT/RECIPE.mind by default.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
Minutes = Annotated[float | None, typer.Option(help="End within so many minutes, with a checkpoint.", min=0)]
Stage = Annotated[str | None, typer.Option(help="pretrain, sft or kto; the recipe's last one by default.")]
FromRatings = Annotated[Path | None, typer.Option("--from-ratings", help="Conversations with /good and /bad in them.")]
Ratings = Annotated[Path | None, typer.Option("--ratings", help="Rated answers, if not those of the pairs stage.")]
Show = Annotated[int, typer.Option(help="Print so many conversations, what is learned in green.", min=0)]
Start = Annotated[Path | None, typer.Option("--from", help="Start from this checkpoint's folder or .mind.")]


@app.command()
def corpus(name: Name, text: Text = [], change: Set = [], out: Out = None) -> None:  # noqa: B006
    """Gather and normalise the text, and hold a part of it out."""
    recipe, folder = opened(name, change, out)
    texts = with_texts(recipe.corpus, text, recipe.dialogues.sources if recipe.dialogues else ())
    found = gather.gather(texts, folder, processes.available())
    if found.dropped:
        rich.print(found.samples())
    rich.print(corpus_report.table(found))


@app.command()
def vocabulary(name: Name, change: Set = [], out: Out = None, start: Start = None) -> None:  # noqa: B006
    """Make the vocabulary from the corpus, or take over that of an earlier mind."""
    recipe, folder = opened(name, change, out)
    if start:
        pieces = vocabulary_stage.take(start, folder)
    else:
        pieces = vocabulary_stage.make(recipe.vocabulary, folder, recipe.corpus.yo_to_e)
    rich.print(vocabulary_report.make(pieces, folder).table())


@app.command()
def tokens(name: Name, change: Set = [], out: Out = None) -> None:  # noqa: B006
    """Encode the corpus."""
    _, folder = opened(name, change, out)
    found = corpus_report.load(folder)
    counts = tokens_stage.make(vocabulary_stage.load(folder), folder, processes.available())
    whole = {name: sum(counts[part][name].tokens for part in counts) for name in found.sources}
    rich.print(corpus_report.table(found, whole))


@app.command()
def pretrain(
    name: Name, change: Set = [], out: Out = None, device: Device = "auto",  # noqa: B006
    minutes: Minutes = None, start: Start = None,
) -> None:  # fmt: skip
    """Grow the weights; Ctrl-C stops, the same command goes on."""
    from trainer import pretrain as stage

    _train(stage, opened(name, change, out), device, minutes, start)


@app.command()
def dialogues(name: Name, text: Text = [], change: Set = [], out: Out = None, show: Show = 0) -> None:  # noqa: B006
    """Gather conversations and render them, with the mask of what is learned."""
    from trainer.dialogues import gather as stage

    recipe, folder = opened(name, change, out)
    pieces = vocabulary_stage.load(folder)
    found = stage.gather(recipe, text, pieces, folder)
    rich.print(found.table())
    for example in found.shown(tokenizer_of(pieces.to_dict()))[:show]:
        rich.print(example, end="\n\n")


@app.command()
def sft(
    name: Name, change: Set = [], out: Out = None, device: Device = "auto",  # noqa: B006
    minutes: Minutes = None, start: Start = None,
) -> None:  # fmt: skip
    """Teach the grown weights to answer; Ctrl-C stops, the same command goes on."""
    from trainer import sft as stage

    _train(stage, opened(name, change, out), device, minutes, start)


@app.command()
def pairs(
    name: Name, text: Text = [], change: Set = [], out: Out = None, device: Device = "auto",  # noqa: B006
    start: Start = None, from_ratings: FromRatings = None,
) -> None:  # fmt: skip
    """Collect answers to prefer and to avoid: written ones beside the mind's own, or what people rated."""
    from trainer.pairs import command, rated

    recipe, folder = opened(name, change, out)
    if from_ratings:
        path, count = command.from_ratings(from_ratings, folder)
        rich.print(f"pairs: {count:,} rated answers in {escape(str(path))}")
        return
    pieces = vocabulary_stage.load(folder)
    with Progress(TextColumn("pairs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        bar = progress.add_task("pairs", total=recipe.pairs and sum(p.count for p in recipe.pairs.presets.values()))
        found = command.collect(recipe, folder, pieces, device, start, partial(progress.advance, bar), text)
    rich.print(command.table(found), *command.examples(found), sep="\n")
    rich.print(f"pairs: {escape(str(folder / rated.FILE))}")


@app.command()
def kto(
    name: Name, change: Set = [], out: Out = None, device: Device = "auto",  # noqa: B006
    minutes: Minutes = None, start: Start = None, ratings: Ratings = None,
) -> None:  # fmt: skip
    """Learn from rated answers; Ctrl-C stops, the same command goes on."""
    from trainer import kto as stage

    _train(stage, opened(name, change, out), device, minutes, start, ratings=ratings)


def _train(
    stage: ModuleType, opened: tuple[Recipe, Path], device: str, minutes: float | None, start: Path | None,
    **options: Path | None,
) -> None:  # fmt: skip
    """Run a training stage, in as many processes as torchrun started."""
    from trainer import machine, ranks

    recipe, folder = opened
    place, device = ranks.join(machine.device(device))
    columns = (TextColumn(stage.STAGE), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not place.first) as progress:
        say = partial(_say, progress.console) if place.first else lambda line: None
        run = stage.prepare(
            recipe, folder, vocabulary_stage.load(folder), device=device, ranks=place, minutes=minutes,
            start=start, say=say, **options,
        )  # fmt: skip
        state = run.state
        run.say(f"{stage.STAGE}: {state.parameters / 1e6:.2f} M parameters on {device}, iteration {state.iteration}")
        bar = progress.add_task(stage.STAGE, total=state.max_iters, completed=state.iteration)
        with _stopped_between_iterations(run) as signals:
            for iteration in run.go():
                progress.update(bar, completed=iteration, total=state.max_iters)
    ranks.leave()
    if signals:
        rich.print(f"{stage.STAGE}: stopped. The same command goes on from here.")
        raise typer.Exit(128 + signals[0])  # as a shell has it, so that `pretrain && sft` does not go on


def _say(console: Console, line: str) -> None:
    with suppress(SystemExit):  # rich's, where nobody reads the pipe any more: it falls silent, and training goes on
        console.print(line, markup=False, highlight=False)


@contextmanager
def _stopped_between_iterations(run: Run) -> Iterator[list[int]]:
    """Ctrl-C and `kill` end the run after its iteration, with a checkpoint; a second one ends it at once.

    Gives the signals that came.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if run.stop:
            signal.default_int_handler(number, frame)
        came.append(number)
        run.stop = True

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@app.command()
def export(name: Name, change: Set = [], out: Out = None, to: To = None, stage: Stage = None) -> None:  # noqa: B006
    """Write the mind: fp16 weights, vocabulary, card and golden answers in one file."""
    from trainer import export as export_stage

    recipe, folder = opened(name, change, out)
    path = to or folder / f"{recipe.name}.mind"
    digest = export_stage.export(recipe, folder, vocabulary_stage.load(folder), path, stage)
    rich.print(f"export: {escape(str(path))}, {path.stat().st_size / 1e6:.1f} MB, sha256 {digest[:12]}…")


@app.command()
def grow(
    name: Name, text: Text = [], change: Set = [], out: Out = None, device: Device = "auto",  # noqa: B006
    minutes: Minutes = None, start: Start = None, to: To = None,
) -> None:  # fmt: skip
    """From text to mind, by all stages but pairs and kto; of the minutes fine-tuning gets a third."""
    from trainer import checkpoint
    from trainer import sft as sft_stage

    recipe, folder = opened(name, change, out)
    if recipe.kto and recipe.extends:
        raise StageError(
            f"{recipe.name} goes on from a mind that answers: grow {recipe.extends} first, then run pairs, kto and "
            "export of this one."
        )
    corpus(name, text, change, out)
    vocabulary(name, change, out, start)
    tokens(name, change, out)
    pretrains = recipe.pretrain is not None
    if pretrains and recipe.sft and checkpoint.exists(folder / sft_stage.STAGE / checkpoint.LAST):
        pretrains = False  # on another evening: what fine-tuning began with must stay what it was
        rich.print("pretrain: fine-tuning has begun, and goes on from what it was given.")
    if pretrains:
        pretrain(name, change, out, device, minutes and minutes * (2 / 3 if recipe.sft else 1), start)
    if recipe.sft:
        dialogues(name, text, change, out)
        begin = None if recipe.pretrain else start
        sft(name, change, out, device, minutes and minutes * (1 / 3 if pretrains else 1), begin)
    export(name, change, out, to, "sft" if recipe.kto else None)


def main() -> None:
    """Run, and turn a maker's mistake into a sentence and the exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a mind writes is in no code page of Windows whole
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        app()
    except GrowError as error:
        reason = str(error)
    except OSError as error:  # a full disk, a folder that cannot be written
        reason = f"{error.filename or 'The disk'}: {error.strerror or error}. What was written before is intact."
    except RuntimeError as error:
        from trainer import machine

        if not machine.out_of_memory(error):
            raise
        advice = "halve the stage's batch_size and double its gradient_accumulation"
        reason = f"Memory ran out ({first_line(error)}): {advice}. The last checkpoint is intact."
    rich.print(f"[red]{escape(reason)}[/red]")
    raise SystemExit(2)


if __name__ == "__main__":
    main()

"""The trainer's command line: one command a stage, and `grow` for all of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import rich
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chat_app.tokenizer import from_dict as tokenizer_of
from trainer import processes, vocabulary_report
from trainer import tokens as tokens_stage
from trainer import vocabulary as vocabulary_stage
from trainer.corpora import gather
from trainer.corpora import report as corpus_report
from trainer.corpora.gather import with_texts
from trainer.errors import GrowError, first_line
from trainer.recipe import Recipe, find, load

# The stages that need torch import it in their commands: the processes that read text start without it.
if TYPE_CHECKING:
    from trainer.loop import Run

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name or the path of a .toml file.")]
Text = Annotated[list[str], typer.Option("--text", help="A file or folder of text; may be given again.")]
Set = Annotated[list[str], typer.Option("--set", help="Change the recipe: section.key=value.")]
Out = Annotated[Path | None, typer.Option("--out", help="The work folder; out/RECIPE by default.")]
To = Annotated[Path | None, typer.Option("--to", help="Where the mind goes; OUT/RECIPE.mind by default.")]
Folder = Annotated[Path | None, typer.Option("--to", help="The folder to write into; OUT by default.")]
MindFile = Annotated[Path, typer.Argument(metavar="MIND", help="A .mind file or a box that answers.")]
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
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
Minutes = Annotated[float | None, typer.Option(help="End within so many minutes, with a checkpoint.", min=0)]
Stage = Annotated[str | None, typer.Option(help="pretrain, sft or kto; the recipe's last one by default.")]
FromRatings = Annotated[Path | None, typer.Option("--from-ratings", help="Conversations with /good and /bad in them.")]
Ratings = Annotated[Path | None, typer.Option("--ratings", help="Rated answers, if not those of the pairs stage.")]
Show = Annotated[int, typer.Option(help="Print so many conversations, what is learned in green.", min=0)]
Start = Annotated[Path | None, typer.Option("--from", help="Start from this checkpoint's folder or .mind.")]
Ckpt = Annotated[Path, typer.Argument(metavar="CKPT.pt", help="What nanoGPT's train.py saved.")]
Vocab = Annotated[Path, typer.Option("--tokenizer", help="A SentencePiece .model, or nanoGPT's meta.pkl.")]
Beside = Annotated[Path | None, typer.Option("--to", help="Where the mind goes; beside CKPT.pt by default.")]
Title = Annotated[str | None, typer.Option(help="The mind's name; that of the checkpoint by default.")]
About = Annotated[str | None, typer.Option(help="For the mind's card.")]
Tongue = Annotated[Literal["ru", "en"] | None, typer.Option(help="The interface's; that of most pieces by default.")]
Golden = Annotated[list[str], typer.Option("--prompt", help="What a golden answer follows; may be given again.")]


importing = typer.Typer(no_args_is_help=True, help="Make minds of models that grew elsewhere.")
app.add_typer(importing, name="import")


def _open(name: str, changes: list[str], out: Path | None) -> tuple[Recipe, Path]:
    recipe = load(find(name), tuple(changes))
    folder = out or Path("out") / (recipe.extends or recipe.name)
    folder.mkdir(parents=True, exist_ok=True)
    return recipe, folder


@app.command()
def corpus(name: Name, text: Text = [], change: Set = [], out: Out = None) -> None:  # noqa: B006
    """Gather and normalise the text, and hold a part of it out."""
    recipe, folder = _open(name, change, out)
    talks = set(recipe.dialogues.sources if recipe.dialogues else ()) - set(recipe.corpus.sources)
    texts = [each for each in text if each.partition("=")[0] not in talks]
    found = gather.gather(with_texts(recipe.corpus, texts), folder, processes.available())
    if found.dropped:
        rich.print(found.samples())
    rich.print(corpus_report.table(found))


@app.command()
def vocabulary(name: Name, change: Set = [], out: Out = None, start: Start = None) -> None:  # noqa: B006
    """Make the vocabulary from the corpus, or take over that of an earlier mind."""
    recipe, folder = _open(name, change, out)
    if start:
        pieces = vocabulary_stage.take(start, folder)
    else:
        pieces = vocabulary_stage.make(recipe.vocabulary, folder, recipe.corpus.yo_to_e)
    rich.print(vocabulary_report.make(pieces, folder).table())


@app.command()
def tokens(name: Name, change: Set = [], out: Out = None) -> None:  # noqa: B006
    """Encode the corpus."""
    _, folder = _open(name, change, out)
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

    if not _train(stage, _open(name, change, out), device, minutes, start):
        _leave(stage.STAGE)


@app.command()
def dialogues(name: Name, text: Text = [], change: Set = [], out: Out = None, show: Show = 0) -> None:  # noqa: B006
    """Gather conversations and render them, with the mask of what is learned."""
    from trainer.dialogues import gather as stage

    recipe, folder = _open(name, change, out)
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

    if not _train(stage, _open(name, change, out), device, minutes, start):
        _leave(stage.STAGE)


@app.command()
def pairs(
    name: Name, change: Set = [], out: Out = None, device: Device = "auto", start: Start = None,  # noqa: B006
    from_ratings: FromRatings = None,
) -> None:  # fmt: skip
    """Collect answers to prefer and to avoid: written ones beside the mind's own, or what people rated."""
    from trainer.pairs import command, rated

    recipe, folder = _open(name, change, out)
    if from_ratings:
        path, count = command.from_ratings(from_ratings, folder)
        rich.print(f"pairs: {count:,} rated answers in {escape(str(path))}")
        return
    pieces = vocabulary_stage.load(folder)
    with Progress(TextColumn("pairs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        bar = progress.add_task("pairs", total=recipe.pairs and sum(p.count for p in recipe.pairs.presets.values()))
        found = command.collect(recipe, folder, pieces, device, start, partial(progress.advance, bar))
    rich.print(command.table(found), *command.examples(found), sep="\n")
    rich.print(f"pairs: {escape(str(folder / rated.FILE))}")


@app.command()
def kto(
    name: Name, change: Set = [], out: Out = None, device: Device = "auto",  # noqa: B006
    minutes: Minutes = None, start: Start = None, ratings: Ratings = None,
) -> None:  # fmt: skip
    """Learn from rated answers; Ctrl-C stops, the same command goes on."""
    from trainer import kto as stage

    if not _train(stage, _open(name, change, out), device, minutes, start, ratings=ratings):
        _leave(stage.STAGE)


def _train(
    stage: ModuleType, opened: tuple[Recipe, Path], device: str, minutes: float | None, start: Path | None,
    **options: Path | None,
) -> bool:  # fmt: skip
    """Run a training stage, in as many processes as torchrun started; whether it came to its own end."""
    from trainer import machine, ranks

    recipe, folder = opened
    place, device = ranks.join(machine.device(device))
    columns = (TextColumn(stage.STAGE), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not place.first) as progress:
        run = stage.prepare(
            recipe, folder, vocabulary_stage.load(folder), device=device, ranks=place, minutes=minutes,
            start=start, say=lambda line: progress.console.print(line, markup=False, highlight=False), **options,
        )  # fmt: skip
        state = run.state
        run.say(f"{stage.STAGE}: {state.parameters / 1e6:.2f} M parameters on {device}, iteration {state.iteration}")
        bar = progress.add_task(stage.STAGE, total=state.max_iters, completed=state.iteration)
        with _stopped_between_iterations(run):
            for iteration in run.go():
                progress.update(bar, completed=iteration, total=state.max_iters)
    ranks.leave()
    return not run.stop


def _leave(stage: str) -> NoReturn:
    rich.print(f"{stage}: stopped. The same command goes on from here.")
    raise typer.Exit


@contextmanager
def _stopped_between_iterations(run: Run) -> Iterator[None]:
    """Ctrl-C and `kill` end the run after its iteration, with a checkpoint; a second one ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if run.stop:
            signal.default_int_handler(number, frame)
        run.stop = True

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@app.command()
def export(name: Name, change: Set = [], out: Out = None, to: To = None, stage: Stage = None) -> None:  # noqa: B006
    """Write the mind: fp16 weights, vocabulary, card and golden answers in one file."""
    from trainer import export as export_stage

    recipe, folder = _open(name, change, out)
    path = to or folder / f"{recipe.name}.mind"
    digest = export_stage.export(recipe, folder, vocabulary_stage.load(folder), path, stage)
    rich.print(f"export: {escape(str(path))}, {path.stat().st_size / 1e6:.1f} MB, sha256 {digest[:12]}…")


@app.command()
def grow(
    name: Name, text: Text = [], change: Set = [], out: Out = None, device: Device = "auto",  # noqa: B006
    minutes: Minutes = None, start: Start = None, to: To = None,
) -> None:  # fmt: skip
    """All stages in order, from text to mind; of the minutes fine-tuning gets a third."""
    corpus(name, text, change, out)
    vocabulary(name, change, out, start)
    tokens(name, change, out)
    recipe, _ = _open(name, change, out)
    if recipe.pretrain:
        pretrain(name, change, out, device, minutes and minutes * (2 / 3 if recipe.sft else 1), start)
    if recipe.sft:
        dialogues(name, text, change, out)
        begin = None if recipe.pretrain else start
        sft(name, change, out, device, minutes and minutes * (1 / 3 if recipe.pretrain else 1), begin)
    export(name, change, out, to)


@app.command()
def report(
    name: Name, change: Set = [], out: Out = None, to: Folder = None, baselines: Baselines = False,  # noqa: B006
) -> None:  # fmt: skip
    """One page and one picture of a run: curves, samples over time, corpus, vocabulary."""
    from trainer.report import baselines as compressors
    from trainer.report import page  # matplotlib takes its time

    recipe, folder = _open(name, change, out)
    if baselines:
        found = compressors.make(folder)
        rich.print(f"report: bz2 needs {found['bz2']:.4f} bits a byte of the held-out text, xz {found['xz']:.4f}")
    for path in page.make(recipe, find(name).read_text("utf-8"), folder, to or folder):
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
def compare(mind: MindFile, other: Other, to: Folder = None, seed: Seed = 0) -> None:
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
        recipe, folder = _open(mind, [], out)
        path = folder / f"{recipe.name}.mind"
    opened = command.opened(path)
    warmth = opened.manners.sampling.temperature if temperature is None else temperature
    settings = Settings(samples=samples, tokens=tokens, temperature=warmth, seed=seed)
    findings, files = command.make(opened, prompt, settings, folder)
    rich.print(*table.of(findings), sep="\n")
    for file in files:
        rich.print(f"probe: {escape(str(file))}")


@importing.command()
def nanogpt(
    checkpoint: Ckpt, tokenizer: Vocab, to: Beside = None, title: Title = None, author: About = None,
    licence: About = None, training_data: About = None, language: Tongue = None, prompt: Golden = [],  # noqa: B006
) -> None:  # fmt: skip
    """A checkpoint of nanoGPT, or of GPT-2 in its words, and its tokenizer."""
    from trainer.nanogpt import import_checkpoint

    path = to or checkpoint.with_suffix(".mind")
    about = {"title": title, "author": author, "licence": licence, "training_data": training_data}
    card = {key: text for key, text in about.items() if text}
    made = import_checkpoint(checkpoint, tokenizer, path, card=card, language=language, prompts=prompt)
    rich.print(f"import: {escape(str(path))}, {made.parameters / 1e6:.2f} M parameters, sha256 {made.sha256[:12]}…")
    if made.left_out:
        rich.print(f"import: {made.left_out:,} rows of the embedding that the tokenizer has no piece for are left out")


def main() -> None:
    """Run, and turn a maker's mistake into a sentence and the exit code 2."""
    try:
        app()
    except GrowError as error:
        reason = str(error)
    except OSError as error:  # a full disk, a folder that cannot be written
        reason = f"{error.filename or 'The disk'}: {error.strerror or error}. What earlier stages wrote is intact."
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

"""The sections of a recipe: what each stage may be told, and what it takes for granted. Knows no file."""

from trainer.sections.answers import Export, Manner, Mind, Pairs, Preset, Variant
from trainer.sections.section import Section
from trainer.sections.texts import Corpus, Dialogues, DialogueSource, Librus, Source, Vocabulary
from trainer.sections.training import Kto, Model, Sft, Training

__all__ = [
    "Corpus", "DialogueSource", "Dialogues", "Export", "Kto", "Librus", "Manner", "Mind", "Model", "Pairs", "Preset",
    "Section", "Sft", "Source", "Training", "Variant", "Vocabulary",
]  # fmt: skip

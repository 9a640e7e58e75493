"""Every word of a report besides the mind's own, in Russian and English. Knows no number."""

from __future__ import annotations

from typing import Final

from chat_app.language import Phrase

STAGE: Final = {
    "pretrain": Phrase("Обучение", "Pretraining"),
    "sft": Phrase("Дообучение на разговорах", "Fine-tuning"),
    "kto": Phrase("Обучение на оценках (KTO)", "Learning from rated answers (KTO)"),
}
RUNNING: Final = Phrase("Ещё растёт: {done} из {all} итераций.", "Still growing: {done} of {all} iterations.")
EVOLUTION: Final = Phrase("Как менялось письмо", "How its writing changed")
EVOLUTION_NOTE: Final = Phrase(
    "Одно и то же начало в разные моменты обучения.", "The same beginning at different moments of training."
)
LOSS_THEN: Final = Phrase("потери {loss}", "loss {loss}")
ITERATION: Final = Phrase("итерация", "iteration")
CORPUS: Final = Phrase("Тексты", "Corpus")
VOCABULARY: Final = Phrase("Словарь", "Vocabulary")
RECIPE: Final = Phrase("Рецепт", "Recipe")
COMPARED: Final = Phrase(
    "bz2 и xz сжимают только сам отложенный текст: обучающего они не видели.",
    "bz2 and xz compress the held-out text alone: they have not seen the training text.",
)

LOSS: Final = Phrase("Потери, нат на токен", "Loss, nats a token")
BITS: Final = Phrase("Отложенный текст, бит на байт", "Held-out text, bits a byte")
KL: Final = Phrase("Как далеко от начала, KL, нат на токен", "How far from the beginning, KL, nats a token")
REWARDS: Final = Phrase("Награды отложенных ответов, нат", "Rewards of held-out answers, nats")
GOOD: Final = Phrase("хорошие", "good")
BAD: Final = Phrase("плохие", "bad")
ACCURACY: Final = Phrase("Точность, доля", "Accuracy, share")
LOOPS: Final = Phrase("Циклов на 100 ответов", "Loops in 100 answers")
RATE: Final = Phrase("Шаг обучения, доля пика", "Learning rate, share of peak")
SPEED: Final = Phrase("Токенов в секунду", "Tokens a second")
MEMORY: Final = Phrase("Память, ГБ", "Memory, GB")
ZIPF: Final = Phrase("Частота элементов словаря в тексте", "How often each piece occurs in the text")
RANK: Final = Phrase("место по частоте", "rank by frequency")

TRAIN: Final = Phrase("обучающий", "training")
HELD_OUT: Final = Phrase("отложенный", "held out")
AVERAGED: Final = Phrase("усреднённый", "averaged")
ALL_SOURCES: Final = Phrase("весь", "all")

TOTAL: Final = Phrase("Всего", "Total")
SOURCE: Final = Phrase("Источник", "Source")
DOCUMENTS: Final = Phrase("Документов", "Documents")
CHARACTERS: Final = Phrase("Знаков", "Characters")
MEGABYTES: Final = Phrase("МБ", "MB")
EXACT: Final = Phrase("Повторов", "Duplicates")
NEAR: Final = Phrase("Почти повторов", "Near-duplicates")
OVERLAP: Final = Phrase("Общих с отложенными", "Shared with held-out")
HELD_OUT_PART: Final = Phrase("Отложено, %", "Held out, %")
TRAIN_TOKENS: Final = Phrase("Токенов для обучения", "Training tokens")

SHAPE: Final = Phrase(
    "слоёв {n_layer}, голов {n_head}, каналов {n_embd}, контекст {block_size}",
    "{n_layer} layers, {n_head} heads, {n_embd} channels, context {block_size}",
)
PARAMETERS: Final = Phrase("параметров", "parameters")
BEST_LOSS: Final = Phrase("нат на токен, отложенный текст", "nats a token, held out")
BEST_BITS: Final = Phrase("бит на байт", "bits a byte")
BEST_BITS_CHARACTER: Final = Phrase("бит на знак", "bits a character")
READ: Final = Phrase("токенов прочитано", "tokens read")
EPOCHS: Final = Phrase("раз прочитан корпус", "times through the corpus")
ITERATIONS: Final = Phrase("итераций", "iterations")
TIME: Final = Phrase("время обучения", "of training")
MEDIAN_SPEED: Final = Phrase("токенов в секунду", "tokens a second")
PEAK_MEMORY: Final = Phrase("память, ГБ", "GB of memory")

PIECES: Final = Phrase("элементов", "pieces")
CHARACTERS_PER_TOKEN: Final = Phrase("знака на токен", "characters a token")
BYTES_PER_TOKEN: Final = Phrase("байта на токен", "bytes a token")
BYTES_SHARE: Final = Phrase("токенов из отдельных байтов", "of tokens are single bytes")
UNKNOWN_SHARE: Final = Phrase("неизвестных знаков", "of tokens are unknown")
LONGEST: Final = Phrase("Самые длинные", "The longest")
FREQUENT: Final = Phrase("Самые частые", "The most frequent")
KIND: Final = {
    "char": Phrase("По буквам.", "By characters."),
    "bpe": Phrase("Частые сочетания букв (BPE).", "Frequent runs of letters (BPE)."),
}

HOURS: Final = Phrase("{hours} ч {minutes} мин", "{hours} h {minutes} min")
MINUTES: Final = Phrase("{minutes} мин", "{minutes} min")
SECONDS: Final = Phrase("{seconds} с", "{seconds} s")
MILLION: Final = Phrase("{value} млн", "{value} M")
BILLION: Final = Phrase("{value} млрд", "{value} B")

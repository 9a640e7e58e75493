"""Every word of the report card's page besides the talk itself, in Russian and English. Knows no number."""

from __future__ import annotations

from typing import Final

from chat_app.language import Phrase

TITLE: Final = Phrase("Табель", "Report card")
ALTOGETHER: Final = Phrase("Все ответы вместе", "All answers together")
QUICK: Final = Phrase("краткий: десятая часть вопросов", "quick: a tenth of the questions")
SEED: Final = Phrase("зерно {seed}", "seed {seed}")
METHOD: Final = Phrase(
    "Каждый вопрос — отдельный разговор через движок программы, с собственными настройками модели. "
    "Ни одного из этих вопросов нет в том, чему она училась.",
    "Every question is a conversation of its own through the program's engine, with the mind's own settings. "
    "None of these questions stands in what it was taught.",
)
GROUPS: Final = {
    "one_digit": Phrase("Однозначные суммы и разности, новые формулировки", "Sums of one digit, new wordings"),
    "two_digit": Phrase("Двузначные суммы и разности, новые числа", "Sums of two digits, new numbers"),
    "products": Phrase("Таблица умножения, новые формулировки", "Multiplication table, new wordings"),
    "exercises": Phrase("Деление, часы, счёт, новые формулировки", "Quotients, clocks, counting, new wordings"),
    "facts": Phrase("Выученные факты, новые формулировки", "Taught facts, new wordings"),
    "identity": Phrase("Приветствия и вопросы о себе", "Greetings and questions about itself"),
    "memory": Phrase("Имя: назвали и спросили, имена новые", "A name told and asked for, new names"),
    "follow_ups": Phrase("Вопросы вдогонку, новые формулировки", "Follow-up questions, new wordings"),
    "talk": Phrase("Обычный разговор, новые формулировки", "Everyday talk, new wordings"),
    "unknown": Phrase("Незнакомые темы", "Unknown subjects"),
}
PARTS: Final = {
    "wordings": Phrase(
        "бит на байт, новые формулировки, ответы знакомы", "bits a byte, new wordings of learned replies"
    ),
    "intents": Phrase("бит на байт, незнакомые темы", "bits a byte, unknown subjects"),
    "dialogues": Phrase("бит на байт, новые диалоги", "bits a byte, new dialogues"),
    "exercises": Phrase("бит на байт, новые задачи", "bits a byte, new exercises"),
}
GROUP: Final = Phrase("Вопросы", "Questions")
ASKED: Final = Phrase("Задано", "Asked")
RIGHT: Final = Phrase("Верно", "Right")
INTERVAL: Final = Phrase("95 %", "95 %")
ENDED: Final = Phrase("Закончил сам", "Ended by itself")
LOOPS: Final = Phrase("Зацикленных на 100", "Loops in 100")
LOOPS_SHARE: Final = Phrase("зацикленных на 100 ответов", "loops in 100 answers")
ALL: Final = Phrase("Все", "All")
ENDED_SHARE: Final = Phrase("ответов закончено самостоятельно", "of answers end by themselves")
TOKENS: Final = Phrase("токенов в ответе", "tokens an answer")
DISTINCT: Final = Phrase("разных пар слов", "distinct runs of two words")
CANNED: Final = Phrase(
    "из 100 ответов о фактах и обо всём на свете дословно даны на разные вопросы",
    "in 100 answers on facts and everyday things are given to several questions word for word",
)
COPIED: Final = Phrase("цепочек из шести слов взято из обучения", "runs of six words stand in the training text")
CYRILLIC: Final = Phrase("букв — кириллица", "of letters are Cyrillic")
TALK: Final = Phrase("Разговоры", "What was said")
WANTED: Final = Phrase("ждали: {wanted}", "wanted: {wanted}")
WRONG: Final = Phrase("неверно", "wrong")
ENDLESS: Final = Phrase("не закончил", "did not end")
LOOPED: Final = Phrase("зациклился", "went round in circles")

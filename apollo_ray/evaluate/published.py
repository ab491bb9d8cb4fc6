"""The `paper` protocol: prompts, shots and letter extraction as the authors of Apollo published them, faults included.

It exists to hold a model against Table 3 of arXiv 2403.03640; nothing else should be reported with it. What it repeats:

- shots come from the test set itself, at random per item (the scripts set no seed; here the item's id is the seed)
- Chinese questions are asked in English after Chinese shots; Arabic is told to answer from alif to dal where the
  options are A to D, and its shots give the answer before the phrase; five options are called "A to D"
- a gold of several letters counts by its first one
- items whose prompt exceeds 4,096 characters are left out, and shots that do not fit are dropped one by one
- an answer is its most frequent letter in brackets, else its most frequent capital of A to F anywhere ("As" is an A)

Wording and rules: data_process_test_gemma.py and eval_qwen.py of FreedomIntelligence/Apollo (Apache-2.0).
"""

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apollo_ray.evaluate.prompts import wrap

Item = Mapping[str, Any]

MAX_CHARACTERS = 4096
"""Of a prompt with its shots."""
MAX_TOKENS = 256
"""That an answer may have, as for the Qwen models (128 for the others)."""
END_OF_SHOT = "<|endoftext|>"
"""Written out after each shot, as for Qwen and Yi; the scripts write <eos> for Gemma and </s> for Llama."""


@dataclass(frozen=True)
class _Wording:
    instruction: str
    question: str
    options: str
    answer: str  # of a shot, with the letter in brackets at {}


_MEDICAL_EN = "You are a medical doctor answering real-world medical exam questions. "
_WORDINGS = {
    "en": _Wording(
        _MEDICAL_EN + "Select one correct answer from A to D.", "Question: ", "Options:", "The correct answer is {}."
    ),
    "zh": _Wording(
        "您是一名医生，正在回答现实世界的医学考试问题。请从A到D中选择一个正确答案。",
        "问题: ",
        "选项:",
        "正确答案是{}.",
    ),
    "es": _Wording(
        "Usted es un médico que responde preguntas de exámenes médicos del mundo real. "
        "Elija una respuesta correcta de la A a la D.",
        "pregunta: ",
        "Opciones:",
        "La respuesta correcta es {}.",
    ),
    "fr": _Wording(
        "Vous êtes un médecin et répondez à des questions d'examen médical du monde réel. "
        "Veuillez choisir une bonne réponse de A à E.",
        "question: ",
        "Possibilités:",
        "La bonne réponse est {}.",
    ),
    "hi": _Wording(
        "आप एक डॉक्टर हैं जो वास्तविक दुनिया की मेडिकल परीक्षा के सवालों का जवाब दे रहे हैं। कृपया A से D तक सही उत्तर चुनें।",
        "सवाल: ",
        "विकल्प:",
        "सही उत्तर है{}.",
    ),
    "ar": _Wording(
        "أنت طبيب يجيب على أسئلة الفحص الطبي في العالم الحقيقي. الرجاء اختيار الإجابة الصحيحة من أ إلى د.",
        "سؤال: ",
        "خيارات:",
        "{}الإجابة الصحيحة هي.",
    ),
}
_PUBMEDQA = _Wording(
    _MEDICAL_EN + "Select one correct answer from A to C. Choose ‘yes’ or ‘no’ if the evidence in the context supports "
    "a definitive answer. Choose ‘maybe’ if the evidence in the context does not support a definitive answer.",
    "Question: ",
    "Options:",
    "The correct answer is {}.",
)

_IN_BRACKETS, _ANYWHERE = re.compile(r"[（(]([A-Fa-f])[）)]"), re.compile("[A-F]")


def prompt(item: Item, shots: Sequence[Item] = (), end_of_shot: str = END_OF_SHOT) -> str:
    """The published prompt of an EVAL_ITEM row; shots that would reach MAX_CHARACTERS are left out."""
    asked = _question(item, _PUBMEDQA if item["context"] else _WORDINGS[_asked_in(item["lang"])])
    before = ""
    for shot in shots:
        words = _PUBMEDQA if shot["context"] else _WORDINGS[_shown_in(shot["lang"])]
        written = _question(shot, words) + words.answer.format(f"({shot['answer']})") + f"{end_of_shot}\n"
        if len(before) + len(asked) + len(written) < MAX_CHARACTERS:
            before += written
    return before + asked


def continuations(item: Item) -> list[str]:
    """The phrase of a shot for each letter. The paper ranks no options by likelihood; this is what it would score."""
    words = _PUBMEDQA if item["context"] else _WORDINGS[_shown_in(item["lang"])]
    return [words.answer.format(f"({letter})") for letter in item["letters"]]


def last_letter(item: Item) -> str:
    """The last letter that the published prompt allows, in Latin letters."""
    return "C" if item["context"] else "E" if item["lang"] == "fr" else "D"


def draw_shots(item: Item, items: Sequence[Item], number: int) -> list[Item]:
    """`number` other items of the same benchmark, drawn from the test set as published, seeded by the item's id.

    `items` are those of the item's benchmark and language. Fewer where there are not so many.
    """
    drawn = random.Random(f"{item['benchmark']}:{item['id']}").sample(items, min(number + 1, len(items)))
    return [one for one in drawn if one["id"] != item["id"]][:number]


def read_letter(text: str) -> str | None:
    """The letter that the published scripts read, A to F; None where they count the answer as wrong."""
    line = next((line for line in text.split("\n") if line), text)
    for pattern in (_IN_BRACKETS, _ANYWHERE):
        found = Counter(letter.upper() for letter in pattern.findall(line))
        if found:
            return found.most_common(1)[0][0]  # the first of equals
    return {"Yes.": "A", "No.": "B"}.get(line)


def _question(item: Item, words: _Wording) -> str:
    options = [f"({letter}) {option}" for letter, option in zip(item["letters"], item["options"], strict=True)]
    context = [f"Context: {item['context']} "] if item["context"] else []
    lines = [words.instruction, *context, f"{words.question}{item['question']}", words.options, *options]
    return wrap("\n".join(lines))


def _shown_in(lang: str) -> str:
    return lang if lang in _WORDINGS else "en"


def _asked_in(lang: str) -> str:
    return "en" if lang == "zh" else _shown_in(lang)

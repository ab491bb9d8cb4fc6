"""Prompts of the strict protocol: each question in its own language, wrapped as the models were trained.

    User:{instruction}\\n{Question}: {question}\\n{Options}:\\nA. ...\\nB. ...\\n{Answer}:\\nAssistant:

A shot is such a prompt with its answer, and a line break parts it from the next, as in training. Languages beyond the
six are asked with English words. A prompt never ends in space, since a tokenizer would join that space to the first
word of the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wording:
    """What surrounds a multiple-choice question in one language."""

    instruction: str
    context: str
    question: str
    options: str
    answer: str


WORDINGS = {
    "en": Wording(
        "Read the medical question and choose the one correct option. Reply with its letter only.",
        "Context: ",
        "Question: ",
        "Options:",
        "Answer:",
    ),
    "zh": Wording("请阅读下面的医学问题，选出唯一正确的选项，只回答选项字母。", "背景：", "问题：", "选项：", "答案："),
    "hi": Wording(
        "नीचे दिया गया चिकित्सा प्रश्न पढ़ें और एकमात्र सही विकल्प चुनें। उत्तर में केवल विकल्प का अक्षर लिखें।",
        "संदर्भ: ",
        "प्रश्न: ",
        "विकल्प:",
        "उत्तर:",
    ),
    "es": Wording(
        "Lea la pregunta médica y elija la única opción correcta. Responda solo con su letra.",
        "Contexto: ",
        "Pregunta: ",
        "Opciones:",
        "Respuesta:",
    ),
    "fr": Wording(
        "Lisez la question médicale et choisissez la seule option correcte. Répondez uniquement par sa lettre.",
        "Contexte : ",
        "Question : ",
        "Options :",
        "Réponse :",
    ),
    "ar": Wording(
        "اقرأ السؤال الطبي التالي واختر الخيار الصحيح الوحيد. أجب بحرف الخيار فقط.",
        "السياق: ",
        "السؤال: ",
        "الخيارات:",
        "الإجابة:",
    ),
}


def wrap(request: str) -> str:
    """Apollo's template around one user turn, up to where the answer begins."""
    return f"User:{request}\nAssistant:"


def choice_prompt(item: Mapping[str, Any], shots: Sequence[Mapping[str, Any]] = ()) -> str:
    """The prompt of an EVAL_ITEM row whose task is choice, after `shots` with their answers."""
    answered = [f"{_question(shot)} {shot['answer']}\n" for shot in shots]
    return "".join(answered) + _question(item)


def _question(item: Mapping[str, Any]) -> str:
    words = WORDINGS.get(item["lang"], WORDINGS["en"])
    options = [f"{letter}. {option}" for letter, option in zip(item["letters"], item["options"], strict=True)]
    context = [f"{words.context}{item['context']}"] if item["context"] else []
    lines = [words.instruction, *context, f"{words.question}{item['question']}", words.options, *options, words.answer]
    return wrap("\n".join(lines))


def choice_continuations(item: Mapping[str, Any]) -> list[str]:
    """What follows the prompt for each letter: a space and the letter, one token in byte-level vocabularies."""
    return [f" {letter}" for letter in item["letters"]]


def text_prompt(question: str) -> str:
    """The prompt that a reference answer follows directly, as in training."""
    return wrap(question)


def messages(question: str) -> list[dict[str, str]]:
    """A free question for /chat/completions; the endpoint applies the template."""
    return [{"role": "user", "content": question}]

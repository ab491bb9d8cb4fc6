"""The forms in which models state a letter, put into one that is read: a line `Answer: B`.

Boxes, tags, JSON, circled letters, ordinals ("the second option") and lists with one mark of approval; what a model
thought before, or asked itself afterwards, is cut away.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial

from apollo_ray.evaluate import extract_words as words

_ANSWER_KEYS = (
    r"(?:final[_ ]?)?answer|choice|option|letter|respuesta|opci[oó]n|r[eé]ponse|答案|选项|उत्तर|विकल्प"
    r"|(?:ال)?[إا]جابة|(?:ال)?جواب|(?:ال)?خيار"
)
_LETTER = r"[(\[]?\s*(?P<letter>[A-Za-z])\s*[)\].:]?"
_STATED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:\$+|\\\[)?\s*\\boxed\{{\s*(?:\\(?:text|textbf|mathrm|mathbf)\{{)?\s*{_LETTER}[^{{}}\n]{{0,80}}\}}{{1,2}}\s*(?:\$+|\\\])?",
        rf"<(?:{_ANSWER_KEYS})>\s*{_LETTER}[^<\n]{{0,80}}</[^>\n]+>",
        rf"[\"'“](?:{_ANSWER_KEYS})[\"'”]\s*:\s*[\"'“]?{_LETTER}\s*(?:[\"'”][,}}\s]|\}})",
    )
)
"""Where a letter is set apart by its form. Each becomes a line of its own."""

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_CIRCLED_DIGITS = "①②③④⑤⑥"
_STEMS = "甲乙丙丁戊己"
_STEM = (  # of the heading of a question, at the start of a line
    r"(?:next\s+|another\s+)?question|q(?=\s*\d|\s*[:.])|pregunta|siguiente\s+pregunta|otra\s+pregunta|(?:autre\s+)?question|"
    r"题目|问题|下一题|例题|(?:अगला\s+)?प्रश्न|(?:ال)?سؤال"
)
_NEXT_QUESTION = re.compile(rf"\n\s*(?:{_STEM})\b[^\n:：]{{0,20}}[:：.]", re.IGNORECASE)
_MARKED = re.compile(r"[✅✓✔☑]")
_UNMARKED = re.compile(r"[❌✗✘✖×]")
_ITEM = re.compile(r"^\W*(?:\d+[.)]\s*)?\W*([A-F])(?![A-Za-z0-9])", re.MULTILINE)

_ORDINALS = {
    lang: [re.compile(pattern.format("|".join(ordinals)), re.IGNORECASE) for pattern in patterns]
    for lang, (ordinals, patterns) in words.ORDINALS.items()
}


def in_one_form(text: str, letters: Sequence[str], lang: str) -> str:
    """`text` in NFKC with the stated letters on lines of their own, as `Answer: B`, up to the next question."""
    text = _THOUGHT.sub("\n", text)
    text = re.sub(rf"^\s*([{_CIRCLED_DIGITS}])", lambda found: _nth(_CIRCLED_DIGITS.index(found[1]), letters), text)
    text = re.sub(r"[Ⓐ-Ⓕⓐ-ⓕ🅐-🅕]", lambda found: f"({_circled(found[0])})", text)
    text = unicodedata.normalize("NFKC", text).strip()
    text = re.sub(rf"\(([{_STEMS}])\)", lambda found: _nth(_STEMS.index(found[1]), letters), text)
    if (beyond := _NEXT_QUESTION.search(text)) and text[: beyond.start()].strip():
        text = text[: beyond.start()]
    for form in _STATED:
        text = form.sub(lambda found: f"\nAnswer: {found['letter'].upper()}\n", text)
    for language in dict.fromkeys((lang, "en")):
        for pattern in _ORDINALS.get(language, ()):
            text = pattern.sub(partial(_ordinal, letters=letters, lang=language), text)
    return _approved(text)


def _circled(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain != character else chr(ord("A") + ord(character) - ord("🅐"))


def _nth(place: int, letters: Sequence[str]) -> str:
    return f"({letters[place]})" if place < len(letters) else ""


def _ordinal(found: re.Match[str], letters: Sequence[str], lang: str) -> str:
    """An ordinal and its noun as an option with a letter."""
    ordinals = words.ORDINALS[lang][0]
    said = found["nth"].lower()
    place = next(number for number, one in enumerate(ordinals) if re.fullmatch(one, said, re.IGNORECASE))
    place = len(letters) - 1 if place == len(ordinals) - 1 else place  # the last of the words is "last"
    return f" {words.OPTION[lang]} {letters[place]}" if place < len(letters) else found[0]


def _approved(text: str) -> str:
    """With the letter of the one line that is ticked, where options are listed and the others are not."""
    lines = [(line, item[1]) for line in text.splitlines() if (item := _ITEM.match(line))]
    ticked = {letter for line, letter in lines if _MARKED.search(line) and not _UNMARKED.search(line)}
    crossed = {letter for line, letter in lines if _UNMARKED.search(line)}
    if len(ticked) == 1 and len({letter for _, letter in lines}) > 1 and not ticked & crossed:
        return f"{text}\nAnswer: {ticked.pop()}"
    return text

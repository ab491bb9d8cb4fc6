"""The forms in which models state a letter, put into one that is read: a line `Answer: B`.

Boxes, tags, JSON, circled letters, ordinals ("the second option") and lists with one mark of approval; what a model
thought before, or asked itself afterwards, is cut away. What a box or a tag holds is read like any other answer: it may
be a letter, the text of an option, or neither.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial

from apollo_ray.evaluate import extract_words as words
from apollo_ray.overlap_index import fold

_TAGS = (
    r"(?:(?:final|correct)[_ ]?)?(?:answer|choice|option)|letter|respuesta|opci[oó]n|r[eé]ponse|答案|选项|उत्तर|विकल्प"
    r"|(?:ال)?[إا]جابة|(?:ال)?جواب|(?:ال)?خيار"
)
_KEYS = (  # whole ones: "wrong_answer" and "错误答案" announce nothing
    rf"(?:{_TAGS}|(?:respuesta|opci[oó]n)[_ ](?:correcta|final)|r[eé]ponse[_ ](?:correcte|finale)|bonne[_ ]r[eé]ponse"
    r"|(?:正确|最终)(?:答案|选项)|(?:सही|अंतिम)[_ ]उत्तर|الإجابة[_ ](?:الصحيحة|النهائية))"
)
_STATED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:\$+|\\\[)?\s*\\boxed\{(?P<inside>(?:[^{}\n]|\{[^{}\n]*\}){1,200})\}\s*(?:\$+|\\\])?",
        rf"<(?:{_TAGS})>\s*(?P<inside>[^<\n]{{1,200}}?)\s*(?:</[^>\n]+>|\Z)",
        rf"[\"'“]{_KEYS}[\"'”]\s*:\s*(?:[\"'“](?P<inside>[^\"'”\n]{{1,200}})[\"'”]|(?P<unquoted>[A-Za-z])\s*\}})",
    )
)
"""Where an answer is set apart by its form. Each becomes a line of its own."""

_LATEX = re.compile(r"\\[a-zA-Z]+|\\[ ,;!]|[{}$]")
_SMALL = re.compile(r"\A[(\[]?\s*([a-z])(?=\s*(?:[)\].:]|$))")
_NEGATIONS = words.normal(words.NEGATIONS)
CLAUSE_ENDS = re.compile(r"[.,;:!?\n。，；！？।،؛؟、]")
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_BEFORE = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)  # opened by the prompt
_CIRCLED_DIGITS = "①②③④⑤⑥"
_STEMS = "甲乙丙丁戊己"
_STEM = (  # of the heading of a question, at the start of a line
    r"(?:next\s+|another\s+)?question|q(?=\s*\d|\s*[:.])|pregunta|siguiente\s+pregunta|otra\s+pregunta|(?:autre\s+)?question|"
    r"题目|问题|下一题|例题|(?:अगला\s+)?प्रश्न|(?:ال)?سؤال"
)
_NEXT_QUESTION = re.compile(rf"\n\s*(?:{_STEM})(?![^\W\d_])[^\n:：]{{0,20}}[:：.]", re.IGNORECASE)
_NUMBERS = re.compile(rf"[{_CIRCLED_DIGITS}{_STEMS}\s,，、和]+")
_STEM_STATED = re.compile(rf"((?:答案|选)\s*(?:[是为选:]\s*)?|\A)([{_STEMS}])(?=\s*(?:[。.,;\n]|$))")
_MARKED = re.compile(r"[✅✓✔☑]")
_UNMARKED = re.compile(r"[❌✗✘✖×]")
_TICK_BEFORE = re.compile(r"^\s*[✅✓✔☑]\ufe0f?\s*(?=[A-Z(])", re.MULTILINE)
_ITEM = re.compile(r"^\W*(?:\d+[.)]\s*)?\W*([A-F])(?![A-Za-z0-9])", re.MULTILINE)

_RIGHT, _WRONG = (
    {
        lang: re.compile(rf"[.:;,(–—。-]\s*(?:{said})\W*$", re.IGNORECASE)
        for lang, said in words.normal(verdicts).items()
    }
    for verdicts in (words.RIGHT, words.WRONG)
)
_ORDINALS = {
    lang: [re.compile(pattern.format("|".join(ordinals)), re.IGNORECASE) for pattern in patterns]
    for lang, (ordinals, patterns) in words.ORDINALS.items()
}


def in_one_form(text: str, letters: Sequence[str], lang: str, options: Sequence[str] = ()) -> str:
    """`text` in NFKC with the stated letters on lines of their own, as `Answer: B`, up to the next question."""
    text = _THOUGHT_BEFORE.sub("", _THOUGHT.sub("\n", text))
    numbers_statements = any(_NUMBERS.fullmatch(option) for option in options)  # option A is "①③" or "乙": ③ is not C
    if not numbers_statements:
        first = rf"^\s*([{_CIRCLED_DIGITS}])(?!\s*[,，、和]?\s*[{_CIRCLED_DIGITS}])"
        text = re.sub(first, lambda found: _nth(_CIRCLED_DIGITS.index(found[1]), letters), text)
    text = re.sub(r"[Ⓐ-Ⓕⓐ-ⓕ🅐-🅕]", lambda found: f"({_circled(found[0])})", text)
    text = unicodedata.normalize("NFKC", text).strip()
    if not numbers_statements:
        text = re.sub(rf"\(([{_STEMS}])\)", lambda found: _nth(_STEMS.index(found[1]), letters), text)
        text = _STEM_STATED.sub(lambda found: found[1] + _nth(_STEMS.index(found[2]), letters), text)
    if (beyond := _NEXT_QUESTION.search(text)) and text[: beyond.start()].strip():
        text = text[: beyond.start()]
    languages = list(dict.fromkeys((lang, "en")))
    for form in _STATED:
        text = form.sub(partial(_set_apart, letters=letters, languages=languages, options=options), text)
    for language in languages:
        for pattern in _ORDINALS.get(language, ()):
            text = pattern.sub(partial(_ordinal, letters=letters, lang=language), text)
    return _TICK_BEFORE.sub("", _approved(text, letters, languages))


def _set_apart(found: re.Match[str], letters: Sequence[str], languages: list[str], options: Sequence[str]) -> str:
    r"""What a form holds as a line `Answer: ...`, or nothing where the clause before denies it: `not \boxed{B}`."""
    clause = CLAUSE_ENDS.split(found.string[: found.start()])[-1]
    if any(re.search(_NEGATIONS[one], clause, re.IGNORECASE) for one in languages if one in _NEGATIONS):
        return " "
    inside = _LATEX.sub(" ", found["inside"] or found[found.lastgroup or 0]).strip()
    named = [letter for letter, option in zip(letters, options, strict=False) if fold(inside) == fold(option) != ""]
    said = named[0] if len(named) == 1 else _SMALL.sub(lambda small: small[0].upper(), inside, count=1)
    return f"\nAnswer: {said}\n"


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


def _approved(text: str, letters: Sequence[str], languages: list[str]) -> str:
    """With the letter of the one listed line that is ticked, or the only one called right where all are judged."""
    lines = text.splitlines()
    items = [(place, line, item[1]) for place, line in enumerate(lines) if (item := _ITEM.match(line))]
    listed = {letter for _, _, letter in items}
    ticked = {letter for _, line, letter in items if _MARKED.search(line) and not _UNMARKED.search(line)}
    crossed = {letter for _, line, letter in items if _UNMARKED.search(line)}
    if not ticked | crossed:
        ticked, crossed = (
            {letter for _, line, letter in items if any(said[one].search(line) for one in languages if one in said)}
            for said in (_RIGHT, _WRONG)
        )
        if ticked | crossed != set(letters):
            return text
    if len(ticked) != 1 or len(listed) < 2 or ticked & crossed:
        return text
    behind = items[-1][0] + 1  # right there: what comes later may take it back
    return "\n".join([*lines[:behind], f"Answer: {ticked.pop()}", *lines[behind:]])

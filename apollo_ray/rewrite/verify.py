"""Checks on a question and its answer before they are believed. Every failure has a reason that is counted."""

import re
from dataclasses import dataclass

from apollo_ray.records import LANGUAGES

# Words that give away a passage that the reader of the pair does not have.
REFERENCES = {
    "en": r"\b(?:the|this|above|given|provided)\s+(?:text|passage|article|reference|document|author)s?\b",
    "zh": r"(?:根据|依据)?(?:上文|本文|文中|文章|参考内容|参考资料|该资料|上述内容|这段内容)",
    "hi": r"(?:उपरोक्त|दिए गए|दिये गये|इस)\s+(?:पाठ|अंश|लेख|संदर्भ)",
    "es": r"\b(?:el|este|del|según el)\s+(?:texto|fragmento|artículo|pasaje|autor)\b|\bla referencia\b",
    "fr": r"\b(?:le|ce|du|selon le)\s+(?:texte|passage|document)\b|\b(?:l['’]article|l['’]auteur|la référence)\b",
    "ar": r"(?:النص|المقطع|المقال|المرجع)\s+(?:أعلاه|السابق|المذكور|التالي)|وفقًا للنص|حسب النص",
}
_REFERENCE = {lang: re.compile(pattern, re.IGNORECASE) for lang, pattern in REFERENCES.items()}


@dataclass(frozen=True)
class Refusal:
    reason: str
    detail: str


def check_finish(reason: str | None, what: str) -> Refusal | None:
    """An LLM's answer that did not stop by itself is cut or filtered."""
    return None if reason in (None, "stop") else Refusal("not_finished", f"{what}: finish_reason {reason!r}")


def check_pair(question: str, answer: str, lang: str, answer_lang: str, answer_floor: int) -> Refusal | None:
    """First failure of a pair, or None. `answer_lang` is the answer's detected language."""
    if not question.strip() or not answer.strip():
        return Refusal("empty", "question" if not question.strip() else "answer")
    if len(answer) < answer_floor:
        return Refusal("answer_too_short", f"{len(answer)} characters, at least {answer_floor} for {lang}")
    if lang in LANGUAGES and answer_lang not in (lang, "und"):
        return Refusal("wrong_language", f"the answer is {answer_lang}, the passage is {lang}")
    pattern = _REFERENCE.get(lang)
    for name, text in (("question", question), ("answer", answer)):
        found = pattern.search(text) if pattern else None
        if found:
            return Refusal("mentions_reference", f"{name}: {found.group()!r}")
    return None

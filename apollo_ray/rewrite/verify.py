"""Checks on what an LLM wrote before it is believed. Every failure has a reason that is counted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from apollo_ray.language import tag
from apollo_ray.records import LANGUAGES
from apollo_ray.rewrite import phrases
from apollo_ray.rewrite.entailment import contradictions
from apollo_ray.rewrite.grounding import support
from apollo_ray.rewrite.grounding.asked import unfounded
from apollo_ray.rewrite.ledger import STOPPED, Reply
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import Verification

TOO_SHORT_TO_TAG = {"default": 60, "zh": 15, "ar": 40, "hi": 40}
"""Characters below which a language tag is no proof: answers may be lists of drugs and values."""

SHINGLE = 5  # tokens in a row that count as copied
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")


@dataclass(frozen=True)
class Refusal:
    reason: str
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What the checks say of a conversation. `scores` are kept in its row whatever they are."""

    refusal: Refusal | None
    scores: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()  # facts that the passage does not bear out, or may not


def tidy(text: str) -> str:
    """`text` without what models put around an answer: labels, quotation marks, bold."""
    text = phrases.LABEL.sub("", text.strip()).strip()
    for opening, closing in ("**", "**"), ('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("'", "'"):
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and len(text) > 4 and opening not in inner:
            text = inner.strip()
    return text


def without_question(answer: str, question: str) -> str:
    """`answer` without the question that models put before it, and the label that follows."""
    return tidy(answer[len(question) :]) if answer.casefold().startswith(question.casefold()) else answer


def check_reply(reply: Reply, what: str) -> Refusal | None:
    """A reply that is none, did not stop by itself, or is a model's refusal to answer."""
    if reply.error:
        return Refusal(reply.error, reply.detail or what)
    if reply.finish_reason is not None and reply.finish_reason not in STOPPED:
        return Refusal("not_finished", f"{what}: finish_reason {reply.finish_reason!r}")
    text = tidy(reply.text)
    if not text:
        return Refusal("empty", what)
    if found := phrases.UNWILLING.search(text[:200]):
        return Refusal("unwilling", f"{what}: {found.group()!r}")
    if found := phrases.INSTRUCTIONS.search(text):
        return Refusal("copied_prompt", f"{what}: {found.group()!r}")
    return None


def check_judgement(reply: Reply, lang: str) -> Refusal | None:
    """What a judge was asked to begin with yes or no, in the passage's language or in English."""
    said = tidy(reply.text)
    if phrases.begins(said, phrases.NO, lang):
        return Refusal("judged_unsupported", said[:300])
    return None if phrases.begins(said, phrases.YES, lang) else Refusal("judge_unclear", said[:300])


def check_question(question: str, passage: Passage, checks: Verification, *, facts: bool = True) -> Refusal | None:
    """A question must be one, in the passage's language, and understandable without the passage."""
    lang = passage.lang
    if problem := _length("question", question, lang, checks.bounds(checks.question_characters, lang)):
        return problem
    if problem := _language("question", question, lang):
        return problem
    marks = len(phrases.QUESTION_MARK.findall(question))
    if marks > 1 or "\n" in question:
        return Refusal("several_questions", f"{max(marks, question.count(chr(10)) + 1)} questions or lines")
    if not marks and lang in LANGUAGES and not phrases.REQUEST[lang].search(question):
        return Refusal("not_a_question", question[:80])
    if problem := _reference("question", question, lang):
        return problem
    own = unfounded(question, passage.text, lang, passage.headline) if facts and checks.grounding else ()
    return Refusal("question_not_grounded", "; ".join(own)[:300]) if own else None


def check_answer(answer: str, passage: Passage, checks: Verification, context: str = "") -> Verdict:
    """An answer, or all that a dialogue says. `context` (title, question) may bear out facts as the passage does."""
    lang = passage.lang
    refusal = (
        _length("answer", answer, lang, checks.bounds(checks.answer_characters, lang))
        or _language("answer", answer, lang)
        or _reference("answer", answer, lang)
    )
    scores = {"copied": round(copied_share(answer, passage.text), 3)}
    flags: tuple[str, ...] = ()
    if refusal is None and scores["copied"] > checks.max_copied:
        refusal = Refusal("copied_passage", f"{scores['copied']:.2f} > {checks.max_copied}")
    if checks.grounding:
        found = support(answer, passage.text, lang, context)
        flags = found.unsupported + found.doubtful
        scores |= {"facts": float(found.facts), "support": round(found.share, 3)}
        if refusal is None and found.share < checks.min_support:
            refusal = Refusal("not_grounded", "; ".join(found.unsupported)[:300])
    if refusal is None and checks.entailment:
        claims = contradictions(checks.entailment.model, answer, passage.text, lang)
        worst = max(claims, key=lambda claim: claim.score, default=None)
        if worst:
            scores["contradiction"] = round(worst.score, 3)
            if worst.score > checks.entailment.max_contradiction:
                refusal = Refusal("contradicted", f"{worst.score:.2f}: {worst.sentence}"[:300])
    return Verdict(refusal, scores, flags)


def copied_share(answer: str, passage: str) -> float:
    """Share of the answer's runs of SHINGLE tokens that stand in the passage, 0 for an answer of fewer tokens."""
    runs, known = _runs(answer), set(_runs(passage))
    return sum(run in known for run in runs) / len(runs) if runs else 0.0


def _runs(text: str) -> list[tuple[str, ...]]:
    tokens = _TOKEN.findall(text.casefold())
    return [tuple(tokens[at : at + SHINGLE]) for at in range(len(tokens) - SHINGLE + 1)]


def _length(what: str, text: str, lang: str, bounds: tuple[int, int]) -> Refusal | None:
    if len(text) < bounds[0]:
        return Refusal(f"{what}_too_short", f"{len(text)} characters, at least {bounds[0]} for {lang}")
    if len(text) > bounds[1]:
        return Refusal(f"{what}_too_long", f"{len(text)} characters, at most {bounds[1]} for {lang}")
    return None


def _language(what: str, text: str, lang: str) -> Refusal | None:
    if lang not in LANGUAGES:
        return None
    found = tag(text, lang)
    sure = len(text) >= TOO_SHORT_TO_TAG.get(lang, TOO_SHORT_TO_TAG["default"]) or found.score > 0.99
    if sure and found.lang not in (lang, "und"):
        return Refusal("wrong_language", f"the {what} is {found.lang} {found.score:.2f}, the passage is {lang}")
    return None


def _reference(what: str, text: str, lang: str) -> Refusal | None:
    pattern = phrases.REFERENCE.get(lang)
    found = pattern.search(text) if pattern else None
    return Refusal("mentions_reference", f"{what}: {found.group()!r}") if found else None

"""Statements turned round: a negation that the passage has not or has, an opposite in place of a word, other people."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import regex

from apollo_ray.rewrite.grounding.cues import OPPOSITES, POPULATIONS
from apollo_ray.rewrite.grounding.words import Token, plain, plain_set, tokens

SCOPE = 3  # content words that a negation is first of all about
NEAR = 30  # characters
LEAST_SHARED = 2  # content words that make a clause of the answer tell one of the passage
ALIKE, LEAST_ALIKE = 0.3, 3  # share of a denying clause's words, and words, that tie it to a clause that affirms
SURE = 0.7
"""Share that refuses. Of 3,731 true sentences in other words than their passage's 1.3 % reach it, of reversed ones
2.1 %; ALIKE 9.6 % and 10.4 %, which says nothing of a sentence in free words."""
REACH = 4  # content words around it, in its sentence, that it may be about


def negations(answer: Sequence[Token], passage: Sequence[Token], lang: str) -> Iterator[tuple[str, bool]]:
    """(what is denied, whether the answer leaves it denied) of each negation of the passage that the answer speaks of.

    An answer that affirms what the passage denies is wrong, unless the passage affirms it elsewhere; or the clause
    of the answer is like no other than the one that denies.
    """
    affirmed = _affirmed(passage)
    own = {token.stem for token in answer if token.content}
    denied = {cue.clause for cue in answer if cue.may_deny}
    own_denied = {token.stem for token in answer if token.content and token.clause in denied}
    retold = _retold(answer, passage, denied)
    excepted = _excepted(passage, lang)
    for cue, scope in _scopes(passage, lang):
        if cue.clause in excepted:
            continue
        stems = {token.stem for token in scope}
        said = f"{cue.word} {' '.join(token.word for token in scope)}"
        shared = (stems & own) - affirmed
        if shared:
            yield said, bool(shared & own_denied)
        elif any(stems & clause for clause in retold.get(cue.clause, ())):
            yield said, False


def invented(answer: Sequence[Token], passage: Sequence[Token], lang: str) -> Iterator[tuple[str, float]]:
    """(clause, how much likelier the passage affirms it, 0 to 1) of each clause of the answer that denies.

    The clause of the passage that shares most words with it decides, where it shares enough: those that the negation is
    about count twice. A word that may tell a denial ("awaiting trials" for "not settled") counts as one.
    """
    hints = plain_set(lang, "hints")
    denying = {token.clause for token in passage if token.may_deny or token.word in hints}
    implied = {token.sentence for token in passage if token.clause < 0}
    denying |= {token.clause for token in passage if token.sentence in implied}
    known = _stems_of_clauses(passage)
    sentence = {token.clause: token.sentence for token in passage}
    excepted = _excepted(answer, lang)
    about: dict[int, set[str]] = {}
    for cue, scope in _scopes(answer, lang):
        about.setdefault(cue.clause, set()).update(token.stem for token in scope)
    for clause, stems in _stems_of_clauses(answer).items():
        if clause in about and clause not in excepted:
            weights = {stem: 1 + (stem in about[clause]) for stem in stems}
            likest = {True: 0.0, False: 0.0}
            near = {sentence[other] for other in denying if known.get(other, set()) & about[clause]}
            for other, theirs in known.items():
                shared = stems & theirs
                if other in denying or (len(shared) >= LEAST_ALIKE and sentence[other] not in near):
                    alike = sum(weights[stem] for stem in shared) / sum(weights.values())
                    likest[other in denying] = max(likest[other in denying], alike)
            words = " ".join(token.word for token in answer if token.clause == clause)
            yield words, max(0.0, likest[False] - likest[True])


def _retold(answer: Sequence[Token], passage: Sequence[Token], denied: set[int]) -> dict[int, list[set[str]]]:
    """Clause of the passage -> stems of each clause of the answer, none of `denied`, that tells it and no other."""
    clauses = _stems_of_clauses(passage)
    found: dict[int, list[set[str]]] = {}
    for clause, stems in _stems_of_clauses(answer).items():
        shared = {other: len(stems & known) for other, known in clauses.items()}
        most = max(shared.values(), default=0)
        if clause not in denied and most >= max(LEAST_SHARED, len(stems) / 3):
            best = [other for other, count in shared.items() if count == most]
            if len(best) == 1:
                found.setdefault(best[0], []).append(stems)
    return found


def _excepted(text: Sequence[Token], lang: str) -> set[int]:
    """Clauses of which something is excepted: "nothing but a cough" tells of a cough."""
    words = plain_set(lang, "exceptions")
    return {token.clause for token in text if token.word in words}


def _stems_of_clauses(text: Sequence[Token]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for token in text:
        if token.content and token.clause >= 0:
            found.setdefault(token.clause, set()).add(token.stem)
    return found


def _scopes(text: Sequence[Token], lang: str) -> Iterator[tuple[Token, list[Token]]]:
    """(negation, up to SCOPE content words of its clause): those behind it, in Hindi, whose verbs come last, ahead."""
    for place, cue in enumerate(text):
        if cue.negates:
            behind = _content(text[place + 1 : place + 4 * SCOPE], cue)
            ahead = _content(reversed(text[max(0, place - 4 * SCOPE) : place]), cue)
            first, second = (ahead, behind) if lang == "hi" else (behind, ahead)
            yield cue, (first or second)[:SCOPE]


def _content(text: Iterable[Token], cue: Token) -> list[Token]:
    return [token for token in text if token.clause == cue.clause and token.content]


def _affirmed(text: Sequence[Token]) -> set[str]:
    """Stems of content words that stand somewhere out of reach of any negation."""
    reached: set[int] = set()
    for place, cue in enumerate(text):
        if cue.negates:
            window = range(max(0, place - 3 * REACH), min(len(text), place + 3 * REACH))
            same = [at for at in window if text[at].sentence == cue.sentence and text[at].content]
            reached.update(sorted(same, key=lambda at: abs(at - place))[:REACH])
    return {token.stem for at, token in enumerate(text) if token.content and at not in reached}


@cache
def _groups(lang: str, which: str) -> list[list[regex.Pattern[str]]]:
    """Lines of alternatives, each a pattern over plain text."""
    source = OPPOSITES if which == "opposites" else POPULATIONS
    lines = []
    for line in source.get(lang, "").strip().split("\n"):
        poles = []
        for pole in line.split("|"):
            forms = [plain(form) for form in pole.split()]
            poles.append(regex.compile("|".join(_form(form, lang) for form in forms)))
        if len(poles) > 1:
            lines.append(poles)
    return lines


def _form(form: str, lang: str) -> str:
    if lang == "zh":
        return regex.escape(form)
    body = regex.escape(form.rstrip("*")) + (r"[\p{L}\p{M}]*" if form.endswith("*") else "")
    prefix = "[وفبلك]?(?:ال)?" if lang == "ar" and not form.startswith("ال") else "[وفبل]?" if lang == "ar" else ""
    return rf"(?<![\p{{L}}\p{{M}}]){prefix}{body}(?![\p{{L}}\p{{M}}])"


def opposites(answer: str, passage: str, lang: str, which: str = "opposites") -> Iterator[tuple[str, bool]]:
    """(word, whether the passage bears it out) of each word of a pair of which the passage has at least one."""
    answer, passage = plain(answer), plain(passage)
    for poles in _groups(lang, which):
        known = [bool(pole.search(passage)) for pole in poles]
        for place, pole in enumerate(poles):
            found = pole.search(answer)
            if found and any(known) and not _denied(answer, found.start(), lang):
                yield found[0], known[place]


def _denied(text: str, at: int, lang: str) -> bool:
    """Does a negation stand shortly before? "Was not positive" is no claim of a positive result."""
    return any(token.negates for token in tokens(text[max(0, at - NEAR) : at], lang))

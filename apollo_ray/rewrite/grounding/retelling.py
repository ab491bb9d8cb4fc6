"""Which clause of a passage a clause of an answer retells: the one that it shares most words with, rare ones counting
more. An answer that affirms what that clause denies is wrong, in whatever words the rest is told.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from apollo_ray.rewrite.grounding.words import Token, plain_set

ALIKE = 1.5  # least likeness, in words that the passage has once
DENIED = 1.0  # least likeness by words that the negation is about
HEAD = 0.5  # by those next to it
AHEAD = 0.5  # by how much the clause that denies must be the likelier than any that affirms
COVERED = 0.3  # least share of the answer's clause


def clauses(text: Sequence[Token]) -> dict[int, list[Token]]:
    found: dict[int, list[Token]] = {}
    for token in text:
        if token.clause >= 0:
            found.setdefault(token.clause, []).append(token)
    return found


def reach(clause: Sequence[Token], lang: str) -> tuple[set[str], set[str]]:
    """Stems that the negations of `clause` may be about, and those next to them.

    "Without" and "no" deny what stands behind them; "not" its subject too; in Hindi, whose verbs come last, what stands
    before.
    """
    wide: set[str] = set()
    close: set[str] = set()
    step = 2 if lang == "zh" else 1  # pairs of characters overlap
    prepositions = plain_set(lang, "without")
    for place, token in enumerate(clause):
        if not token.negates:
            continue
        behind = [other.stem for other in clause[place + 1 :] if other.content]
        ahead = [other.stem for other in reversed(clause[:place]) if other.content]
        if lang == "hi":
            behind, ahead = ahead, []
        if token.word in prepositions:
            wide.update(behind[: 4 * step])
            close.update(behind[: 2 * step])
        else:
            wide.update(behind[: 5 * step] + ahead[: 3 * step])
            close.update(behind[: 2 * step] + ahead[:step])
    return wide, close


def softly_denied(answer: Sequence[Token], passage: Sequence[Token], lang: str) -> set[int]:
    """Clauses of the answer that deny, or may by a word like "avoid" or "persist" that the passage has not.

    Such a word that a clause of the passage has without a negation is no other way to tell one.
    """
    also, always = plain_set(lang, "hints"), plain_set(lang, "always")
    denied = {token.clause for token in passage if token.negates}
    theirs = {token.stem for token in passage if token.clause not in denied}
    return {
        token.clause
        for token in answer
        if token.negates
        or ((token.may_deny or token.word in also) and (token.stem not in theirs or token.word in always))
    }


def turned(
    answer: Sequence[Token], passage: Sequence[Token], lang: str, excepted: set[int], denied: set[int]
) -> Iterator[str]:
    """Clauses of the answer, none of `denied`, whose likest clause in the passage denies what they tell."""
    count = Counter(token.stem for token in passage if token.content)
    weight = {stem: number**-0.5 for stem, number in count.items()}
    told = []
    for place, clause in clauses(passage).items():
        denies = any(token.negates for token in clause) and place not in excepted
        stems = {token.stem for token in clause if token.content}
        told.append((stems, *reach(clause, lang), denies))
    for place, clause in clauses(answer).items():
        if place in denied:
            continue
        stems = {token.stem for token in clause if token.content}
        best, affirmed, fits = 0.0, 0.0, False
        for theirs, wide, close, denies in told:
            alike = sum(weight[stem] for stem in stems & theirs)
            if not denies:
                affirmed = max(affirmed, alike)
            elif alike > best and stems & wide:
                best = alike
                fits = (
                    sum(weight[stem] for stem in stems & wide) >= DENIED
                    and sum(weight[stem] for stem in stems & close) >= HEAD
                )
        least = ALIKE * (2 if lang == "zh" else 1)  # pairs of characters overlap
        whole = sum(weight.get(stem, 1.0) for stem in stems)
        if fits and best >= max(least, affirmed + AHEAD, COVERED * whole):
            yield " ".join(token.word for token in clause)

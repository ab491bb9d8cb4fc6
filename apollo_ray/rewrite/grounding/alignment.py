"""Which quantity of a passage a quantity of an answer retells: the one whose neighbours it shares most words with.

A passage with "2 g of cefepime" and "40 mg of enoxaparin" has both figures; "40 mg of cefepime" is wrong all the same.
"""

from collections import Counter
from collections.abc import Sequence

from apollo_ray.rewrite.grounding.quantities import LOOSE, Quantity, same
from apollo_ray.rewrite.grounding.words import Token

NEIGHBOURS = 6  # content words on either side, in the sentence
MARGIN, UNIT_MARGIN = 2.5, 1.0
"""By how much another amount, or the same figure with another unit, must be the likelier. A margin of 2 refused two
more of 630 true answers."""
LEAST = 1.0  # of likeness


def neighbours(one: Quantity, text: Sequence[Token]) -> dict[str, float]:
    """Stem -> weight, 1 and less with the distance, of the content words around `one`."""
    end = one.start + len(one.text)
    sentence = next((token.sentence for token in text if token.start >= one.start), None)
    near = [t for t in text if t.sentence == sentence and t.content and not one.start <= t.start < end]
    before = [t for t in near if t.start < one.start][::-1][:NEIGHBOURS]
    behind = [t for t in near if t.start >= end][:NEIGHBOURS]
    found: dict[str, float] = {}
    for side in (before, behind):
        for place, token in enumerate(side):
            found[token.stem] = max(found.get(token.stem, 0.0), 1.0 - place / (2 * NEIGHBOURS))
    return found


def misplaced(
    one: Quantity,
    answer: Sequence[Quantity],
    words: Sequence[Token],
    known: Sequence[Quantity],
    told: Sequence[Quantity],
    read: Sequence[Token],
) -> bool:
    """Does another quantity of the passage, which the answer does not tell, stand where `one` of the answer stands?

    `answer` and `words`: quantities and words of the answer; `known` and `read`: those of the passage; `told`: `known`
    and what it comes to in other words.
    """
    own = neighbours(one, words)
    rarity = Counter(token.stem for token in read if token.content)
    best = {True: 0.0, False: 0.0, None: 0.0}
    for other in told:
        agrees: bool | None = same(other, one)
        if not agrees:
            if not other.dimension or not one.dimension or {other.dimension, one.dimension} & LOOSE:
                continue
            if other.dimension == one.dimension:
                agrees = False
            elif other.plain & one.plain:
                agrees = None
            else:
                continue
            if other not in known or any(same(other, another) for another in answer):
                continue
        theirs = neighbours(other, read)
        score = sum(min(w, theirs[s]) / rarity[s] ** 0.5 for s, w in own.items() if s in theirs)
        best[agrees] = max(best[agrees], score)
    return best[False] >= max(LEAST, best[True] + MARGIN) or best[None] >= max(LEAST, best[True] + UNIT_MARGIN)

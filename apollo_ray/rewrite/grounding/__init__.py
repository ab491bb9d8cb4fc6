"""Is every fact of an answer borne out by the passage? Quantities, drugs, negations, opposites, groups of people."""

from dataclasses import dataclass

from apollo_ray.rewrite.grounding.alignment import misplaced
from apollo_ray.rewrite.grounding.drugs import drugs
from apollo_ray.rewrite.grounding.estimates import ratios, rounded, summed
from apollo_ray.rewrite.grounding.notation import fold
from apollo_ray.rewrite.grounding.polarity import ALIKE, SURE, invented, negations, opposites
from apollo_ray.rewrite.grounding.quantities import bears_out, is_fact, quantities
from apollo_ray.rewrite.grounding.retold import loose, numbered, retold
from apollo_ray.rewrite.grounding.words import tokens


@dataclass(frozen=True)
class Support:
    """`facts` that were looked at; `unsupported`: those that the passage does not bear out, as they stand there.

    `doubtful` ones are shown and refuse nothing: denials of what the passage may affirm in words that are less alike.
    """

    facts: int
    unsupported: tuple[str, ...]
    doubtful: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """1 for an answer without a fact."""
        return 1 - len(self.unsupported) / self.facts if self.facts else 1.0


def support(answer: str, passage: str, lang: str, context: str = "") -> Support:
    """`context` (title, question) bears out facts as the passage does."""
    source = f"{passage}\n{context}"
    known = quantities(source, lang)
    told, folded = retold(known, fold(source)) + numbered(source), fold(answer)
    answered, words, read = quantities(answer, lang), tokens(folded, lang), tokens(fold(source), lang)
    shares = ratios(answered, folded, told)
    facts = [
        (
            f"quantity {one.text!r}",
            (bears_out(told, one) and not misplaced(one, answered, words, known, told, read))
            or one.start in shares
            or rounded(one, folded, told)
            or summed(one, folded, known),
        )
        for one in answered
        if is_fact(one, folded, known)
    ]
    said, given = tokens(answer, lang), tokens(passage, lang)  # a question may deny what is not so
    facts += [(f"negation {text!r}", fine) for text, fine in negations(said, given, lang)]
    if lang != "zh":  # whose words hold the characters of units: 周围, 今天
        facts += [
            (f"unit {one.text!r}", bears_out(told, one) or rounded(one, folded, told))
            for one in loose(folded, answered)
        ]
    facts += [(f"drug {text!r}", fine) for text, fine in drugs(answer, source, lang)]
    for kind in ("opposites", "populations"):
        facts += [(f"{kind} {text!r}", fine) for text, fine in opposites(answer, source, lang, kind)]
    denials = list(invented(said, given, lang))
    facts += [(f"denial {text!r}", alike < SURE) for text, alike in denials]
    doubtful = tuple(f"denial {text!r}" for text, alike in denials if ALIKE <= alike < SURE)
    return Support(len(facts), tuple(text for text, fine in facts if not fine), doubtful)

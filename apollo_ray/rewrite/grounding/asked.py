"""Does a question bring facts of its own? An answer may repeat what its question says, so that is looked at first."""

import regex

from apollo_ray.rewrite.grounding import support
from apollo_ray.rewrite.grounding.drugs import drugs
from apollo_ray.rewrite.grounding.notation import fold
from apollo_ray.rewrite.grounding.quantities import quantities

_NAME = regex.compile(r"\p{L}[\p{L}\p{M}]*\p{Pd}\d+")
"""A name with a number: COVID-19 of a passage that says coronavirus."""
_TOLD = ("quantity", "drug")  # questions may deny what is not so, and ask about months, mothers and men


def unfounded(question: str, passage: str, lang: str, context: str) -> tuple[str, ...]:
    """Amounts and drugs that `question` takes for given and neither the passage nor `context` (title, headings) has."""
    question = _NAME.sub(" ", question)
    source = f"{passage}\n{context}"
    # Most questions have no amount, and to look for one costs a fraction of reading the passage.
    if not quantities(fold(question), lang) and all(fine for _, fine in drugs(question, source, lang)):
        return ()
    found = support(question, passage, lang, context).unsupported
    return tuple(fact for fact in found if fact.startswith(_TOLD))

"""A model of natural-language inference beside the rules of grounding: it knows paraphrases, which rules do not.

Any sequence-classification model of Hugging Face with a label for entailment and one for contradiction serves; those
trained on XNLI (arXiv 1809.05053) know all six languages.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from apollo_ray.errors import UserError
from apollo_ray.rewrite.sentences import sentences

LONGEST = 512  # tokens of premise and hypothesis that such models are trained on
PAIRS_AT_ONCE = 16
PREMISE_SENTENCES, OVERLAP = 8, 2
"""Of the passage in one premise, and how many neighbouring premises share: what two sentences say together is seen."""


@dataclass(frozen=True)
class Contradicted:
    """A sentence of an answer that the passage contradicts. `score`: probability of contradiction, 0 to 1."""

    sentence: str
    score: float


def contradictions(model: str, answer: str, passage: str, lang: str) -> list[Contradicted]:
    """Sentences of `answer` with how much `passage` contradicts them: that of the stretch which speaks of it most.

    A stretch that entails the sentence outweighs one that contradicts it by as much. `model`: hub id or folder, loaded
    once a process. Raises UserError where it cannot be loaded or has other labels.
    """
    claims = [sentence.strip() for sentence in sentences(answer, lang) if sentence.strip()]
    stretches = _stretches([sentence for sentence in sentences(passage, lang) if sentence.strip()])
    if not claims or not stretches:
        return []
    pairs = [(stretch, claim) for claim in claims for stretch in stretches]
    scored = iter(_scores(model, pairs))
    found = []
    for claim in claims:
        entailed, contradicted = zip(*itertools.islice(scored, len(stretches)), strict=True)
        found.append(Contradicted(claim, max(0.0, max(contradicted) - max(entailed))))
    return found


def _stretches(parts: Sequence[str]) -> list[str]:
    step = PREMISE_SENTENCES - OVERLAP
    starts = range(0, max(1, len(parts) - OVERLAP), step)
    return ["".join(parts[start : start + PREMISE_SENTENCES]).strip() for start in starts] if parts else []


@cache
def _load(name: str) -> tuple[Any, Any, int, int]:
    """(tokenizer, model, output of entailment, output of contradiction)."""
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(name).eval()
    except (OSError, ValueError) as error:
        raise UserError(f"verify.entailment.model: {name!r} cannot be loaded: {error}") from error
    labels = {label.lower(): index for index, label in model.config.id2label.items()}
    try:
        return tokenizer, model, labels["entailment"], labels["contradiction"]
    except KeyError:
        raise UserError(
            f"verify.entailment.model: {name!r} has the labels {', '.join(sorted(labels))}; "
            "entailment and contradiction are needed"
        ) from None


def _scores(name: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
    """(probability of entailment, of contradiction) of each pair of premise and hypothesis."""
    import torch

    tokenizer, model, entailed, contradicted = _load(name)
    longest = min(LONGEST, tokenizer.model_max_length)
    found: list[tuple[float, float]] = []
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        premises, claims = zip(*pairs[start : start + PAIRS_AT_ONCE], strict=True)
        # The premise alone is cut where both are too long: a claim without its end may say the opposite.
        inputs = tokenizer(
            list(premises), list(claims), truncation="only_first", max_length=longest, padding=True, return_tensors="pt"
        )
        with torch.no_grad():
            chances = model(**inputs).logits.float().softmax(-1)
        found += list(zip(chances[:, entailed].tolist(), chances[:, contradicted].tolist(), strict=True))
    return found

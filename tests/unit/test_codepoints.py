import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.codepoints import CLASSES, DIGIT, LETTER, NEWLINE, PUNCTUATION, SPACE, SYMBOL, Batch, class_of, codes

TEXTS = st.lists(
    st.text(alphabet=st.one_of(st.characters(), st.sampled_from(list("ab \n糖尿病 か"))), max_size=40), max_size=6
)


def plain_tokens(text: str) -> list[str]:
    """Reference, character by character."""
    found: list[str] = []
    open_token = False
    for character in text.replace("\0", " "):
        kind = class_of(character)
        if kind in (SPACE, NEWLINE):
            open_token = False
            continue
        dense = any(
            low <= ord(character) <= high
            for low, high in (
                (0x3040, 0x30FF),
                (0x3400, 0x4DBF),
                (0x4E00, 0x9FFF),
                (0xF900, 0xFAFF),
                (0x20000, 0x2FA1F),
            )
        )
        if dense or not open_token:
            found.append(character)
        else:
            found[-1] += character
        open_token = not dense
    return found


def spelled(batch: Batch, spans) -> list[list[str]]:
    texts: list[list[str]] = [[] for _ in range(len(batch))]
    for start, end, text in zip(spans.starts, spans.ends, spans.text_of, strict=True):
        texts[text].append("".join(map(chr, batch.codes[start:end])))
    return texts


@given(TEXTS)
def test_tokens_and_lines_equal_a_plain_reference(texts: list[str]) -> None:
    batch = Batch.of(texts)
    assert spelled(batch, batch.tokens) == [plain_tokens(text) for text in texts]
    assert spelled(batch, batch.lines) == [text.replace("\0", " ").split("\n") for text in texts]


@given(TEXTS)
def test_ngrams_stay_inside_their_text(texts: list[str]) -> None:
    batch = Batch.of(texts)
    pairs = batch.tokens.ngrams(2)
    tokens = [plain_tokens(text) for text in texts]
    assert pairs.per_text.tolist() == [max(0, len(words) - 1) for words in tokens]


@given(TEXTS)
def test_hashes_are_equal_exactly_for_equal_strings(texts: list[str]) -> None:
    batch = Batch.of(texts)
    hashes = batch.hashes(batch.starts, batch.ends)
    cleaned = [text.replace("\0", " ") for text in texts]
    for one, first in enumerate(cleaned):
        for two, second in enumerate(cleaned):
            assert (hashes[one] == hashes[two]) == (first == second)


def test_classes_of_code_points() -> None:
    text = "aã糖ि٣, +\n"
    assert CLASSES[codes(text)].tolist() == [
        LETTER,
        LETTER,
        LETTER,
        LETTER,
        DIGIT,
        PUNCTUATION,
        SPACE,
        SYMBOL,
        NEWLINE,
    ]


def test_counts_by_text() -> None:
    batch = Batch.of(["a1b", "", "22"])
    assert batch.count(batch.classes == DIGIT).tolist() == [1, 0, 2]
    assert np.array_equal(batch.ends - batch.starts, [3, 0, 2])

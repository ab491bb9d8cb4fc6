import math
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.corpus.measures import MEASURES, measure
from apollo_ray.corpus.thresholds import FUNCTION_WORDS

TEXTS = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet=st.sampled_from(list("ab the.\n?!的 糖。है।αя٣\t\0-…")), max_size=120),
        st.lists(
            st.sampled_from(["a b c d e", "the", "糖尿病", "\n", ".", "https://a.org/b", "Ã©", "x" * 45]), max_size=40
        ).map(" ".join),
    ),
    max_size=5,
)


def is_dense(character: str) -> bool:
    ranges = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))
    return any(low <= ord(character) <= high for low, high in ranges)


def is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def is_space(character: str) -> bool:
    return unicodedata.category(character)[0] == "Z" or character in "\t\n\v\f\r"


def is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] not in "ZC" or category in ("Co", "Cn", "Cs") or 0x80 <= ord(character) < 0xA0


def lower(character: str) -> str:
    return character.lower() if len(character.lower()) == 1 else character


def pieces(text: str, inside) -> list[str]:
    """Runs of characters that are `inside`; a dense one is a run by itself."""
    found: list[str] = []
    open_piece = False
    for character in text:
        if not inside(character):
            open_piece = False
        elif is_dense(character) or not open_piece:
            found.append(character)
            open_piece = not is_dense(character)
        else:
            found[-1] += character
    return found


def reference(text: str) -> dict[str, float]:
    """The measures in plain Python, one text at a time."""
    text = text.replace("\0", " ")
    visible = [character for character in text if is_visible(character)]
    tokens = pieces(text, lambda character: not is_space(character))
    words = [
        word.lower() if len(word.lower()) == len(word) else "".join(map(lower, word))
        for word in pieces(text, is_letter)
    ]
    low = "".join(map(lower, text))
    low_tokens = pieces(low, lambda character: not is_space(character))
    spans = token_spans(low)
    counts = Counter(map(lower, visible))
    lines = [
        tuple(line)
        for line in (pieces(line, lambda character: not is_space(character)) for line in text.split("\n"))
        if line
    ]
    stripped = [line for line in (strip(line) for line in low.split("\n")) if line]
    seen: set[str] = set()
    again = 0
    for line in stripped:
        again += len(line) * (line in seen)
        seen.add(line)
    fives = [low[spans[at][0] : spans[at + 4][1]] for at in range(len(spans) - 4)]
    pairs = Counter(low[spans[at][0] : spans[at + 1][1]] for at in range(len(spans) - 1))
    windows = [low_tokens[at : at + 100] for at in range(0, min(500, len(low_tokens)), 100)]
    windows = [window for at, window in enumerate(windows) if len(window) == 100 or at == 0]
    long = [token for token in tokens if len(token) > 40]
    cased = [character for character in text if unicodedata.category(character) in ("Lu", "Ll", "Lt")]
    lettered = [token for token in tokens if any(map(is_letter, token))]

    def share(part: float, whole: float) -> float:
        return part / whole if whole else 0.0

    def of_visible(start: str, *also: str) -> float:
        return share(sum(unicodedata.category(one)[0] in (start, *also) for one in text), len(visible))

    return {
        "characters": len(text),
        "tokens": len(tokens),
        "lines": len(lines),
        "letters_share": of_visible("L", "M"),
        "digits_share": of_visible("N"),
        "punctuation_share": of_visible("P"),
        "symbols_share": of_visible("S"),
        "upper_share": share(sum(unicodedata.category(one) == "Lu" for one in cased), len(cased)),
        "entropy": -sum(n / len(visible) * math.log2(n / len(visible)) for n in counts.values()) if visible else 0.0,
        "letters_per_token": share(sum(map(is_letter, text)), len(lettered)),
        "token_length": share(sum(map(len, tokens)), len(tokens)),
        "longest_token": max(map(len, tokens), default=0),
        "letter_tokens_share": share(len(lettered), len(tokens)),
        "long_tokens_share": share(sum(map(len, long)), len(visible)),
        "single_letters_share": share(sum(len(word) == 1 and not is_dense(word) for word in words), len(words)),
        "function_words_share": share(
            max(sum(word in listed.split() for word in words) for listed in FUNCTION_WORDS.values()), len(words)
        ),
        "short_lines_share": share(sum(len(line) < 10 for line in lines), len(lines)),
        "repeated_lines_share": share(again, sum(map(len, stripped))),
        "repeated_5grams_share": share(len(fives) - len(set(fives)), len(fives)),
        "top_2gram_share": share(max(pairs.values(), default=1) - 1, sum(pairs.values())),
        "distinct_tokens_share": share(sum(len(set(window)) / len(window) for window in windows), len(windows)),
    }


def strip(line: str) -> str:
    while line and is_space(line[0]):
        line = line[1:]
    while line and is_space(line[-1]):
        line = line[:-1]
    return line


def token_spans(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for at, character in enumerate(text):
        if is_space(character):
            continue
        if spans and spans[-1][1] == at and not is_dense(character) and not is_dense(text[at - 1]):
            spans[-1] = (spans[-1][0], at + 1)
        else:
            spans.append((at, at + 1))
    return spans


@given(TEXTS)
def test_measures_equal_a_plain_reference(texts: list[str]) -> None:
    found = measure(texts)
    for at, text in enumerate(texts):
        for name, value in reference(text).items():
            assert found[name][at] == pytest.approx(value, abs=1e-9), (name, text)


@given(TEXTS)
def test_a_batch_equals_its_texts_one_by_one(texts: list[str]) -> None:
    together = measure(texts)
    assert tuple(together) == MEASURES
    for at, text in enumerate(texts):
        alone = measure([text])
        assert all(together[name][at] == alone[name][0] for name in MEASURES)


@given(TEXTS)
def test_measures_are_finite_and_shares_are_shares(texts: list[str]) -> None:
    for name, values in measure(texts).items():
        assert values.dtype == np.float64
        assert np.all(np.isfinite(values))
        assert np.all(values >= 0)
        if name.endswith("_share"):
            assert np.all(values <= 1), name


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("broken_share", "ab\ufffdd", 0.25),
        ("broken_share", "caf\ue000", 0.25),
        ("broken_share", "presi?n alta?", 1 / 12),
        ("broken_share", "cafÃ©", 2 / 5),
        ("broken_share", "Is it 5?", 0.0),
        ("script_breaks_share", "pаtient", 2 / 7),  # a Cyrillic а
        ("script_breaks_share", "TNFα in CT检查 and βA", 0.0),
        ("script_breaks_share", "tαblet", 1 / 6),
        ("script_breaks_share", "α受体和β受体", 0.0),
        ("script_breaks_share", "检查밹발", 1 / 4),
        ("latin_share", "abcдж", 0.6),
        ("main_script_share", "abcдж", 0.6),
        ("url_share", "see https://a.org now", 13 / 19),
        ("url_share", "www.a.org", 1.0),
        ("code_marks_share", "a={}", 0.75),
        ("terminal_lines_share", "One.\nTwo\n他说。\n(Yes.)", 0.75),
        ("ellipsis_lines_share", "More...\nand…\nor.", 2 / 3),
        ("bullet_lines_share", "• one\n- two\nthree", 2 / 3),
        ("loose_lines_share", "Home\nabcd.", 4 / 9),
        ("sentence_ends_per_token", "It is 3.5 mm. Really?! Yes", 2 / 6),
        ("sentence_ends_per_token", "好。坏。", 0.5),
        ("function_words_per_phrase", "the pain of the hand, and", 2.0),
    ],
)
def test_a_measure_counts_what_its_name_says(name: str, text: str, value: float) -> None:
    assert measure([text])[name][0] == pytest.approx(value)

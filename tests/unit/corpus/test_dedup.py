import unicodedata

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.corpus import dedup

TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=[]),
        st.sampled_from(list("aB é\n\0-[]1_糖尿かゔकि़\u064eـ\u200d\u00ad\u0301\u0323ß İﬁ½")),
    ),
    max_size=60,
)
GROUPS = st.lists(st.integers(0, 9), max_size=60)


def plain_fold(text: str) -> str:
    """Reference, without numpy."""
    text = regex.sub(r"\[[A-Z][A-Z_]*_[0-9]+\]", " ", text).replace("\0", " ")
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = regex.sub(r"[\p{Cf}\N{ARABIC TATWEEL}\uFE00-\uFE0F\U000E0100-\U000E01EF]", "", text)
    text = regex.sub(r"[^\p{L}\p{M}\p{N}]+", " ", unicodedata.normalize("NFKC", text))
    dense = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
    return regex.sub(f" (?=[{dense}])|(?<=[{dense}]) ", "", text).strip()


def known_to_both(text: str) -> bool:
    """Whether this Python and `regex` know the same characters: their Unicode versions differ."""
    return all(
        bool(regex.match(r"[\p{L}\p{M}\p{N}\p{Cf}]", c))
        == (unicodedata.category(c)[0] in "LMN" or unicodedata.category(c) == "Cf")
        for c in text
    )


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        (" -- \n", ""),
        ("The HbA1c was 7.5 %!", "the hba1c was 7 5"),
        ("Ｆｅｖｅｒ　３８℃", "fever 38 c"),
        ("Straße, ÉCOLE", "strasse école"),
        ("患者 有 CT 检查，发热。", "患者有ct检查发热"),
        ("मरीज़ को बुख़ार है।", "मरीज़ को बुख़ार है"),
        ("المـــريض، يعاني", "المريض يعاني"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("Dr. [NAME_1] saw [PATIENT_ID_12] on [DATE_2].", "dr saw on"),
        ("[NAME] and [1] stay", "name and 1 stay"),
        ("a\0b", "a b"),
        ("lone \ud800 surrogate", "lone surrogate"),
    ],
)
def test_what_is_compared(text: str, folded: str) -> None:
    assert dedup.fold(text) == folded


@given(TEXT)
def test_fold_equals_the_plain_reference_and_is_idempotent(text: str) -> None:
    folded = dedup.fold(text)
    if known_to_both(text):
        assert folded == plain_fold(text)
    assert dedup.fold(folded) == folded


@given(st.lists(TEXT, max_size=8))
def test_a_batch_folds_as_its_texts_do_one_by_one(texts: list[str]) -> None:
    batch = dedup.fold_batch(texts)
    spelled = [
        batch.codes[start:end].tobytes().decode("utf-32-le", "surrogatepass")
        for start, end in zip(batch.starts, batch.ends, strict=True)
    ]
    assert spelled == [dedup.fold(text) for text in texts]


def test_a_megabyte_of_combining_marks_takes_no_longer_than_other_text() -> None:
    for text in ("a" + "\u0301\u0323" * 500_000, "a" + "\u0301\u200d\u0323" * 300_000):
        assert dedup.fold(text).startswith("\N{LATIN SMALL LETTER A WITH DOT BELOW}")


def test_keys_are_equal_for_equal_folded_texts_and_only_then() -> None:
    texts = ["Fever, 3 days", "fever 3 DAYS.", "fever 4 days", "***", "---", "***", ""]
    keys = [bytes(key) for key in dedup.exact_keys(texts)]
    assert {len(key) for key in keys} == {dedup.KEY_BYTES}
    assert [keys.index(key) for key in keys] == [0, 0, 2, 3, 4, 3, 6]
    assert len(dedup.exact_keys([])) == 0


def test_two_copies_of_a_case_under_other_names_are_equal() -> None:
    one, other = dedup.exact_keys(["[NAME_1] tiene fiebre desde [DATE_1].", "[NAME_7] tiene fiebre desde [DATE_3]."])
    assert one == other


def test_priority_is_length_then_kind_then_id() -> None:
    place = dedup.priority(np.array([5, 9, 5, 5]), np.array([1, 3, 0, 1]), np.array(["b", "z", "c", "a"]))
    assert place.tolist() == [3, 0, 1, 2]


@given(GROUPS, st.randoms(use_true_random=False))
def test_of_equal_keys_the_smallest_number_survives(groups: list[int], chance) -> None:
    keys = dedup.exact_keys([str(group) for group in groups])
    docs = np.array(chance.sample(range(1000), len(groups)), np.int64)
    survivor = dedup.exact_survivors(keys, docs)
    for row, group in enumerate(groups):
        best = min((other for other in range(len(groups)) if groups[other] == group), key=lambda other: docs[other])
        assert survivor[row] == (-1 if best == row else best)


def plain_pairs(keys: list[int], docs: list[int]) -> set[tuple[int, int]]:
    found = set()
    for key in set(keys):
        bucket = sorted(doc for doc, its in zip(docs, keys, strict=True) if its == key)
        for place, doc in enumerate(bucket):
            found |= {(bucket[0], doc)} | {(doc, later) for later in bucket[place + 1 : place + 1 + dedup.NEIGHBOURS]}
    return {(a, b) for a, b in found if a != b}


def pairs(keys: list[int], docs: list[int]) -> set[tuple[int, int]]:
    a, b = dedup.candidate_pairs(np.array(keys, np.uint64), np.array(docs, np.int64))
    made = list(zip(a.tolist(), b.tolist(), strict=True))
    assert made == sorted(set(made))
    return set(made)


@given(GROUPS, st.randoms(use_true_random=False))
def test_candidate_pairs_equal_the_plain_ones_in_any_order(keys: list[int], chance) -> None:
    docs = chance.sample(range(1000), len(keys))
    assert pairs(keys, docs) == plain_pairs(keys, docs)
    shuffled = chance.sample(list(zip(keys, docs, strict=True)), len(keys))
    assert pairs([key for key, _ in shuffled], [doc for _, doc in shuffled]) == pairs(keys, docs)


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1).map(lambda x: x % 20), st.integers(0, 50)), max_size=80, unique=True)
)
def test_partitions_by_key_make_the_same_pairs_together(rows: list[tuple[int, int]]) -> None:
    parts = [[row for row in rows if row[0] % 3 == part] for part in range(3)]
    made = [
        dedup.candidate_pairs(np.array([k for k, _ in part], np.uint64), np.array([d for _, d in part], np.int64))
        for part in parts
    ]
    a, b = dedup.unite(made)
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == pairs([k for k, _ in rows], [d for _, d in rows])


def test_a_bucket_of_thousands_stays_linear_and_whole() -> None:
    a, b = dedup.candidate_pairs(np.full(5_000, 7, np.uint64), np.arange(5_000))
    assert len(a) <= 5_000 * (dedup.NEIGHBOURS + 1)
    assert not dedup.components(5_000, a, b).any()


GRAPH = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).map(sorted).map(tuple), max_size=50, unique=True)
        .map(lambda edges: [(a, b) for a, b in edges if a < b]),
    )
)  # fmt: skip


def columns(edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(edges, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


@given(GRAPH)
def test_components_equal_a_plain_search(graph: tuple[int, list[tuple[int, int]]]) -> None:
    n, edges = graph
    label = list(range(n))
    for _ in range(n):
        for a, b in edges:
            label[a] = label[b] = min(label[a], label[b])
    assert dedup.components(n, *columns(edges)).tolist() == label


def test_components_of_a_long_chain() -> None:
    order = np.random.default_rng(0).permutation(20_000)
    assert not dedup.components(20_000, order[:-1], order[1:]).any()


@given(GRAPH, st.randoms(use_true_random=False))
def test_survivors_rule_and_conservation(graph: tuple[int, list[tuple[int, int]]], chance) -> None:
    n, edges = graph
    edges = chance.sample(edges, len(edges))
    weight = np.array([(a * 31 + b) / 1000 for a, b in edges], np.float32)
    survivor, alike = dedup.survivors(n, *columns(edges), weight)
    expected = [-1] * n
    for row in range(n):
        better = [a for a, b in edges if b == row and expected[a] < 0]
        expected[row] = min(better, default=-1)
    assert survivor.tolist() == expected
    for row in range(n):
        if survivor[row] < 0:
            assert np.isnan(alike[row])
        else:
            assert survivor[survivor[row]] == -1, "what a row is dropped for survives"
            assert (survivor[row], row) in edges, "and is alike itself, not through a chain"
            assert alike[row] == weight[edges.index((survivor[row], row))]


def test_the_far_end_of_a_chain_stays() -> None:
    survivor, _ = dedup.survivors(4, np.array([0, 1, 2]), np.array([1, 2, 3]), np.ones(3, np.float32))
    assert survivor.tolist() == [-1, 0, -1, 2]


def test_nothing_in_gives_nothing() -> None:
    nothing = np.zeros(0, np.int64)
    assert [len(part) for part in dedup.candidate_pairs(nothing.view(np.uint64), nothing)] == [0, 0]
    assert [len(part) for part in dedup.unite([])] == [0, 0]
    assert len(dedup.components(0, nothing, nothing)) == 0
    assert [len(part) for part in dedup.survivors(0, nothing, nothing, np.zeros(0, np.float32))] == [0, 0]
    assert len(dedup.exact_survivors(dedup.exact_keys([]), nothing)) == 0
    assert len(dedup.fold_batch([])) == 0

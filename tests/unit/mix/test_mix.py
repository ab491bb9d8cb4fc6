import math
import random
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.config import parse
from apollo_ray.errors import UserError
from apollo_ray.mix.examples import conversation_examples, document_examples
from apollo_ray.mix.pack import pack
from apollo_ray.mix.priority import sample_class, sort_key
from apollo_ray.mix.settings import StageSettings
from apollo_ray.mix.template import encode_conversation, encode_text
from apollo_ray.records import CONVERSATION, DOCUMENT, IGNORED

END = 0


def encode(text: str) -> list[int]:
    return [ord(character) for character in text]


def settings(**changes: object) -> StageSettings:
    return parse(StageSettings, {"tokenizer": "t", "conversations": ["c"]} | changes, where="test")


def test_keys_draw_like_the_papers_sampler() -> None:
    """First pick of {16, 2, 2}: chi-square against P = pi / sum(pi) over 4,000 seeds."""
    weights = {"a": 16.0, "b": 2.0, "c": 2.0}
    picks = Counter(min(weights, key=lambda name: sort_key(seed, name, 0, weights[name])) for seed in range(4_000))
    expected = {name: 4_000 * weight / 20 for name, weight in weights.items()}
    chi_square = sum((picks[name] - expected[name]) ** 2 / expected[name] for name in weights)
    assert chi_square < 13.8  # 0.1 % of correct samplers exceed this with two degrees of freedom


def test_second_draw_is_over_what_remains() -> None:
    """P(order a, b) = 16/20 * 2/4; a brute-force sampler with random.choices agrees within sampling error."""
    weights = {"a": 16.0, "b": 2.0, "c": 2.0}
    rng = random.Random(1)
    brute: Counter[str] = Counter()
    keyed: Counter[str] = Counter()
    for seed in range(4_000):
        left = dict(weights)
        order = []
        while left:
            order.append(rng.choices(list(left), list(left.values()))[0])
            del left[order[-1]]
        brute["".join(order)] += 1
        keyed["".join(sorted(weights, key=lambda name: sort_key(seed, name, 0, weights[name])))] += 1
    for order in brute | keyed:
        assert abs(brute[order] - keyed[order]) < 5 * math.sqrt(brute[order] + keyed[order])


def test_keys_depend_on_seed_identity_and_copy_alone() -> None:
    assert sort_key(1, "x", 0, 2.0) == sort_key(1, "x", 0, 2.0)
    assert len({sort_key(s, i, c, 2.0) for s in (1, 2) for i in ("x", "y") for c in (0, 1)}) == 8
    assert sort_key(1, "x", 0, 16.0) == pytest.approx(sort_key(1, "x", 0, 2.0) / 8)


def test_classes_follow_the_paper() -> None:
    assert {
        kind: sample_class(kind, None, False) for kind in ("book", "math", "code", "exam", "patient", "general")
    } == {
        "book": "pretraining",
        "math": "pretraining",
        "code": "pretraining",
        "exam": "instruction",
        "patient": "instruction",
        "general": "instruction",
    }
    assert sample_class("leaflet", None, True) == "pretraining"
    assert sample_class(None, None, False) == "instruction"
    assert sample_class("book", "instruction", True) == "instruction", "a stated phase wins"


def test_loss_is_on_answers_and_the_end_of_every_turn() -> None:
    ids, labels = encode_conversation(["q1", "a1", "q2", "a2"], encode, END)
    text = "".join(chr(i) if i else "<end>" for i in ids)
    assert text == "User:q1\nAssistant:a1<end>\nUser:q2\nAssistant:a2<end>"
    supervised = "".join(chr(i) if i else "<end>" for i, label in zip(ids, labels, strict=True) if label != IGNORED)
    assert supervised == "a1<end>a2<end>"
    assert all(label in (IGNORED, i) for i, label in zip(ids, labels, strict=True))


@given(st.text(max_size=50), st.integers(2, 9))
def test_plain_text_is_cut_without_loss(text: str, length: int) -> None:
    pieces = encode_text(text, encode, END, length)
    assert [i for ids, _ in pieces for i in ids] == [*encode(text), END]
    assert all(len(ids) <= length and labels == ids for ids, labels in pieces)


EXAMPLES = st.lists(
    st.integers(1, 12).flatmap(lambda n: st.lists(st.integers(1, 99), min_size=n, max_size=n)), max_size=40
)


@given(EXAMPLES, st.integers(1, 6))
def test_packing_keeps_every_document_whole(examples: list[list[int]], window: int) -> None:
    packed = list(pack(((ids, list(ids)) for ids in examples), 12, window))
    documents = []
    for sequence in packed:
        assert len(sequence.input_ids) == len(sequence.labels) == len(sequence.position_ids) <= 12
        starts = [at for at, position in enumerate(sequence.position_ids) if position == 0]
        for start, end in zip(starts, [*starts[1:], len(sequence.input_ids)], strict=True):
            assert sequence.position_ids[start:end] == list(range(end - start))
            assert sequence.labels[start:end] == [IGNORED, *sequence.input_ids[start + 1 : end]]
            documents.append(tuple(sequence.input_ids[start:end]))
    assert Counter(documents) == Counter(map(tuple, examples))


def test_packing_bends_the_order_by_at_most_the_window() -> None:
    rng = random.Random(0)
    examples = [[index] * rng.randint(1, 12) for index in range(1, 500)]
    window = 8
    packed = list(pack(((ids, ids) for ids in examples), 12, window))
    # A sequence closes once `window` more are open: nothing waits behind more sequences than that.
    first = [min(sequence.input_ids) for sequence in packed]
    assert first == sorted(first)
    for place, sequence in enumerate(packed):
        late = packed[place + window + 1 :]
        assert all(max(sequence.input_ids) < max(other.input_ids) for other in late)


def test_examples_are_copied_by_class_and_refused_with_reason() -> None:
    base = dict.fromkeys(CONVERSATION.names) | {"lang": "en"}
    table = pa.Table.from_pylist(
        [
            base | {"id": "1", "kind": "book", "turns": ["q", "a"]},
            base | {"id": "2", "kind": "exam", "turns": ["q", "a"]},
            base | {"id": "3", "kind": "exam", "turns": ["q", "long " * 50]},
        ],
        CONVERSATION,
    )
    made = conversation_examples(table, settings(sequence_length=64), encode, END).to_pylist()
    assert [(row["id"], row["copy"], row["reason"]) for row in made] == [
        ("1", 0, None),
        ("2", 0, None),
        ("2", 1, None),
        ("3", 0, "too_long"),
        ("3", 1, "too_long"),
    ]


def test_documents_become_pieces_of_a_sequence() -> None:
    base = dict.fromkeys(DOCUMENT.names) | {"lang": "en"}
    table = pa.Table.from_pylist([base | {"id": "1", "text": "x" * 40}], DOCUMENT)
    made = document_examples(table, settings(documents=["d"], sequence_length=20), encode, END).to_pylist()
    assert [(len(row["input_ids"]), row["reason"]) for row in made] == [
        (20, None),
        (20, None),
        (1, "no_supervised_token"),
    ]


def test_settings_refuse_what_cannot_be() -> None:
    for wrong in (
        {"priorities": {"pretraining": 16}},
        {"sequence_length": 4},
        {"epochs": {"pretraining": 0, "instruction": 1}},
    ):
        with pytest.raises(UserError):
            settings(**wrong)
    with pytest.raises(UserError, match="at least one step"):
        parse(StageSettings, {"tokenizer": "t"}, where="test")

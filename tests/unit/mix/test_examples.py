"""Rows of the inputs to packs, numbers and parts: no token is lost between them."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.mix import order, pack, shards, stream
from apollo_ray.mix.examples import EXAMPLE, conversation_examples, describe, document_examples, refused_rows
from apollo_ray.mix.template import Apollo, TemplateError
from apollo_ray.records import CONVERSATION, DOCUMENT, DROPPED, IGNORED, PACKED_SEQUENCE

END = 0


def conversations(*rows: dict) -> pa.Table:
    base = dict.fromkeys(CONVERSATION.names) | {"lang": "en", "source": "s", "kind": "exam"}
    return pa.Table.from_pylist([base | {"id": f"{n:016x}"} | row for n, row in enumerate(rows)], CONVERSATION)


def documents(*rows: dict) -> pa.Table:
    base = dict.fromkeys(DOCUMENT.names) | {"lang": "en", "source": "s"}
    return pa.Table.from_pylist([base | {"id": f"{n:016x}"} | row for n, row in enumerate(rows)], DOCUMENT)


def text(ids: list[int]) -> str:
    return "".join("<end>" if i == END else chr(i) for i in ids)


def made(table: pa.Table, settings, encode, template=Apollo(END)) -> list[dict]:  # noqa: B008 - frozen
    make = conversation_examples if table.schema.names == CONVERSATION.names else document_examples
    return make(table, settings, template, encode, END).to_pylist()


def test_a_long_conversation_is_split_at_turns(settings, encode) -> None:
    turns = ["q1", "a" * 20, "q2", "b" * 20, "q3", "c" * 20]
    rows = made(conversations({"turns": turns}), settings(sequence_length=90), encode)
    assert [(row["piece"], text(row["input_ids"])) for row in rows] == [
        (0, f"User:q1\nAssistant:{'a' * 20}<end>\nUser:q2\nAssistant:{'b' * 20}<end>"),
        (1, f"User:q3\nAssistant:{'c' * 20}<end>"),
    ]
    supervised = [text([i for i, on in zip(row["input_ids"], row["supervised"], strict=True) if on]) for row in rows]
    assert supervised == [f"{'a' * 20}<end>{'b' * 20}<end>", f"{'c' * 20}<end>"]


def test_one_exchange_that_is_too_long_is_dropped_and_the_rest_is_kept(settings, encode) -> None:
    turns = ["q1", "a", "q2", "b" * 99, "q3", "c"]
    rows = made(conversations({"turns": turns}), settings(sequence_length=60), encode)
    assert [(row["piece"], row["reason"]) for row in rows] == [(0, None), (1, "too_long"), (2, None)]
    assert rows[1]["detail"] == "118 tokens in one exchange, at most 60"
    assert rows[1]["text"] == "q2\n" + "b" * 99


def test_long_conversations_are_dropped_whole_where_that_is_asked(settings, encode) -> None:
    turns = ["q1", "a" * 40, "q2", "b" * 40]
    rows = made(conversations({"turns": turns}), settings(sequence_length=90, long="drop"), encode)
    assert [(row["reason"], row["input_ids"]) for row in rows] == [("too_long", None)]


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=60)), min_size=1, max_size=6), st.integers(25, 120))
def test_splitting_keeps_every_exchange_once(settings, encode, exchanges, length: int) -> None:
    turns = [turn.replace("\0", "") for exchange in exchanges for turn in exchange]
    rows = made(conversations({"turns": turns}), settings(sequence_length=length), encode)
    assert [row["piece"] for row in rows] == list(range(len(rows)))
    kept = "\n".join(text(row["input_ids"]) for row in rows if row["reason"] is None)
    whole = [
        f"User:{turns[at]}\nAssistant:{turns[at + 1]}<end>"
        for at in range(0, len(turns), 2)
        if len(f"User:{turns[at]}\nAssistant:{turns[at + 1]}") + 1 <= length
    ]
    assert kept == "\n".join(whole)
    assert all(len(row["input_ids"]) <= length for row in rows if row["reason"] is None)


def test_documents_become_pieces_of_a_sequence(settings, encode) -> None:
    table = documents({"text": "x" * 40}, {"text": "y" * 16, "phase": "instruction"}, {"text": ""})
    rows = made(table, settings(documents=["d"], sequence_length=20), encode)
    assert [(row["id"][-1], row["piece"], row["sample_class"]) for row in rows] == [
        ("0", 0, "pretraining"), ("0", 1, "pretraining"), ("0", 2, "pretraining"),
        ("1", 0, "instruction"), ("2", 0, "pretraining"),
    ]  # fmt: skip
    assert [len(row["input_ids"] or []) for row in rows] == [20, 19, 2, 17, 0]
    assert [row["reason"] for row in rows] == [None] * 4 + ["no_supervised_token"]
    assert all(all(row["supervised"]) and row["input_ids"][-1] in (END, ord("x")) for row in rows[:4])


def test_a_conversation_without_an_answer_to_learn_is_refused(settings, encode) -> None:
    class Silent(Apollo):
        def close(self, answer: list[int]) -> tuple[list[int], int]:
            return answer, 0

    class Unable(Apollo):
        def pieces(self, turns):
            raise TemplateError("it refuses these turns")

    for template, reason in ((Silent(END), "no_supervised_token"), (Unable(END), "template")):
        (row,) = made(conversations({"turns": ["q", "a"]}), settings(), encode, template)
        assert (row["reason"], row["rule"], row["text"]) == (reason, "examples", "q\na")
    assert [row["reason"] for row in made(conversations({"turns": []}), settings(), encode)] == ["no_supervised_token"]


def test_refused_rows_are_counted_once_a_copy(settings, encode) -> None:
    table = conversations(
        {"turns": ["q", "long" * 50], "uri": "file", "position": 7},
        {"turns": ["q", "long" * 50], "kind": "book"},
        {"turns": ["q", "long" * 50], "source": "t"},
        {"turns": ["q", "a"]},
    )
    chosen = settings(sequence_length=64, sources={"t": {"epochs": 3}})
    made_table = conversation_examples(table, chosen, Apollo(END), encode, END)
    refused = refused_rows(made_table, chosen)
    assert refused.schema == DROPPED
    assert Counter(refused["id"].to_pylist()) == {f"{0:016x}": 2, f"{1:016x}": 1, f"{2:016x}": 3}
    first = refused.to_pylist()[0]
    assert (first["uri"], first["position"], first["reason"]) == ("file", 7, "too_long")
    assert json.loads(first["row"])["text"].startswith("q\nlonglong")
    keys = describe(made_table, "w", refused, "")
    assert json.loads(keys["refused"][0].as_py()) == {"too_long": 6}
    columns = stream.gather([keys], chosen)
    assert (len(columns), columns.row.tolist(), columns.copy.tolist()) == (2, [3, 3], [0, 1])


def test_an_id_that_is_no_id_is_named(settings, encode) -> None:
    table = conversation_examples(conversations({"id": "x", "turns": ["q", "a"]}), settings(), Apollo(END), encode, END)
    with pytest.raises(ValueError, match="'x' is not 16 hex digits"):
        describe(table, "w", refused_rows(table, settings()), "")


def test_numbers_of_names_do_not_depend_on_who_comes_first(settings, encode) -> None:
    packs = []
    for source, lang in (("z", "es"), ("a", "en"), ("m", None)):
        table = conversations({"turns": ["q", "a"], "source": source, "lang": lang})
        example = conversation_examples(table, settings(), Apollo(END), encode, END)
        packs.append(describe(example, source, refused_rows(example, settings()), ""))
    for order_of_packs in ([0, 1, 2], [2, 0, 1]):
        columns = stream.gather([pa.concat_tables([packs[i] for i in order_of_packs])], settings())
        assert (columns.langs, columns.sources) == (("en", "es", "unknown"), ("a", "m", "z"))
        by = {columns.works[p]: columns.sources[s] for p, s in zip(columns.pack, columns.source, strict=True)}
        assert by == {"z": "z", "a": "a", "m": "m"}
        tokens = len("User:q\nAssistant:a") + 1
        assert stream.totals(columns)["by_language"] == dict.fromkeys(columns.langs, 2 * tokens)
        assert stream.totals(columns)["by_class"] == {"instruction": 6}
    assert len(stream.gather([], settings())) == 0


ROWS = st.lists(st.tuples(st.sampled_from(["exam", "book"]), st.text(min_size=1, max_size=30)), min_size=1, max_size=25)


def sequences(table: pa.Table, chosen, encode, cut: int, per_part: int) -> list[pa.Table]:
    """What the stage makes of rows in packs of `cut` rows, on numbers and tables alone."""
    packs = [
        conversation_examples(table.slice(at, cut), chosen, Apollo(END), encode, END)
        for at in range(0, table.num_rows, cut)
    ]
    keys = [describe(made, str(n), refused_rows(made, chosen), "") for n, made in enumerate(packs)]
    columns = stream.gather(keys, chosen)
    if not len(columns):
        return []
    places = order.order(columns, chosen)
    sequence, place = np.empty(len(places), np.int32), np.empty(len(places), np.int64)
    sequence[places] = pack.pack(columns.length[places], chosen.sequence_length, chosen.packing_window)
    place[places] = np.arange(len(places))
    rows = []
    for number, made in enumerate(packs):
        mine = columns.pack == number
        rows.append(shards.placed(made, columns.row[mine], sequence[mine], place[mine], per_part))
    whole = pa.concat_tables(rows[::-1])
    numbers = whole["shard"].to_numpy()
    return [shards.sequences_of(whole.filter(pa.array(numbers == part))) for part in range(numbers.max() + 1)]


@given(ROWS, st.integers(1, 9), st.integers(1, 4))
def test_tokens_reach_their_sequences_whatever_the_packs(settings, encode, rows, cut: int, per_part: int) -> None:
    chosen = settings(sequence_length=60, packing_window=5)
    table = conversations(*({"kind": kind, "turns": [f"{n}", text]} for n, (kind, text) in enumerate(rows)))
    parts = sequences(table, chosen, encode, cut, per_part)
    assert all(part.schema == PACKED_SEQUENCE for part in parts)
    assert all(part.num_rows == per_part for part in parts[:-1])
    assert pa.concat_tables(parts) == pa.concat_tables(sequences(table, chosen, encode, 25, 1_000))
    found: Counter[str] = Counter()
    for number, row in enumerate(pa.concat_tables(parts).to_pylist()):
        assert row["row"] == number
        assert len(row["input_ids"]) == len(row["labels"]) == sum(row["lengths"]) <= 60
        assert row["langs"] == ["en"] * len(row["lengths"])
        start = 0
        for length in row["lengths"]:
            ids, labels = (row[name][start : start + length] for name in ("input_ids", "labels"))
            begin = text(ids).index("Assistant:") + len("Assistant:")
            assert labels == [IGNORED] * begin + ids[begin:]
            assert labels[0] == IGNORED
            assert ids[-1] == END
            found[text(ids)] += 1
            start += length
    assert found == Counter(
        f"User:{n}\nAssistant:{text}<end>".replace("\0", "<end>")
        for n, (kind, text) in enumerate(rows)
        for _ in range(1 if kind == "book" else 2)
    )
    assert sum(shards.tokens_in(part)[1] for part in parts) == sum(
        (1 if kind == "book" else 2) * (len(text) + 1) for kind, text in rows
    )


def test_a_documents_first_token_is_never_a_label(settings, encode) -> None:
    made_table = document_examples(documents({"text": "ab"}), settings(documents=["d"]), Apollo(END), encode, END)
    assert made_table.schema == EXAMPLE
    part = shards.sequences_of(shards.placed(made_table, *(np.zeros(1, int) for _ in range(3)), 8))
    assert part["labels"].to_pylist() == [[IGNORED, ord("b"), END]]


def test_rows_are_counted_by_licence_once_whatever_their_pieces_and_copies(settings, encode) -> None:
    table = documents(
        {"id": "0" * 16, "text": "a" * 90, "license": "CC0-1.0"},
        {"id": "1" * 16, "text": "b" * 10, "license": None},
    )
    chosen = settings(sequence_length=32, epochs={"pretraining": 3, "instruction": 1})
    pack_of = document_examples(table, chosen, Apollo(END), encode, END)
    assert pack_of.num_rows > 2
    keys = describe(pack_of, "w", refused_rows(pack_of, chosen), "")
    found = stream.totals(stream.gather([keys], chosen))
    assert found["by_license"] == {"CC0-1.0": 1, "unknown": 1}

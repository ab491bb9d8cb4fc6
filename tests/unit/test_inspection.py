"""What is shown of a sequence is what is in it."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console
from tokenizers import Tokenizer

from apollo_ray.inspection import lines, show, token_text
from apollo_ray.packed import PackedRow
from apollo_ray.records import PACKED_SEQUENCE
from apollo_ray.store import Counts, Manifest, Store
from apollo_ray.tokenizer.bpe import END_TOKEN, train_bpe


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_bpe(["User:fever\nAssistant:high temperature"] * 3, 300).backend_tokenizer


def row_of(tokenizer: Tokenizer) -> dict:
    """Two documents with a prompt and an answer each."""
    ids, labels, lengths = [], [], []
    for prompt, answer in (("User:a\nAssistant:", "fever"), ("User:b\nAssistant:", "\u0915")):
        asked, said = (tokenizer.encode(text, add_special_tokens=False).ids for text in (prompt, answer))
        ids += [*asked, *said, 0]
        labels += [-100] * len(asked) + [*said, 0]
        lengths.append(len(asked) + len(said) + 1)
    return {"row": 0, "input_ids": ids, "labels": labels, "lengths": lengths, "langs": ["en", "hi"]}


def test_a_log_says_of_every_run_which_it_is(tokenizer: Tokenizer) -> None:
    row = row_of(tokenizer)
    arrays = (np.array(row[name], np.int32) for name in ("input_ids", "labels", "lengths"))
    found = [text.plain for text in lines(PackedRow(*arrays, ("en", "hi")), 7, tokenizer, coloured=False)]
    assert found[0] == f"row 7: {len(row['input_ids'])} tokens in 2 documents"
    assert [line.partition(" ")[0] for line in found[1:]] == ["--", "masked", "supervised"] * 2
    said = [line.partition(": ")[2].replace("\u2502", "") for line in found if line[0] in "ms"]
    assert said[0] == "User:a\u21b5Assistant:"
    assert said[1] == "fever" + END_TOKEN
    assert found[4].startswith("-- document 1: hi, ")


def test_a_terminal_shows_it_in_colours(tokenizer: Tokenizer) -> None:
    row = row_of(tokenizer)
    arrays = (np.array(row[name], np.int32) for name in ("input_ids", "labels", "lengths"))
    found = list(lines(PackedRow(*arrays, ("en", "hi")), 0, tokenizer, coloured=True))
    assert len(found) == 5
    spans = [(found[2].plain[span.start : span.end].replace("\u2502", ""), span.style) for span in found[2].spans]
    assert spans == [("User:a\u21b5Assistant:", "dim"), ("fever" + END_TOKEN, "green")]


def test_a_part_of_a_character_is_spelled_out(tokenizer: Tokenizer) -> None:
    parts = tokenizer.encode("\u0915", add_special_tokens=False).ids
    assert len(parts) == 3
    assert all("\ufffd" not in token_text(tokenizer, token) for token in parts)
    assert token_text(tokenizer, 10**6) == "<1000000>"


def test_it_reads_a_finished_step(tokenizer: Tokenizer, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    (tmp_path / "t").mkdir()
    tokenizer.save(str(tmp_path / "t" / "tokenizer.json"))
    table = pa.Table.from_pylist([row_of(tokenizer)], PACKED_SEQUENCE)
    data = [store.write_table("mix/f/data", table, "part-0.arrow")]
    extra = store.upload(tmp_path / "t", "mix/f", "tokenizer")
    manifest = Manifest("mix", "mix", "f", {}, {}, Counts("example", 2, 2), data, [], extra, {}, {}, "", "")
    written = io.StringIO()
    show(Console(file=written, width=500), store, manifest, 9)
    assert written.getvalue().count("-- document") == 2

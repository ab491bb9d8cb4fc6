"""The mix stage on Ray: the same bytes however the work is cut, nothing lost, and the tokenizer's own template."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from apollo_ray.config import parse
from apollo_ray.errors import UserError
from apollo_ray.mix import stage
from apollo_ray.mix.settings import StageSettings
from apollo_ray.packed import PackedRows
from apollo_ray.records import CONVERSATION, DOCUMENT, IGNORED
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts, Manifest, Store
from apollo_ray.tokenizer.bpe import END_TOKEN, train_bpe

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = ["fever", "cough", "pain", "rest", "water", "doctor", "dose", "tablet", "child", "night", "why", "when", "how"]


def conversations(number: int) -> list[dict]:
    rng = random.Random(0)
    said = lambda least, most: " ".join(rng.choices(WORDS, k=rng.randint(least, most)))  # noqa: E731
    base = dict.fromkeys(CONVERSATION.names)
    return [
        base
        | {
            "id": f"{rng.getrandbits(64):016x}",
            "turns": [said(1, 8) if turn % 2 == 0 else said(1, 40) for turn in range(2 * rng.randint(1, 4))],
            "lang": rng.choice(["en", "es"]),
            "kind": rng.choice(["book", "exam", "patient"]),
            "source": rng.choice(["a", "b"]),
            "uri": "file",
            "position": place,
        }
        for place in range(number)
    ]


ROWS = conversations(400)
TEXTS = [
    dict.fromkeys(DOCUMENT.names) | {"id": f"{n:016x}", "text": " ".join(WORDS) * n, "lang": "en"} for n in range(60)
]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of one tokenizer: as it is, with a chat template, and with one that rewrites earlier turns."""
    found = {}
    for name, template in (("plain", None), ("chat", CHATML), ("rewriting", CHATML + "{{ messages | length }}")):
        tokenizer = train_bpe([" ".join(row["turns"]) for row in ROWS], 400)
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
        tokenizer.chat_template = template
        found[name] = str(tmp_path_factory.mktemp(name))
        tokenizer.save_pretrained(found[name])
    return found


Mix = Callable[..., tuple[Result, PackedRows]]


@pytest.fixture
def mix(ray_session: None, tokenizers: dict[str, str], tmp_path: Path) -> Mix:
    """`mix(steps, tokenizer, **settings)`: run the stage on steps of rows given as name -> lists of rows, a part each."""

    def run(
        steps: dict[str, list[list[dict]]], tokenizer: str = "plain", uri: str | None = None, **changes: Any
    ) -> tuple[Result, PackedRows]:
        store = Store(uri or str(tmp_path / f"store{len(list(tmp_path.iterdir()))}"))
        inputs = {}
        for name, parts in steps.items():
            schema = DOCUMENT if "text" in parts[0][0] else CONVERSATION
            data = [store.write_table(f"{name}/f/data", pa.Table.from_pylist(part, schema)) for part in parts]
            counts = Counts("row", 0, 0)
            inputs[name] = Manifest(name, "corpus", "f", {}, {}, counts, data, [], [], {}, {}, "", "")
        named = {
            "conversations": [name for name in steps if name != "texts"],
            "documents": ["texts"] * ("texts" in steps),
        }
        raw = {"tokenizer": tokenizers[tokenizer], "sequence_length": 128, "sequences_per_part": 40} | named | changes
        settings = parse(StageSettings, raw, where="steps.mix")
        result = stage.run(Context("run", "mix", settings, store, "f", inputs, print, lambda _: None))  # type: ignore
        made = Manifest("mix", "mix", "f", {}, {}, result.counts, result.data, [], [], {}, {}, "", "")
        assert not list(Path(store.path("mix", "f")).glob("work")) or uri
        return result, PackedRows(store, made)

    return run


def assert_same(one: Result, other: Result) -> None:
    assert [(entry.sha256, entry.rows) for entry in one.data] == [(entry.sha256, entry.rows) for entry in other.data]
    assert one.counts == other.counts
    assert one.summary == other.summary


@pytest.mark.parametrize("budget", [{}, {"tokens": 250_000}], ids=["one pass", "a budget of two passes and a part"])
def test_any_cut_of_the_work_gives_the_same_bytes(mix: Mix, monkeypatch: pytest.MonkeyPatch, budget: dict) -> None:
    whole, rows = mix({"one": [ROWS], "texts": [TEXTS]}, **budget)
    assert len(whole.data) > 3
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    cuts = [shuffled[at : at + 60] for at in range(0, len(shuffled), 60)]
    monkeypatch.setattr(stage.dataset, "BYTES_PER_BLOCK", 1)  # a block a part
    other, _ = mix({"two": cuts[:3], "one": cuts[3:], "texts": [TEXTS[9:], TEXTS[:9]]}, bytes_per_task=20_000, **budget)
    assert_same(whole, other)
    assert len(rows) == whole.summary["sequences"] == sum(entry.rows for entry in whole.data)
    assert whole.summary["tokens"] == sum(len(rows.row(number).input_ids) for number in range(len(rows)))
    documents = sum(len(rows.row(number).lengths) for number in range(len(rows)))
    assert documents == whole.counts.kept == whole.counts.read - sum(whole.counts.dropped.values())
    supervised = sum(int((rows.row(number).labels != IGNORED).sum()) for number in range(len(rows)))
    assert supervised == whole.summary["supervised_tokens"]


def test_every_copy_is_read_back_from_an_object_store_or_dropped(mix: Mix, cluster) -> None:
    result, rows = mix({"one": [ROWS[:200]]}, uri=f"{cluster.bucket}/mix", sequence_length=32, bytes_per_task=9_000)
    store = rows.store
    assert store.read(store.path("mix/f/tokenizer/tokenizer.json"))
    assert not store.fs.exists(store.path("mix/f/work"))
    epochs = {row["id"]: 1 if row["kind"] == "book" else 2 for row in ROWS}
    refused = [row for entry in result.dropped for row in store.read_table("mix/f", entry).to_pylist()]
    assert {row["reason"] for row in refused} == {"too_long"}
    assert Counter(row["reason"] for row in refused) == result.counts.dropped
    assert {tuple(json.loads(row["row"])) for row in refused} == {
        ("piece", "sample_class", "lang", "source", "license", "text", "copy")
    }
    pieces = Counter((row["id"], json.loads(row["row"])["piece"]) for row in refused)
    assert all(number == epochs[identity] for (identity, _), number in pieces.items())
    documents = sum(len(rows.row(number).lengths) for number in range(len(rows)))
    assert documents + len(refused) == result.counts.read


def test_a_run_that_failed_goes_on_with_its_packs(mix: Mix, tmp_path: Path) -> None:
    whole, _ = mix({"one": [ROWS]})
    uri = tmp_path / "failing"
    (uri / "mix" / "f").mkdir(parents=True)
    (uri / "mix" / "f" / "data").write_text("in the way of the parts")
    with pytest.raises(Exception, match="data"):
        mix({"one": [ROWS]}, uri=str(uri))
    packs = list((uri / "mix" / "f" / "work").iterdir())
    assert len(packs) == 1
    (uri / "mix" / "f" / "data").unlink()
    again, _ = mix({"one": [ROWS]}, uri=str(uri))
    assert_same(whole, again)


def test_the_tokenizers_own_template(mix: Mix, tokenizers: dict[str, str]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokenizers["chat"])
    result, rows = mix({"one": [ROWS[:50]]}, "chat", template="chat", sequence_length=512)
    closing = tokenizer.convert_tokens_to_ids("<|im_end|>")
    wanted = Counter()
    for row in ROWS[:50]:
        messages = [{"role": "assistant" if n % 2 else "user", "content": turn} for n, turn in enumerate(row["turns"])]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        wanted[text, len(row["turns"]) // 2] += 1 if row["kind"] == "book" else 2
    found = Counter()
    for number in range(len(rows)):
        row = rows.row(number)
        start = 0
        for length in row.lengths.tolist():
            ids, labels = row.input_ids[start : start + length], row.labels[start : start + length]
            found[tokenizer.decode(ids), int((labels == closing).sum())] += 1
            start += length
    assert found == wanted
    assert found.total() == result.counts.read


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"template": "chat"}, r"steps\.mix\.template: 'chat', but .* has no chat template; allowed for it: apollo"),
        ({"template": "chat", "tokenizer": "rewriting"}, r"steps\.mix\.template: .* rewrites earlier turns"),
        ({"sources": {"c": {"epochs": 3}}}, r"steps\.mix\.sources: no row is of c; sources of this step: a, b"),
        ({"sequence_length": 16}, "none was kept"),
    ],
)
def test_what_cannot_be_mixed_is_refused_by_its_key(mix: Mix, changes: dict, said: str) -> None:
    rows = [replace_turns(row, ["why " * 20, "pain"]) for row in ROWS[:20]]
    with pytest.raises(UserError, match=said):
        mix({"one": [rows]}, **changes)


def replace_turns(row: dict, turns: list[str]) -> dict:
    return row | {"turns": turns}


def test_an_end_token_in_somebodys_text_is_only_text(mix: Mix) -> None:
    rows = [replace_turns(ROWS[0], ["what is " + END_TOKEN, "a word"])]
    texts = [TEXTS[0] | {"text": f"before {END_TOKEN} after"}]
    result, packed = mix({"one": [rows], "texts": [texts]}, epochs={"pretraining": 1, "instruction": 1})
    assert result.counts.kept == 2
    assert sum(int((packed.row(number).input_ids == 0).sum()) for number in range(len(packed))) == 2


def test_sources_have_epochs_of_their_own(mix: Mix) -> None:
    plain, _ = mix({"one": [ROWS]}, sequence_length=512)
    more, _ = mix({"one": [ROWS]}, sequence_length=512, sources={"a": {"epochs": 5}})
    of = Counter((row["source"], row["kind"] == "book") for row in ROWS)
    assert more.counts.kept - plain.counts.kept == 4 * of["a", True] + 3 * of["a", False]
    assert plain.counts.dropped == more.counts.dropped == {}

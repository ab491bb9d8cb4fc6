"""Mix on Ray Data: tokenise in parallel, sort by key, pack the sorted stream as it arrives."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
import ray
import ray.data
from tokenizers import Tokenizer

from apollo_ray import dataset
from apollo_ray.errors import UserError
from apollo_ray.mix.examples import EXAMPLE, conversation_examples, document_examples
from apollo_ray.mix.pack import Sequence, pack
from apollo_ray.mix.settings import StageSettings
from apollo_ray.records import CONVERSATION, DOCUMENT, PACKED_SEQUENCE
from apollo_ray.refusals import split
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts, FileEntry

BINS = 20  # of the stream, for the plot of its order
REFUSED_PER_PART = 1_000


def run(context: Context[StageSettings]) -> Result:
    """The stream as packed sequences in order, its tokenizer beside it. Raises UserError where it is empty."""
    settings = context.settings
    files, encoder = _prepare_tokenizer(context)
    parts = []
    for names, schema, make in (
        (settings.conversations, CONVERSATION, conversation_examples),
        (settings.documents, DOCUMENT, document_examples),
    ):
        if names:
            rows = dataset.read_parts(context, list(names), schema)
            parts.append(
                rows.map_batches(_examples, fn_args=(make, settings, encoder), batch_format="pyarrow", batch_size=None)
            )
    examples = parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]
    stream = _Stream(context, examples.sort(["key", "id", "copy", "piece"]))
    data = list(stream.write_sequences())
    dropped = stream.write_refused()
    if not data:
        raise UserError(f"steps.{context.step}: of {stream.read} examples none was kept: {dict(stream.refusals)}")
    kept = stream.read - sum(stream.refusals.values())
    context.say(f"{kept} examples in {stream.sequences} sequences, {stream.padding():.1%} padding")
    counts = Counts("example", stream.read, kept, dict(sorted(stream.refusals.items())))
    return Result(counts, data=data, dropped=dropped, extra=files, summary=stream.summary())


@dataclass(frozen=True)
class _Encoder:
    """A tokenizer on its way to workers: its JSON in the object store, so that no worker imports transformers (7 s)."""

    definition: Any  # ray.ObjectRef of the JSON text
    end_id: int


def _prepare_tokenizer(context: Context[StageSettings]) -> tuple[list[FileEntry], _Encoder]:
    """The tokenizer's files, saved beside the stream, and what workers need of it."""
    from transformers import AutoTokenizer

    name = context.settings.tokenizer
    try:
        tokenizer = AutoTokenizer.from_pretrained(context.folder(name, "tokenizer"))
    except (OSError, ValueError) as error:
        raise UserError(f"steps.{context.step}.tokenizer: {name!r} cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise UserError(f"steps.{context.step}.tokenizer: {name!r} has no tokenizer.json; a fast tokenizer is needed")
    if tokenizer.eos_token_id is None:
        raise UserError(f"steps.{context.step}.tokenizer: {name!r} has no end token; set eos_token in its files")
    with tempfile.TemporaryDirectory() as target:
        tokenizer.save_pretrained(target)
        files = context.store.upload(target, context.directory, "tokenizer")
    return files, _Encoder(ray.put(tokenizer.backend_tokenizer.to_str()), int(tokenizer.eos_token_id))


def _examples(table: pa.Table, make: Any, settings: StageSettings, encoder: _Encoder) -> pa.Table:
    tokenizer = _tokenizer(encoder.definition)
    return make(table, settings, lambda text: tokenizer.encode(text, add_special_tokens=False).ids, encoder.end_id)


@cache
def _tokenizer(definition: Any) -> Tokenizer:
    return Tokenizer.from_str(ray.get(definition))


class _Stream:
    """Reads the sorted examples once: packs the kept, sets the refused aside, counts both."""

    def __init__(self, context: Context[StageSettings], examples: ray.data.Dataset) -> None:
        self.context = context
        self.examples = examples
        self.read = 0
        self.sequences = 0
        self.tokens = 0
        self.supervised = 0
        self.refusals: Counter[str] = Counter()
        self.refused: list[pa.Table] = []
        self.classes: list[tuple[str, int]] = []  # (class, tokens) of every kept example, in order
        self.by_language: Counter[str] = Counter()

    def _kept(self) -> Iterator[tuple[list[int], list[int]]]:
        for batch in self.examples.iter_batches(batch_size=None, batch_format="pyarrow"):
            self.read += batch.num_rows
            _, refused = split(batch, EXAMPLE)
            self.refused.append(refused)
            self.refusals.update(refused["reason"].to_pylist())
            for row in batch.to_pylist():
                if row["reason"] is None:
                    self.classes.append((row["sample_class"], len(row["input_ids"])))
                    self.by_language[row["lang"]] += len(row["input_ids"])
                    yield row["input_ids"], row["labels"]

    def write_sequences(self) -> Iterator[FileEntry]:
        settings = self.context.settings
        waiting: list[Sequence] = []
        for sequence in pack(self._kept(), settings.sequence_length, settings.packing_window):
            waiting.append(sequence)
            if len(waiting) == settings.sequences_per_part:
                yield self._write(waiting)
                waiting = []
        if waiting:
            yield self._write(waiting)

    def _write(self, waiting: list[Sequence]) -> FileEntry:
        columns = {
            "row": range(self.sequences, self.sequences + len(waiting)),
            "input_ids": [sequence.input_ids for sequence in waiting],
            "labels": [sequence.labels for sequence in waiting],
            "position_ids": [sequence.position_ids for sequence in waiting],
        }
        self.sequences += len(waiting)
        self.tokens += sum(len(sequence.input_ids) for sequence in waiting)
        self.supervised += sum(label >= 0 for sequence in waiting for label in sequence.labels)
        table = pa.table(columns, schema=PACKED_SEQUENCE)
        return self.context.store.write_table(f"{self.context.directory}/data", table)

    def write_refused(self) -> list[FileEntry]:
        table = pa.concat_tables(self.refused) if self.refused else None
        if table is None or not table.num_rows:
            return []
        return [
            self.context.store.write_table(f"{self.context.directory}/dropped", table.slice(at, REFUSED_PER_PART))
            for at in range(0, table.num_rows, REFUSED_PER_PART)
        ]

    def padding(self) -> float:
        """Share of the batch positions that hold no token."""
        return 1 - self.tokens / (self.sequences * self.context.settings.sequence_length)

    def summary(self) -> dict[str, Any]:
        names = sorted(self.context.settings.priorities)
        shares: dict[str, list[float]] = {name: [] for name in names}
        for index in range(BINS):
            start, end = (len(self.classes) * edge // BINS for edge in (index, index + 1))
            tokens = Counter[str]()
            for name, number in self.classes[start:end]:
                tokens[name] += number
            total = sum(tokens.values()) or 1
            for name in names:
                shares[name].append(tokens[name] / total)
        return {
            "stream": {"bins": BINS, "shares": shares},
            "sequences": self.sequences,
            "tokens": self.tokens,
            "supervised_tokens": self.supervised,
            "padding": self.padding(),
            "by_language": dict(sorted(self.by_language.items())),
            "by_class": dict(Counter(name for name, _ in self.classes)),
        }

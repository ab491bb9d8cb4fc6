"""Mix on Ray Data. Tokens stay with the tasks; the driver orders and packs numbers.

    rows of the inputs -> packs of tokenised rows under work/      (streams; a pack that is there is not made again)
    numbers of all rows -> order, packing                           (on the driver)
    packs -> rows of each part, through a shuffle -> parts of sequences

The driver holds 31 bytes an example and up to 40 more while it orders, packs and hands places back to the tasks: 7 GB
for 100 million examples. A task holds a pack, or `bytes_per_task` of tokens with what it takes to sort them. Order and
packing depend on row ids and lengths alone, so any number of workers and any order of files gives the same parts, byte
for byte.
"""

import contextlib
import hashlib
import json
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from tokenizers import Tokenizer

from apollo_ray import dataset
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.mix import order, pack, shards, stream
from apollo_ray.mix.examples import Make, conversation_examples, describe, document_examples, refused_rows
from apollo_ray.mix.settings import StageSettings
from apollo_ray.mix.stream import Stream
from apollo_ray.mix.template import Apollo, Chat, Encode, Template, TemplateError, check_chat
from apollo_ray.records import CONVERSATION, DOCUMENT
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts, FileEntry, Store
from apollo_ray.tables import ARROW, decode

TOKEN_BYTES = 4
ONE_BLOCK = 2**62
"""Block size at which what a task makes is never cut: a part's rows must meet in one task."""


def run(context: Context[StageSettings]) -> Result:
    """The stream as packed sequences in order, its tokenizer beside it. Raises UserError where it is empty."""
    settings = context.settings
    dataset.configure()
    files, encoder = _prepare_tokenizer(context)
    refusals: Counter[str] = Counter()
    dropped: list[FileEntry] = []
    columns = stream.gather(_noting(_tokenise(context, encoder), refusals, dropped), settings)
    counted = dict(sorted(refusals.items()))
    if not len(columns):
        raise UserError(f"steps.{context.step}: of {sum(refusals.values())} examples none was kept: {counted}")
    if unknown := ", ".join(sorted(set(settings.sources) - set(columns.sources))):
        known = ", ".join(columns.sources)
        raise UserError(f"steps.{context.step}.sources: no row is of {unknown}; sources of this step: {known}")
    if settings.tokens:
        try:
            columns = stream.repeated(columns, settings.tokens, settings.seed)
        except ValueError as error:
            raise UserError(f"steps.{context.step}.tokens: {error}") from error
    tokens = int(columns.length.sum(dtype=np.int64))
    context.say(f"{len(columns)} examples of {tokens} tokens to order and pack")
    places = order.order(columns, settings)
    sequences = pack.pack(columns.length[places], settings.sequence_length, settings.packing_window)
    data, supervised = _write(context, columns, places, sequences)
    number = int(sequences.max()) + 1
    padding = 1 - tokens / (number * settings.sequence_length)
    context.say(f"{len(columns)} examples in {number} sequences, {padding:.2%} padding")
    summary = {
        "stream": {"bins": stream.BINS, "shares": stream.shares(columns, places)},
        "sequences": number,
        "tokens": tokens,
        "supervised_tokens": supervised,
        "padding": padding,
        **stream.totals(columns),
    }
    _remove_work(context)
    counts = Counts("example", len(columns) + sum(refusals.values()), len(columns), counted)
    return Result(counts, data=data, dropped=dropped, extra=files, summary=summary)


@dataclass(frozen=True)
class _Encoder:
    """A tokenizer on its way to workers: its JSON in the object store, so that no worker imports transformers (7 s)
    unless its chat template is asked for."""

    definition: Any  # ray.ObjectRef of the JSON text
    end_id: int
    chat: Any = None  # ray.ObjectRef of the transformers tokenizer


def _prepare_tokenizer(context: Context[StageSettings]) -> tuple[list[FileEntry], _Encoder]:
    """The tokenizer's files, saved beside the stream, and what workers need of it."""
    from transformers import AutoTokenizer

    name, where = context.settings.tokenizer, f"steps.{context.step}"
    try:
        tokenizer = AutoTokenizer.from_pretrained(context.folder(name, "tokenizer"))
    except (OSError, ValueError) as error:
        raise UserError(f"{where}.tokenizer: {name!r} cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise UserError(f"{where}.tokenizer: {name!r} has no tokenizer.json; a fast tokenizer is needed")
    if tokenizer.eos_token_id is None:
        raise UserError(f"{where}.tokenizer: {name!r} has no end token; set eos_token in its files")
    definition = tokenizer.backend_tokenizer.to_str()
    if context.settings.template == "chat":
        if not tokenizer.chat_template:
            raise UserError(f"{where}.template: 'chat', but {name!r} has no chat template; allowed for it: apollo")
        try:
            check_chat(_chat(tokenizer), _encode(Tokenizer.from_str(definition)))
        except TemplateError as error:
            raise UserError(f"{where}.template: the chat template of {name!r} cannot be used: {error}") from error
    with tempfile.TemporaryDirectory() as target:
        tokenizer.save_pretrained(target)
        files = context.store.upload(target, context.directory, "tokenizer")
    chat = ray.put(tokenizer) if context.settings.template == "chat" else None
    return files, _Encoder(ray.put(definition), int(tokenizer.eos_token_id), chat)


def _chat(tokenizer: Any) -> Chat:
    from jinja2 import TemplateError as JinjaError

    def render(messages: list[dict[str, str]], asking: bool) -> str:
        try:
            return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asking)
        except JinjaError as error:
            raise TemplateError(f"it refuses these turns: {error}") from error

    return Chat(render, frozenset(i for i, token in tokenizer.added_tokens_decoder.items() if token.special))


def _encode(tokenizer: Tokenizer) -> Encode:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [found.ids for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


@cache
def _tools(encoder: _Encoder, template: str) -> tuple[Template, Encode]:
    """Made once a worker process. Only a chat template may write special tokens: in any other text they are words."""
    tokenizer = Tokenizer.from_str(ray.get(encoder.definition))
    if template == "chat":
        return _chat(ray.get(encoder.chat)), _encode(tokenizer)
    tokenizer.encode_special_tokens = True
    return Apollo(encoder.end_id), _encode(tokenizer)


def _noting(packs: Iterator[pa.Table], refusals: Counter[str], dropped: list[FileEntry]) -> Iterator[pa.Table]:
    """The packs, their refusals counted and their dropped parts listed on the way."""
    for table in packs:
        for row in table.select(["refused", "dropped"]).to_pylist():
            refusals.update(json.loads(row["refused"]))
            if row["dropped"]:
                dropped.append(FileEntry(**json.loads(row["dropped"])))
        yield table


def _tokenise(context: Context[StageSettings], encoder: _Encoder) -> Iterator[pa.Table]:
    """KEYS of all packs; the packs lie under work/, their refused rows under dropped/."""
    settings = context.settings
    for names, schema, make, template in (
        (settings.conversations, CONVERSATION, conversation_examples, settings.template),
        (settings.documents, DOCUMENT, document_examples, "apollo"),
    ):
        if names:
            rows = dataset.read_parts(context, list(names), schema)
            arguments = (make, template, settings, encoder, context.store, context.directory)
            keys = rows.map_batches(_tokenise_pack, fn_args=arguments, batch_format="pyarrow", batch_size=None)
            yield from keys.iter_batches(batch_size=None, batch_format="pyarrow")


def _tokenise_pack(
    table: pa.Table,
    make: Make,
    template: str,
    settings: StageSettings,
    encoder: _Encoder,
    store: Store,
    directory: str,
) -> pa.Table:
    if not table.num_rows:
        return stream.KEYS.empty_table()
    digest = hashlib.blake2b(make.__name__.encode(), digest_size=12)
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    work = f"{digest.hexdigest()}{ARROW}"
    data = store.read(store.path(directory, "work", work))
    if data is None:
        made = make(table, settings, *_tools(encoder, template), encoder.end_id)
        store.write_table(f"{directory}/work", made, work)
    else:
        made = decode(data, work)
    refused = refused_rows(made, settings)
    entry = json.dumps(vars(store.write_table(f"{directory}/dropped", refused))) if refused.num_rows else ""
    return describe(made, work, refused, entry)


def _write(
    context: Context[StageSettings], columns: Stream, order: np.ndarray, sequences: np.ndarray
) -> tuple[list[FileEntry], int]:
    """(the parts in order, supervised tokens in them). `sequences` is in the order of the stream."""
    settings = context.settings
    sequence = np.empty_like(sequences)
    sequence[order] = sequences
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    borders = np.searchsorted(columns.pack, np.arange(len(columns.works) + 1))
    work = [
        pa.table({"work": [name], "row": [columns.row[a:b]], "sequence": [sequence[a:b]], "place": [place[a:b]]})
        for name, a, b in zip(columns.works, borders[:-1], borders[1:], strict=True)
        if b > a
    ]
    size = int(columns.length.sum(dtype=np.int64)) * TOKEN_BYTES
    partitions = -(-size // settings.bytes_per_task)
    with dataset.block_size(ONE_BLOCK):
        if partitions == 1:  # nothing to shuffle: one task reads all packs
            work = [pa.concat_tables(work)]
        rows = ray.data.from_arrow(work).map_batches(
            _place,
            fn_args=(context.store, context.directory, settings.sequences_per_part),
            batch_format="pyarrow",
            batch_size=None,
        )
        if partitions > 1:
            rows = rows.repartition(partitions, keys=["shard"])
        parts = rows.map_batches(
            _write_parts, fn_args=(context.store, context.directory), batch_format="pyarrow", batch_size=None
        )
        written = sorted(parts.take_all(), key=lambda row: row["shard"])
    data = [FileEntry(**json.loads(row["entry"])) for row in written]
    wanted = -(-(int(sequences.max()) + 1) // settings.sequences_per_part)
    assert [row["shard"] for row in written] == list(range(wanted)), f"{wanted} parts are due, not {written}"
    for counted, expected in (("documents", len(columns)), ("tokens", columns.length.sum(dtype=np.int64))):
        assert sum(row[counted] for row in written) == expected, f"{counted} were lost on their way to a part"
    return data, sum(row["supervised"] for row in written)


def _place(table: pa.Table, store: Store, directory: str, sequences_per_part: int) -> pa.Table:
    tables = [shards.PLACED.empty_table()]
    for at in range(table.num_rows):
        work = table["work"][at].as_py()
        data = store.read(store.path(directory, "work", work))
        if data is None:
            raise ServiceError(f"{store.address(directory, 'work', work)} was removed under way; run again")
        rows, sequences, places = (table[name][at].values.to_numpy() for name in ("row", "sequence", "place"))
        tables.append(shards.placed(decode(data, work), rows, sequences, places, sequences_per_part))
    return pa.concat_tables(tables)


def _write_parts(table: pa.Table, store: Store, directory: str) -> pa.Table:
    written: dict[str, list[Any]] = {"shard": [], "entry": [], "documents": [], "tokens": [], "supervised": []}
    for shard in sorted(set(table["shard"].to_pylist())):
        rows = table.filter(pc.equal(table["shard"], shard))
        part = shards.sequences_of(rows)
        # Unique to the attempt: a task that is tried again must not write over what another reads.
        entry = store.write_table(f"{directory}/data", part, f"part-{shard:06d}-{uuid.uuid4().hex[:12]}{ARROW}")
        values = (shard, json.dumps(vars(entry)), rows.num_rows, *shards.tokens_in(part))
        for name, value in zip(written, values, strict=True):
            written[name].append(value)
    types = (pa.int64(), pa.string(), pa.int64(), pa.int64(), pa.int64())
    return pa.table(written, schema=pa.schema(zip(written, types, strict=True)))


def _remove_work(context: Context[StageSettings]) -> None:
    path = context.store.path(context.directory, "work")
    with contextlib.suppress(FileNotFoundError):
        context.store.fs.rm(path, recursive=True)

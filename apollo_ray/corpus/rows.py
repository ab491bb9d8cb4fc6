"""Raw rows to DOCUMENT or CONVERSATION columns with refusals: the rules of the corpus stage, in their order.

clean -> length -> language -> quality -> benchmark overlap -> de-identification -> keys for duplicates. A row that one
rule refuses meets no further one. Overlaps are sought before names and dates become placeholders, since exam questions
are full of both.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from apollo_ray import leaks
from apollo_ray.corpus import dedup, deidentify, minhash, quality
from apollo_ray.corpus.clean import clean_text
from apollo_ray.corpus.deidentify import Engine
from apollo_ray.corpus.parse import Row
from apollo_ray.corpus.settings import KIND_RANK, Source, StageSettings
from apollo_ray.decontaminate import Index
from apollo_ray.language import Tag, tags
from apollo_ray.language_engines import ENGINES, cross_check
from apollo_ray.language_mixture import mixture, survey
from apollo_ray.records import CONVERSATION, DOCUMENT, REFUSAL

ROWS_AT_ONCE = 1000
"""Rows that the numpy passes see together: at 1,000 their arrays leave the processor's cache."""

MIN_SECOND_SHARE = 0.2
"""Of a document's letters in a second language, from which on it is a document in two."""

SIGNATURE = pa.schema(
    [
        ("exact_key", pa.binary(dedup.KEY_BYTES)),
        ("sketch", pa.binary(minhash.SKETCH_BYTES)),  # null unless near-duplicates are sought
        ("bands", pa.binary(minhash.BANDS * 8)),  # uint64 keys
        ("shingles", pa.int32()),
        ("characters", pa.int64()),
        ("rank", pa.int32()),  # of the kind, 0 best
    ]
)
"""What the search for duplicates needs of a row, null where it is refused."""

NOTES = pa.schema(
    [
        ("measures", pa.list_(pa.float32())),  # in the order of quality.MEASURES; null where none were taken
        ("personal", pa.string()),  # JSON: placeholder type -> replacements
        leaks.OVERLAPS,
    ]
)
"""What the report needs of a row."""


@dataclass(frozen=True)
class Tools:
    """What rules look things up in."""

    questions: Index | None = None
    names: Engine | None = None  # a model that finds personal data beside the rules


def row_schema(rows: str) -> pa.Schema:
    return DOCUMENT if rows == "document" else CONVERSATION


def prepared_schema(rows: str) -> pa.Schema:
    """Columns of a prepared table."""
    return pa.schema([*row_schema(rows), *REFUSAL, *SIGNATURE, *NOTES])


def prepare(raw: Iterable[Row], source: Source, settings: StageSettings, tools: Tools) -> Iterator[pa.Table]:
    """Tables of `prepared_schema`: together as many rows as `raw`, in the same order. Raw rows carry their `uri`."""
    schema = prepared_schema(settings.rows)
    for batch in _batched(raw, ROWS_AT_ONCE):
        rows = [_placed(row, source) for row in batch]
        for rule in _RULES:
            live = [row for row in rows if row["reason"] is None]
            if live:
                rule(live, source, settings, tools)
        yield pa.Table.from_pylist(rows, schema)


def _batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _placed(row: Row, source: Source) -> Row:
    return {"title": None, "reason": None} | row | {
        "source": source.name,
        "phase": source.phase,
        "kind": source.kind or row.get("kind"),
        "license": source.license or row.get("license"),
    }  # fmt: skip


Rule = Callable[[list[Row], Source, StageSettings, Tools], None]  # writes into the rows that it is given


def _clean(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    for row in rows:
        if row["title"]:
            row["title"] = clean_text(row["title"]) or None
        if settings.rows == "document":
            row["text"] = clean_text(row["text"], row["kind"])
        else:
            row["turns"] = [clean_text(turn, row["kind"]) for turn in row["turns"]]
            if not all(row["turns"]):
                _refuse(row, "length", "too_short", "a turn is empty after cleaning")


def _tag(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    texts = [_text(row, settings) for row in rows]
    documents, engine = settings.rows == "document", settings.language.engine
    declared = [source.lang] * len(texts)
    if engine != "profiles":
        found = [(ENGINES[engine](text), mixture(text) if documents else {}) for text in texts]
    elif documents:
        found = survey(texts, declared)
    else:
        found = [(tag, {}) for tag in tags(texts, declared)]
    for row, (tag, shares) in zip(rows, found, strict=True):
        row |= {"lang": tag.lang, "lang_score": tag.score, "lang_margin": tag.margin}
        if documents:
            row["other_lang"] = _second(shares, tag)


def _second(shares: dict[str, float], tag: Tag) -> str | None:
    return next((lang for lang, share in shares.items() if lang != tag.lang and share >= MIN_SECOND_SHARE), None)


def _check_language(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    for row in rows:
        if problem := _language_problem(row, settings):
            _refuse(row, "language", *problem)


def _language_problem(row: Row, settings: StageSettings) -> tuple[str, str] | None:
    wanted, tagged = settings.language, f"{row['lang']} {row['lang_score']:.3f}"
    if row["lang"] not in settings.languages:
        return "other_language", f"{tagged}, wanted {' '.join(settings.languages)}"
    if row["lang_score"] < wanted.min_score:
        return "uncertain_language", f"{tagged} < {wanted.min_score}"
    if wanted.mixed == "drop" and row.get("other_lang"):
        return "mixed_languages", f"{row['lang']} and {row['other_lang']}"
    if wanted.cross_check and (other := cross_check(_text(row, settings))).lang != row["lang"]:
        return "disputed_language", f"{tagged}, the second engine says {other.lang} {other.score:.3f}"
    return None


def _length(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    if settings.rows != "document":
        return
    for row in rows:
        length, floor = len(row["text"]), settings.floor(row["lang"])
        if length < floor:
            _refuse(row, "length", "too_short", f"{length} characters, at least {floor} for {row['lang']}")
        elif length > settings.max_characters:
            _refuse(row, "length", "too_long", f"{length} characters, at most {settings.max_characters}")


def _judge(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    if not settings.quality:
        return
    measured = quality.measure([_text(row, settings) for row in rows])
    columns = np.stack([np.asarray(measured[name], np.float32) for name in quality.MEASURES], axis=1)
    refusals = quality.judge(measured, [row["lang"] for row in rows], [row["kind"] for row in rows])
    for row, values, refusal in zip(rows, columns, refusals, strict=True):
        row["measures"] = values
        if refusal:
            _refuse(row, "quality", refusal.rule, str(refusal))


def _seek_overlaps(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    if tools.questions is None or settings.decontaminate is None:
        return
    found = tools.questions.search([f"{row['title'] or ''}\n{_text(row, settings)}" for row in rows])
    for row, overlaps in zip(rows, found, strict=True):
        if counted := settings.decontaminate.refuses(overlaps):
            row["overlaps"] = leaks.listed(counted)
            _refuse(row, "decontaminate", *leaks.refusal(counted))


def _deidentify(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    if not settings.deidentify:
        return
    for row in rows:
        title = [row["title"]] if row["title"] else []
        body = [row["text"]] if settings.rows == "document" else row["turns"]
        texts, counts = deidentify.deidentify([*title, *body], row["lang"], tools.names)
        row["personal"] = json.dumps(counts, sort_keys=True) if counts else None
        if title:
            row["title"] = texts.pop(0)
        row |= {"text": texts[0]} if settings.rows == "document" else {"turns": texts}


def _sign(rows: list[Row], source: Source, settings: StageSettings, tools: Tools) -> None:
    texts = [_text(row, settings) for row in rows]
    near = settings.duplicates == "near"
    keys, signatures = minhash.keys_and_signatures(texts) if near else (dedup.exact_keys(texts), None)
    for row, text, key in zip(rows, texts, keys, strict=True):
        rank = KIND_RANK.index(row["kind"]) if row["kind"] in KIND_RANK else len(KIND_RANK)
        row |= {"exact_key": bytes(key), "characters": len(text), "rank": rank}
    if signatures:
        for row, sketch, bands, shingles in zip(
            rows, signatures.sketch, signatures.bands, signatures.shingles.tolist(), strict=True
        ):
            row |= {"sketch": sketch.tobytes(), "bands": bands.tobytes(), "shingles": shingles}


_RULES: tuple[Rule, ...] = (_clean, _tag, _length, _check_language, _judge, _seek_overlaps, _deidentify, _sign)


def _text(row: Row, settings: StageSettings) -> str:
    text: str = row["text"] if settings.rows == "document" else "\n".join(row["turns"])
    return text


def _refuse(row: dict[str, Any], rule: str, reason: str, detail: str) -> None:
    row |= {"rule": rule, "reason": reason, "detail": detail}

"""Raw tables to DOCUMENT or CONVERSATION columns with refusals: the rules of the corpus stage, row by row."""

import pyarrow as pa

from apollo_ray.corpus.clean import clean_text
from apollo_ray.corpus.dedup import duplicate_key
from apollo_ray.corpus.deidentify import deidentify
from apollo_ray.corpus.settings import Source, StageSettings
from apollo_ray.records import CONVERSATION, DOCUMENT
from apollo_ray.text import tag_language

DUPLICATE_KEY = ("duplicate_key", pa.string())
REFUSAL_FIELDS = [("rule", pa.string()), ("reason", pa.string()), ("detail", pa.string())]


def prepared_schema(rows: str) -> pa.Schema:
    """Columns of a prepared table: the row type, the refusal and the key for duplicates."""
    base = DOCUMENT if rows == "document" else CONVERSATION
    return pa.schema([*base, *REFUSAL_FIELDS, DUPLICATE_KEY])


def prepare(raw: pa.Table, settings: StageSettings, source: Source, uri: str) -> pa.Table:
    """A RAW table of one file as a table of `prepared_schema`: as many rows, in the same order."""
    rows = []
    for row in raw.to_pylist():
        row |= {
            "source": source.name,
            "uri": uri,
            "kind": source.kind or row["kind"],
            "license": source.license or row["license"],
        }
        if row["reason"] is None:
            row = _document(row, settings) if settings.rows == "document" else _conversation(row, settings)
        rows.append(row)
    return pa.Table.from_pylist(rows, prepared_schema(settings.rows))


def _tidy(text: str, settings: StageSettings) -> str:
    cleaned = clean_text(text)
    return deidentify(cleaned)[0] if settings.deidentify else cleaned


def _document(row: dict, settings: StageSettings) -> dict:
    text = _tidy(row["text"], settings)
    title = _tidy(row["title"], settings) if row["title"] else None
    lang, score = tag_language(text)
    row |= {"text": text, "title": title, "lang": lang, "lang_score": score, "duplicate_key": duplicate_key(text)}
    floor = settings.floor(lang)
    if len(text) < floor:
        return _refuse(row, "length", "too_short", f"{len(text)} characters, at least {floor} for {lang}")
    if len(text) > settings.max_characters:
        return _refuse(row, "length", "too_long", f"{len(text)} characters, at most {settings.max_characters}")
    return _check_language(row, lang, score, settings)


def _conversation(row: dict, settings: StageSettings) -> dict:
    turns = [_tidy(turn, settings) for turn in row["turns"]]
    joined = "\n".join(turns)
    lang, score = tag_language(joined)
    row |= {"turns": turns, "lang": lang, "duplicate_key": duplicate_key(joined)}
    if not all(turns):
        return _refuse(row, "length", "too_short", "a turn is empty after cleaning")
    return _check_language(row, lang, score, settings)


def _check_language(row: dict, lang: str, score: float, settings: StageSettings) -> dict:
    if lang not in settings.languages:
        return _refuse(row, "language", "other_language", f"{lang} {score:.3f}, wanted {' '.join(settings.languages)}")
    if score < settings.min_language_score:
        return _refuse(row, "language", "uncertain_language", f"{lang} {score:.3f} < {settings.min_language_score}")
    return row


def _refuse(row: dict, rule: str, reason: str, detail: str) -> dict:
    return row | {"rule": rule, "reason": reason, "detail": detail}

"""Rows of benchmark files to EVAL_ITEM rows; what cannot be asked becomes a dropped row with its reason.

    {"id": "1", "question": "...", "options": {"A": "...", "B": "..."}, "answer": "B"}    choice
    {"id": "1", "question": "...", "answer": "..."}                                       text
    {"id": "1", "question": "..."}                                                        ask

Options may also be a list, or Apollo's one text with a line for each, "(A) ...\\n(B) ...". The answer is a letter, in
brackets or not, the place in a list of options counted from 0, or the text of one option. A row without an id gets one
of its content. Files are JSON Lines, one JSON array as Apollo's, or Parquet.
"""

import contextlib
import io
import json
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from apollo_ray.evaluate.settings import Benchmark
from apollo_ray.records import DROPPED, EVAL_ITEM, MAX_ROW_CHARACTERS
from apollo_ray.text import content_id

RULE = "benchmarks"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LANG_OF_FILE = re.compile(r"(?:^|[_.-])([a-z]{2})\.jsonl$")  # choice_en.jsonl, en.jsonl
_OPTION = re.compile(r"^\s*[（(]?([A-Za-z])[）)．.、:：][ \t]*", re.MULTILINE)  # of "(A) one\n(B) two"
_BRACKETS_AND_STOPS = " \t().[]"


class _Unusable(Exception):
    """(reason, detail) of a row that cannot be asked."""


def rows_of(uri: str, data: bytes) -> list[bytes]:
    """Rows of a benchmark file as lines of JSON, whatever its layout. Never raises: what is no JSON is one line."""
    if uri.endswith(".parquet"):
        try:
            rows = pq.read_table(io.BytesIO(data)).to_pylist()
        except pa.ArrowInvalid:
            return [data[:MAX_ROW_CHARACTERS]]
        return [json.dumps(row, default=str).encode() for row in rows]
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        with contextlib.suppress(ValueError, RecursionError):  # else these are lines, the first of which is no object
            return [json.dumps(row).encode() for row in json.loads(data.decode("utf-8-sig"))]
    return data.splitlines(keepends=True)


def parse_items(
    benchmark: Benchmark, files: Iterable[tuple[str, Iterable[bytes]]], cut_golds: bool = False
) -> tuple[pa.Table, pa.Table]:
    """(EVAL_ITEM rows sorted by benchmark, language and id, DROPPED rows) of `files`: pairs of address and lines.

    Blank lines are no rows. `position` of a dropped row is its 0-based line. A gold of several letters is refused, or
    with `cut_golds` cut to its first and said so in `fault`.
    """
    items: dict[tuple[str, str, str], dict[str, Any]] = {}
    dropped: list[dict[str, Any]] = []
    for uri, lines in files:
        for position, line in enumerate(lines):
            if not line.strip():
                continue
            row: Any = None
            try:
                row = _load(line)
                item = _item(row, benchmark, uri, cut_golds)
                key = item["benchmark"], item["lang"], item["id"]
                if key in items:
                    raise _Unusable("duplicate_id", f"{item['id']!r} came before in language {item['lang']!r}")
                items[key] = item
            except _Unusable as error:
                reason, detail = error.args
                dropped.append(_refused(row, line, reason, detail, uri, position))
    ordered = [items[key] for key in sorted(items)]
    return pa.Table.from_pylist(ordered, schema=EVAL_ITEM), pa.Table.from_pylist(dropped, schema=DROPPED)


def first_items(items: pa.Table, limit: int | None) -> pa.Table:
    """The first `limit` rows of each benchmark and language, in order."""
    if limit is None:
        return items
    seen: dict[tuple[str, str], int] = {}
    kept = []
    for index, cell in enumerate(zip(items["benchmark"].to_pylist(), items["lang"].to_pylist(), strict=True)):
        seen[cell] = seen.get(cell, 0) + 1
        if seen[cell] <= limit:
            kept.append(index)
    return items.take(pa.array(kept, pa.int64()))


def _load(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _Unusable("not_json", str(error)[:200]) from None
    if not isinstance(row, dict):
        raise _Unusable("not_json", f"expected an object, got {type(row).__name__}")
    return row


def _item(row: dict[str, Any], benchmark: Benchmark, uri: str, cut_golds: bool) -> dict[str, Any]:
    question = _text(row.get("question"))
    if not question:
        raise _Unusable("no_question", f"question is {row.get('question')!r}"[:200])
    letters: list[str] = []
    options: list[str] = []
    answer = fault = None
    if benchmark.task == "choice":
        letters, options = _options(row.get("options"))
        answer = _letters(row.get("answer"), letters, options, by_place=isinstance(row["options"], list))
        if len(answer) > 1:
            fault = f"several_answers: {row.get('answer')!r} names more than one letter"[:200]
            if not cut_golds:
                raise _Unusable(*fault.split(": ", 1))
            answer = answer[0]
    elif benchmark.task == "text":
        answer = _text(row.get("answer"))
        if not answer:
            raise _Unusable("no_answer", f"answer is {row.get('answer')!r}"[:200])
    return {
        "id": _id(row.get("id"), question, options),
        "benchmark": _source(row) if benchmark.per_source else benchmark.name,
        "lang": benchmark.lang or _lang(row.get("lang"), uri),
        "task": benchmark.task,
        "context": _text(row.get("context")) or None,
        "question": question,
        "letters": letters,
        "options": options,
        "answer": answer,
        "fault": fault,
    }


def _source(row: dict[str, Any]) -> str:
    source = _text(row.get("source"))
    if not source:
        raise _Unusable("no_source", f"source is {row.get('source')!r}, and the benchmark is per_source"[:200])
    return source


def _text(value: Any) -> str:
    """`value` without the space around it; empty where it is no text."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Unusable("not_unicode", "half of a surrogate pair") from None
    return value.strip()


def _id(value: Any, question: str, options: list[str]) -> str:
    if value is None or value == "":
        return content_id(question, *options)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Unusable("bad_id", f"expected text or a number, got {value!r}"[:200])
    return _text(str(value))


def _lang(value: Any, uri: str) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2,3}", value.strip()):
        return value.strip().lower()
    found = _LANG_OF_FILE.search(posixpath.basename(uri))
    if value is not None or not found:
        raise _Unusable("no_language", f"lang is {value!r}, and the benchmark's settings name none"[:200])
    return found[1]


def _options(value: Any) -> tuple[list[str], list[str]]:
    """(letters, texts) in the order of the letters."""
    if isinstance(value, str):
        pieces = _OPTION.split(value)  # text before the first, then letter and text by turns
        value = None if pieces[0].strip() else list(zip(pieces[1::2], pieces[2::2], strict=True))
        if value and "".join(letter for letter, _ in value).upper() != LETTERS[: len(value)]:
            value = None
        value = dict(value or [])
    if isinstance(value, list):
        value = dict(zip(LETTERS, value, strict=False)) if len(value) <= len(LETTERS) else None
    if not isinstance(value, dict):
        raise _Unusable("bad_options", "expected a mapping of letters to texts, or a list of at most 26 texts")
    named = {_bare(key): _text(text) for key, text in value.items()}
    if len(named) < len(value) or any(len(key) != 1 or key not in LETTERS for key in named):
        raise _Unusable("bad_options", f"expected different single letters, got {list(value)}"[:200])
    if len(named) < 2 or not all(named.values()):
        raise _Unusable("bad_options", f"expected at least 2 options, none empty, got {value!r}"[:200])
    letters = sorted(named)
    return letters, [named[letter] for letter in letters]


def _letters(value: Any, letters: list[str], options: list[str], by_place: bool) -> str:
    """The letters of the gold, one as a rule."""
    if by_place and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(letters):
        return letters[value]
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = ",".join(value)
    if not isinstance(value, str) or not value.strip():
        raise _Unusable("no_answer", f"answer is {value!r}"[:200])
    answer = _bare(value)
    if answer in letters:
        return answer
    if options.count(value.strip()) == 1:
        return letters[options.index(value.strip())]
    if re.fullmatch(r"[A-Z]([\s,;/&+()]*[A-Z])+", answer) and set(re.findall("[A-Z]", answer)) <= set(letters):
        return "".join(re.findall("[A-Z]", answer))
    raise _Unusable("answer_not_an_option", f"{value!r} is none of {', '.join(letters)}"[:200])


def _bare(text: str) -> str:
    """A letter without brackets, full-width or not: `(b)` and `Ｂ.` are B."""
    return unicodedata.normalize("NFKC", text).strip(_BRACKETS_AND_STOPS).upper()


def _refused(row: Any, line: bytes, reason: str, detail: str, uri: str, position: int) -> dict[str, Any]:
    known = row.get("id") if isinstance(row, dict) else None
    return {
        "id": _encodable(known) if isinstance(known, str) else None if known is None else str(known),
        "rule": RULE,
        "reason": reason,
        "detail": _encodable(detail),
        "uri": uri,
        "position": position,
        "row": line.decode("utf-8", "replace").strip()[:MAX_ROW_CHARACTERS],
    }


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()

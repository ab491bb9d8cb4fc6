"""Chunks to raw rows. A row that does not parse comes out refused, with its place; it never stops a chunk.

Conversations are read in the forms that others write: `turns` or `conversations` as a list of texts, `conversations` or
`messages` as a list of {"role" | "from", "content" | "value"}, and {"instruction", "input", "output"}.
"""

import json
import posixpath
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from apollo_ray.corpus.markup import looks_like_page, page_text
from apollo_ray.corpus.sources import COMPRESSED, Chunk
from apollo_ray.text import content_id

Row = dict[str, Any]
"""id, text or turns, title, kind, license, position; or position, rule, reason and detail."""

USER_ROLES = frozenset({"user", "human"})
ASSISTANT_ROLES = frozenset({"assistant", "gpt", "model"})


def rows_of(chunk: Chunk, rows: str) -> Iterator[Row]:
    """The rows of a chunk in order. `rows` is "document" or "conversation"."""
    if chunk.reason is not None:
        yield _refused(chunk.position, chunk.reason, chunk.detail or "")
        return
    for position, value in _values(chunk):
        yield _row(value, position, rows)


def _values(chunk: Chunk) -> Iterator[tuple[int, Any]]:
    """(position, what stands there); an Exception where it does not parse."""
    if chunk.format == "parquet":
        with pa.ipc.open_stream(chunk.payload) as reader:
            yield from enumerate(reader.read_all().to_pylist(), chunk.position)
    elif chunk.format in ("text", "page"):
        yield chunk.position, _file(chunk)
    else:
        for number, line in enumerate(chunk.payload.split(b"\n"), chunk.position):
            if line.strip():
                yield number, _json(line)


def _file(chunk: Chunk) -> Any:
    try:
        text = chunk.payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return error
    if chunk.format == "page":
        return {"html": text}
    name = posixpath.basename(chunk.uri)
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return {"text": text, "title": posixpath.splitext(name)[0]}


def _json(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        return error


def _row(value: Any, position: int, rows: str) -> Row:
    if isinstance(value, UnicodeDecodeError):
        return _refused(position, "not_utf8", str(value)[:300])
    if isinstance(value, Exception):
        return _refused(position, "not_json", f"{type(value).__name__}: {value}"[:300])
    if isinstance(value, str):
        value = {"text": value}
    if isinstance(value, list):
        value = {"turns": value}
    if not isinstance(value, dict):
        return _refused(position, "not_an_object", f"a JSON {type(value).__name__}")
    kind = _string(value.get("kind") or value.get("type"))
    common: Row = {
        "title": _string(value.get("title")),
        "kind": kind.removeprefix("medical").lower() if kind else None,  # ApolloCorpora writes medicalExam
        "license": _string(value.get("license")),
        "position": position,
    }
    return common | (_document(value, common) if rows == "document" else _conversation(value, position))


def _document(value: dict[str, Any], common: Row) -> Row:
    text, page = value.get("text"), value.get("html")
    if not isinstance(text, str) or not text.strip():
        text = None
    if text is None and isinstance(page, str):
        text = page
    if text is None or not text.strip():
        return _refused(common["position"], "no_text", f"keys {sorted(map(str, value))}"[:300])
    identity = content_id(common["title"], text)
    if text is page or looks_like_page(text):
        title, text = page_text(text)
        return {"id": identity, "text": text, "title": common["title"] or title}
    return {"id": identity, "text": text}


def _conversation(value: dict[str, Any], position: int) -> Row:
    turns = _turns(value)
    if not turns or not all(isinstance(turn, str) for turn in turns):
        return _refused(position, "no_turns", f"keys {sorted(map(str, value))}"[:300])
    if len(turns) % 2 or not all(turn.strip() for turn in turns):
        return _refused(position, "unpaired_turns", f"{len(turns)} turns, {sum(not t.strip() for t in turns)} empty")
    return {"id": content_id(*turns), "turns": turns}


def _turns(value: dict[str, Any]) -> list[Any] | None:
    """User and assistant turns by turns; None where there are none, or where the roles do not alternate so."""
    found = next((value[key] for key in ("turns", "conversations", "messages") if value.get(key)), None)
    if found is None and _string(value.get("instruction")) and _string(value.get("output")):
        asked = "\n".join(text for text in (value["instruction"], _string(value.get("input"))) if text)
        return [asked, value["output"]]
    if not isinstance(found, list):
        return None
    if not all(isinstance(turn, dict) for turn in found):
        return found
    spoken = [(turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))) for turn in found]
    system = [text for role, text in spoken if role == "system" and isinstance(text, str)]
    turns = [(role, text) for role, text in spoken if role != "system"]
    expected = [(USER_ROLES, ASSISTANT_ROLES)[index % 2] for index in range(len(turns))]
    if any(role not in roles for (role, _), roles in zip(turns, expected, strict=True)):
        return None
    texts = [text for _, text in turns]
    if system and texts and isinstance(texts[0], str):
        texts[0] = "\n".join([*system, texts[0]])
    return texts


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _refused(position: int, reason: str, detail: str) -> Row:
    return {"position": position, "rule": "sources", "reason": reason, "detail": detail}

"""The audit log: who asked what of which mix, as JSON lines. Hashes instead of texts unless asked."""

import hashlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from apollo_ray.errors import UserError


class AuditLog:
    """A file of one replica in a folder; every line is written whole and flushed."""

    def __init__(self, folder: str | None, with_text: bool = False) -> None:
        """No folder: nothing is written. Raises UserError for a folder that cannot be written to."""
        self._file, self._with_text = None, with_text
        if folder is None:
            return
        place = Path(folder).expanduser() / f"audit-{socket.gethostname()}-{os.getpid()}.jsonl"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch(mode=0o600)
            self._file = place.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UserError(f"audit_log: cannot write to {folder!r}: {error}") from error

    def write(self, prompts: list[Any], answers: list[str], **fields: Any) -> None:
        """A line for one request, answered or refused. `fields` hold no text."""
        if self._file is None:
            return
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **fields}
        line |= {"prompt_sha256": [hashed(one) for one in prompts], "answer_sha256": [hashed(one) for one in answers]}
        if self._with_text:
            line |= {"prompts": prompts, "answers": answers}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()


def hashed(content: Any) -> str:
    """SHA-256 of a text, or of the JSON of token ids or messages."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

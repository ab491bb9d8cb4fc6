"""What several stages ask of a text: its identity."""

import hashlib
import json


def content_id(*parts: str | None) -> str:
    """16 hex digits that depend on the content alone, so that ids survive a re-ordering of files."""
    packed = json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(packed, digest_size=8).hexdigest()

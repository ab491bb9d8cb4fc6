"""Trains the tokenizer on the driver: merges need counts over all text, which the tokenizers library holds in Rust."""

import tempfile
from pathlib import Path

from apollo_ray.records import DOCUMENT
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts
from apollo_ray.tokenizer.bpe import train_bpe
from apollo_ray.tokenizer.settings import StageSettings


def run(context: Context[StageSettings]) -> Result:
    """One tokenizer folder, `tokenizer/`, that transformers loads."""
    settings = context.settings
    tables = [table for name in settings.documents for table in context.tables(name, DOCUMENT)]
    texts = [text for table in tables for text in table["text"].to_pylist()]
    tokenizer = train_bpe(texts, settings.vocabulary_size)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "tokenizer"
        tokenizer.save_pretrained(target)
        files = context.store.upload(target, context.directory, "tokenizer")
    characters = sum(map(len, texts))
    summary = {"vocabulary": len(tokenizer), "characters": characters}
    return Result(Counts("document", len(texts), len(texts)), extra=files, summary=summary)

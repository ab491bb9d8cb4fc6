"""The first sequences of a mix step as people can read them: every token, and on which ones loss is taken."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text
from tokenizers import Tokenizer

from apollo_ray.packed import PackedRow, PackedRows
from apollo_ray.records import IGNORED
from apollo_ray.step import Folder
from apollo_ray.store import Manifest, Store

BORDER = "\N{BOX DRAWINGS LIGHT VERTICAL}"
"""Between tokens."""
LINE_FEED = "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def show(console: Console, store: Store, manifest: Manifest, rows: int) -> None:
    """Print the first `rows` sequences of a finished mix step: masked tokens dim, supervised ones green on a terminal;
    in a log each run of tokens is a line that says which it is."""
    packed = PackedRows(store, manifest)
    folder = Folder(manifest.step, "tokenizer", store, manifest).local()
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    for number in range(min(rows, len(packed))):
        for text in lines(packed.row(number), number, tokenizer, coloured=console.is_terminal):
            console.print(text)


def lines(row: PackedRow, number: int, tokenizer: Tokenizer, coloured: bool) -> Iterator[Text]:
    """A heading for the sequence and for each of its documents, and their tokens: one line a document where colours
    tell masked from supervised tokens, else one a run of either."""
    ids, labels = row.input_ids.tolist(), row.labels.tolist()
    yield Text(f"row {number}: {len(ids)} tokens in {len(row.lengths)} documents", style="bold")
    start = 0
    for place, length in enumerate(row.lengths.tolist()):
        pairs = list(zip(ids[start : start + length], labels[start : start + length], strict=True))
        supervised = sum(label != IGNORED for _, label in pairs)
        yield Text(f"-- document {place}: {row.langs[place]}, {length} tokens, {supervised} supervised")
        whole = Text()
        for masked, run in itertools.groupby(pairs, key=lambda pair: pair[1] == IGNORED):
            words = [token_text(tokenizer, token) for token, _ in run]
            if coloured:
                whole.append(BORDER.join(words) + BORDER, style="dim" if masked else "green")
            else:
                yield Text(f"{'masked' if masked else 'supervised'} {len(words)}: {BORDER.join(words)}")
        if coloured:
            yield whole
        start += length


def token_text(tokenizer: Tokenizer, token: int) -> str:
    """What a token stands for; the vocabulary's own spelling where it is a part of a character."""
    text = tokenizer.decode([token], skip_special_tokens=False)
    if not text or REPLACEMENT in text:
        text = tokenizer.id_to_token(token) or f"<{token}>"
    return text.replace("\n", LINE_FEED)

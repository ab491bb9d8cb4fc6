"""What decontamination finds in real text, as Markdown: `python benchmarks/decontaminate.py [data folder]`.

Planted copies of XMedBench questions must be found; other documents must not be flagged. Seeded, so repeatable.
"""

import json
import pickle
import random
import sys
import time
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from apollo_ray.decontaminate import PAPER_LENGTH, Index, Item, items_of

LANGUAGES = ("en", "zh", "es", "fr", "hi", "ar")
PLANTED, UNRELATED, BATCH = 50, 500, 1_000
DIGITS = {"hi": "०१२३४५६७८९", "ar": "٠١٢٣٤٥٦٧٨٩"}
PUNCTUATION = str.maketrans(
    {",": ";", ".": " !", "?": "？", ":": "—", "，": ",", "。": ".", "、": " / ", "।": ".", "؟": "?"}
)


def rows_of(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def changed(text: str, lang: str, chance: random.Random) -> str:
    """`text` as another site would write it: case, width, punctuation, spacing, digits, diacritics."""
    text = text.translate(PUNCTUATION).replace(" ", "  \n" if chance.random() < 0.5 else "\u00a0")
    if lang in ("en", "es", "fr"):
        text = text.upper() if chance.random() < 0.5 else text.title()
    if lang in ("es", "fr"):
        spelled = unicodedata.normalize("NFD", text)
        text = "".join(c for c in spelled if not unicodedata.combining(c)) if chance.random() < 0.5 else spelled
    if lang == "zh":
        text = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    if lang == "hi":
        text = unicodedata.normalize("NFD", text).replace("\u093c", "")
    if lang == "ar":
        text = "".join(c + "\u064e" if c.isalpha() and chance.random() < 0.3 else c for c in text)
        text = text.replace("أ", "ا").replace("إ", "ا").replace("ة", "ه").replace("ل", "لـ")
    return text.translate({48 + n: digit for n, digit in enumerate(DIGITS.get(lang, "0123456789"))})


def table(title: str, head: str, lines: list[list[object]]) -> None:
    columns = head.split(" | ")
    print(f"\n## {title}\n\n| {head} |\n|{'---|' * len(columns)}")
    for line in lines:
        print("| " + " | ".join(str(cell) for cell in line) + " |")


def recall(index: Index, items: list[Item], documents: dict[str, list[str]]) -> None:
    """Planted copies found, of questions that count alone, and of the others together with their options."""
    chance = random.Random(0)
    lines = []
    for lang in LANGUAGES:
        own = [(number, item) for number, item in enumerate(items) if item.lang == lang]
        sizes = index.questions.ends - index.questions.starts
        alone = [(n, i) for n, i in own if sizes[n] >= PAPER_LENGTH or index.whole[n] == 1]
        stems = [(n, i) for n, i in own if sizes[n] < PAPER_LENGTH and index.whole[n] == 2]
        for kind, pool in (("alone", alone), ("with options", stems)):
            sample = chance.sample(pool, min(PLANTED, len(pool)))
            written = [
                item.question if kind == "alone" else "\n".join([item.question, *item.options]) for _, item in sample
            ]
            hosts = chance.choices(documents[lang], k=len(sample))
            copies = {
                "verbatim": written,
                "embedded": [
                    h[: len(h) // 2] + "\n" + w + "\n" + h[len(h) // 2 :] for h, w in zip(hosts, written, strict=True)
                ],
                "changed": [changed(text, lang, chance) for text in written],
            }
            for way, texts in copies.items():
                hits = [
                    overlap
                    for (_, item), overlaps in zip(sample, index.search(texts), strict=True)
                    for overlap in overlaps
                    if (overlap.item, overlap.benchmark) == (item.id, item.benchmark)
                ]
                rules = Counter(hit.rule for hit in hits)
                by_rule = ", ".join(f"{rule} {number}" for rule, number in rules.most_common())
                lines.append(
                    [lang, kind, way, f"{len(hits)} / {len(sample)}", sum(hit.telling for hit in hits), by_rule]
                )
    table("Planted copies", "lang | question | copy | found | telling | by rule", lines)


def flags(index: Index, folder: Path, head: str) -> tuple[float, float]:
    """Rows of each file that each rule flags; (MB, CPU-seconds) of searching them."""
    lines, excerpts, total, seconds = [], [], 0.0, 0.0
    for path in sorted(folder.glob("*.jsonl")):
        texts = [row["text"] if "text" in row else "\n".join(row["conversations"]) for row in rows_of(path)]
        start = time.process_time()
        found = [one for at in range(0, len(texts), BATCH) for one in index.search(texts[at : at + BATCH])]
        spent = time.process_time() - start
        size = sum(len(text.encode()) for text in texts) / 1e6
        total, seconds = total + size, seconds + spent
        telling = [[o for o in overlaps if o.telling] for overlaps in found]
        rules = Counter(o.rule for overlaps in found for o in overlaps)
        flagged = sum(map(bool, found[:UNRELATED])), sum(map(bool, found)), sum(map(bool, telling))
        by_rule = ", ".join(f"{rule} {number}" for rule, number in rules.most_common())
        lines.append([path.stem, len(texts), *flagged, by_rule, f"{size / spent:.1f}"])
        if head == "Unrelated documents":
            excerpts += [[path.stem, o.rule, o.item, o.length, o.telling] for overlaps in found for o in overlaps]
    table(head, "file | rows | flagged in first 500 | flagged | telling | overlaps by rule | MB/CPU-s", lines)
    if excerpts:
        table(f"{head}: every flag", "file | rule | item | characters | telling", excerpts)
    return total, seconds


def main(data: Path) -> None:
    paths = [data / "eval" / f"xmedbench_test_{lang}.jsonl" for lang in LANGUAGES]
    paths += sorted((data / "restricted" / "eval").glob("xmedbench_test_*_zh.jsonl"))
    items = [item for path in paths for item in items_of(rows_of(path), path.stem)]
    documents: dict[str, list[str]] = {lang: [] for lang in LANGUAGES}
    for path in sorted((data / "raw").glob("*.jsonl")):
        documents[path.stem[-2:]] += [row["text"] for row in rows_of(path)]
    start = time.process_time()
    index = Index.build(items)
    built = time.process_time() - start
    windows = {one.length: len(one.hashes) for one in index.tables}
    sizes = f"{index.nbytes / 1e6:.1f} MB of arrays, {len(pickle.dumps(index, 5)) / 1e6:.1f} MB pickled"
    print(f"# Decontamination against {len(items)} questions")
    print(f"\nIndex built in {built:.1f} CPU-s: {sizes}; windows by shortest stretch: {windows}.")
    tally = index.coverage()
    rules = ["consecutive_64", "whole_question", "consecutive_24", "question_and_options", "undecidable"]
    lines = [
        [
            lang,
            tally[lang]["items"],
            *(f"{100 * tally[lang].get(rule, 0) / tally[lang]['items']:.1f} %" for rule in rules),
        ]
        for lang in LANGUAGES
    ]
    table("Questions that each rule can see", "lang | items | " + " | ".join(rules), lines)
    recall(index, items, documents)
    size, seconds = flags(index, data / "raw", "Unrelated documents")
    print(f"\nSearch with folding: {size:.1f} MB, {size / seconds:.1f} MB/CPU-s (numpy {np.__version__}).")
    flags(index, data / "qa", "Other exams and instructions")


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1]
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "shared" / "data")

"""Which clean texts the quality rules keep, and which planted junk they drop.

    python benchmarks/quality.py [data folder, default ../shared/data] [--seed 2] [--number 100]

Clean: every file of raw/ and qa/, and the exam questions in Chinese, Hindi and Arabic of eval/, cleaned as the corpus
stage does; "held out" is the half that calibrate.py does not look at. Junk: tests/unit/corpus/junk.py, judged as it was
made and again after clean_text, which itself takes out repeated lines: there a text counts as dealt with when it is
dropped or lost half of its characters.
"""

import argparse
import importlib.util
import json
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apollo_ray.corpus import quality
from apollo_ray.corpus.clean import clean_text
from apollo_ray.records import LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "medicalexam": "exam", "medicalpatient": "patient", "encyclopedia-qa": "general", "wiki": "encyclopedia",
    "news": "web", "clinical-notes": "paper",
}  # fmt: skip
"""The data's own words for a kind -> ours."""


@dataclass(frozen=True)
class Text:
    file: str
    lang: str
    kind: str
    text: str
    held_out: bool


def load(folder: Path) -> Iterator[Text]:
    """Every real text, cleaned."""
    files = [
        path for pattern in ("raw/*.jsonl", "qa/*.jsonl", "eval/xmedbench_test_*") for path in folder.glob(pattern)
    ]
    for path in sorted(files):
        name = f"{path.parent.name}/{path.stem}"
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            kind = row.get("type", "exam").lower()
            kind = KINDS.get(kind, kind)
            if path.parent.name == "eval" and (row["lang"] not in ("zh", "hi", "ar") or row.get("suspect")):
                continue  # the other languages have exam questions to train on
            text = "\n".join(clean_text(turn, kind) for turn in _turns(row))
            yield Text(name, row["lang"], kind, text, bool(zlib.crc32(row["id"].encode()) & 1))


def _turns(row: dict) -> list[str]:
    if "text" in row:
        return [row["text"]]
    if "conversations" in row:
        return row["conversations"]
    options = [f"({letter}) {option}" for letter, option in row["options"].items()]
    return ["\n".join([row["question"], *options]), f"({row['answer']}) {row['options'].get(row['answer'], '')}"]


def measured(texts: list[Text]) -> dict[str, np.ndarray]:
    """MEASURES of all, in batches of the corpus stage's size."""
    parts = [quality.measure([one.text for one in texts[at : at + 200]]) for at in range(0, len(texts), 200)]
    return {name: np.concatenate([part[name] for part in parts]) for name in quality.MEASURES}


def clean_table(texts: list[Text]) -> None:
    started = time.process_time()
    measures = measured(texts)
    between = time.process_time()
    refusals = quality.judge(measures, [one.lang for one in texts], [one.kind for one in texts])
    judged = time.process_time() - between
    megabytes = sum(len(one.text.encode()) for one in texts) / 1e6
    print(f"{len(texts)} texts, {megabytes:.1f} MB: measure {megabytes / (between - started):.1f} MB/CPU-s,", end=" ")
    print(f"with judge {megabytes / (between - started + judged):.1f} MB/CPU-s\n")
    rows: dict[tuple[str, str], list[tuple[bool, str | None]]] = defaultdict(list)
    for one, refusal in zip(texts, refusals, strict=True):
        rows[one.file, one.lang].append((one.held_out, refusal.rule if refusal else None))
    print("| file | language | texts | kept % | held out, kept % | refused by |\n|---|---|---|---|---|---|")
    for (file, lang), judgements in sorted(rows.items()):
        kept = [rule is None for _, rule in judgements]
        unseen = [rule is None for held_out, rule in judgements if held_out]
        rules = Counter(rule for _, rule in judgements if rule).most_common(4)
        why = ", ".join(f"{rule} {n}" for rule, n in rules)
        print(f"| {file} | {lang} | {len(kept)} | {100 * np.mean(kept):.2f} | {100 * np.mean(unseen):.2f} | {why} |")


def junk_table(kind: str, seed: int, number: int, cleaned: bool) -> None:
    place = ROOT / "tests" / "unit" / "corpus" / "junk.py"
    spec = importlib.util.spec_from_file_location("junk", place)
    assert spec
    assert spec.loader
    junk = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(junk)
    state = "after clean_text" if cleaned else "as made"
    print(f"\nJunk as kind {kind}, seed {seed}, {number} of each, {state}: dropped %\n")
    print(f"| | {' | '.join(LANGUAGES)} | by |\n|---|{'---|' * (len(LANGUAGES) + 1)}")
    for name in junk.JUNK:
        shares, rules = [], Counter[str]()
        for lang in LANGUAGES:
            made = junk.junk(name, lang, number, seed)
            texts = [clean_text(text, kind) for text in made] if cleaned else made
            refusals = quality.judge(quality.measure(texts), [lang] * number, [kind] * number)
            rules.update(refusal.rule for refusal in refusals if refusal)
            gone = [len(text) < len(before) / 2 for text, before in zip(texts, made, strict=True)]
            shares.append(np.mean([bool(refusal) or less for refusal, less in zip(refusals, gone, strict=True)]))
        why = ", ".join(f"{rule} {n}" for rule, n in rules.most_common(4))
        print(f"| {name} | {' | '.join(f'{100 * share:.0f}' for share in shares)} | {why} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--number", type=int, default=100)
    chosen = parser.parse_args()
    clean_table(list(load(chosen.folder)))
    for kind, cleaned in (("web", False), ("web", True), ("patient", False), ("exam", False)):
        junk_table(kind, chosen.seed, chosen.number, cleaned)


if __name__ == "__main__":
    main()

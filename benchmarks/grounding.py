"""How much of what is wrong in an answer the grounding check finds, and how much of what is true it refuses.

    python benchmarks/grounding.py --data ../shared/data

benchmarks/grounding/LANG.jsonl and test/LANG.jsonl there: used while the rules were made. blind/LANG.jsonl: written by
another author who had seen neither the rules nor the other sets. An item names its passage (file, row, characters) and
has a question, a true answer, and answers with one fact changed each.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from apollo_ray.records import LANGUAGES
from apollo_ray.rewrite.grounding import support

KINDS = ("number", "dose", "unit", "negation", "comparison", "drug", "population")
COUNTED = KINDS[:4]
HERE = Path(__file__).resolve().parent / "grounding"


def passages(data: Path, file: str, cache: dict[str, dict[str, str]]) -> dict[str, str]:
    if file not in cache:
        rows = (json.loads(line) for line in (data / file).open(encoding="utf-8"))
        cache[file] = {row["id"]: row["text"] for row in rows}
    return cache[file]


def measure(items: list[dict], data: Path, lang: str) -> tuple[int, Counter[str], Counter[str]]:
    """(true answers refused, corrupted ones found by kind, all by kind)."""
    refused = 0
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    cache: dict[str, dict[str, str]] = {}
    for item in items:
        passage = passages(data, item["file"], cache)[item["row"]][item["start"] : item["end"]]
        refused += bool(support(item["answer"], passage, lang, item["question"]).unsupported)
        for one in item["corrupted"]:
            total[one["kind"]] += 1
            found[one["kind"]] += bool(support(one["answer"], passage, lang, item["question"]).unsupported)
    return refused, found, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    chosen = parser.parse_args()
    for name, folder in (
        ("used while the rules were made", HERE),
        ("used too", HERE / "test"),
        ("by another author", HERE / "blind"),
    ):
        print(f"\n{name}: found of all, by what was changed\n")
        print(f"| | true answers refused | {' | '.join(KINDS)} | numbers, doses, units, negations |")
        print("|---|" + "---|" * (len(KINDS) + 2))
        answers, all_refused = 0, 0
        all_found: Counter[str] = Counter()
        everything: Counter[str] = Counter()
        for lang in LANGUAGES:
            items = [json.loads(line) for line in (folder / f"{lang}.jsonl").open(encoding="utf-8")]
            refused, found, total = measure(items, chosen.data, lang)
            print(line_of(lang, refused, len(items), found, total))
            answers, all_refused = answers + len(items), all_refused + refused
            all_found, everything = all_found + found, everything + total
        print(line_of("all", all_refused, answers, all_found, everything))


def line_of(name: str, refused: int, answers: int, found: Counter[str], total: Counter[str]) -> str:
    """A line of the table."""
    cells = " | ".join(f"{found[kind]}/{total[kind]}" for kind in KINDS)
    share = sum(found[kind] for kind in COUNTED) / sum(total[kind] for kind in COUNTED)
    return f"| {name} | {refused}/{answers} | {cells} | {share:.2f} |"


if __name__ == "__main__":
    main()

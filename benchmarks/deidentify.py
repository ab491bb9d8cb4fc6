"""Precision, recall, false positives and speed of apollo_ray.corpus.deidentify.

    python benchmarks/deidentify.py [data folder, default ../shared/data]

(a) record headers of raw/meddocan_es.jsonl, whose known layout is the gold; (b) tests/fixtures/phi, both splits;
(c) finds per 1,000 characters in news, encyclopedias and papers; and MB of UTF-8 per CPU-second everywhere.
The test rows were scored once before any rule had seen them: recall en .912 zh .909 hi .969 es .886 fr .857 ar 1.000,
precision zh .968 and 1.000 elsewhere. Their misses have been mended since, so both splits now guard, and neither
tells how well unseen text fares: those figures do.
Overlap: a gold span counts as found when a span of its type touches it. Characters: of any type, inside the spans.
"""

import argparse
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from apollo_ray.corpus.deidentify import Span, deidentify, find
from apollo_ray.records import LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
Gold = list[Span]

_MARK = re.compile(r"\[\[(\w+)\|(.*?)\]\]", re.DOTALL)
_LINES = {
    "Nombre": "NAME",
    "Apellidos": "NAME",
    "NHC": "RECORD",
    "CIPA": "RECORD",
    "Episodio": "RECORD",
    "NASS": "ID",
    "Domicilio": "ADDRESS",
    "Localidad/ Provincia": "ADDRESS",
    "CP": "ADDRESS",
    "Fecha de nacimiento": "DATE",
    "Fecha de Ingreso": "DATE",
}
_EMAIL = re.compile(r"[^\s:;,<>()]+@[^\s:;,<>()]+\.[a-z]{2,4}\b")
_PHONE = re.compile(r"(?:Tel[ée]fono|Tfno|Tlf|Tel|Fax)[.:]*\s*:?\s*((?:\+\d\d )?\d[\d ]{7,13}\d)")


def unmarked(marked: str) -> tuple[str, Gold]:
    """The text without its `[[TYPE|value]]` marks, and the spans that they marked."""
    parts: list[str] = []
    gold: Gold = []
    length = end = 0
    for match in _MARK.finditer(marked):
        before = marked[end : match.start()]
        parts += [before, match[2]]
        length += len(before) + len(match[2])
        gold.append(Span(length - len(match[2]), length, match[1]))
        end = match.end()
    return "".join([*parts, marked[end:]]), gold


def meddocan_gold(text: str) -> Gold:
    """Spans of the synthetic header: line by line by its fixed labels; e-mails and telephones of the closing line."""
    gold: Gold = []
    offset = 0
    for line in text.split("\n"):
        label, _, rest = line.partition(":")
        kind = _LINES.get(label.strip())
        value = rest.strip().rstrip(".").strip()
        if kind and value:
            start = offset + line.index(value, len(label) + 1)
            gold.append(Span(start, start + len(value), kind))
        elif label.strip() == "Médico":
            doctor = re.match(r"Médico:\s*(.+?)\s*(?:N[ºo°]\s?Col\.?:?\s*(\d[\d ]*\d))?[\s.]*$", line.strip())
            if doctor:
                for group, type_ in ((1, "NAME"), (2, "RECORD")):
                    if doctor[group]:
                        start = offset + line.index(doctor[group])
                        gold.append(Span(start, start + len(doctor[group]), type_))
        offset += len(line) + 1
    gold += [Span(*match.span(), "EMAIL") for match in _EMAIL.finditer(text)]
    gold += [Span(*match.span(1), "PHONE") for match in _PHONE.finditer(text)]
    return gold


class Score:
    """Overlap and character counts of one set, per type."""

    def __init__(self) -> None:
        self.gold: Counter[str] = Counter()
        self.hit: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self.characters: Counter[str] = Counter()

    def add(self, gold: Gold, found: Iterable[Span]) -> None:
        found = list(found)
        for span in gold:
            self.gold[span.type] += 1
            self.hit[span.type] += any(_touch(span, other) and span.type == other.type for other in found)
        for span in found:
            self.found[span.type] += 1
            self.right[span.type] += any(_touch(span, other) and span.type == other.type for other in gold)
        inside_gold = {place for span in gold for place in range(span.start, span.end)}
        inside_found = {place for span in found for place in range(span.start, span.end)}
        self.characters.update(gold=len(inside_gold), found=len(inside_found), both=len(inside_gold & inside_found))

    def lines(self, name: str) -> Iterator[str]:
        both, gold, found = (self.characters[key] for key in ("both", "gold", "found"))
        yield (
            f"{name:22} all      recall {_share(self.hit.total(), self.gold.total())} precision "
            f"{_share(self.right.total(), self.found.total())} | characters: recall {_share(both, gold)} "
            f"precision {_share(both, found)}"
        )
        for kind in sorted(self.gold | self.found):
            yield (
                f"{name:22} {kind:8} recall {_share(self.hit[kind], self.gold[kind])} "
                f"precision {_share(self.right[kind], self.found[kind])} of {self.gold[kind]}"
            )


def _touch(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "  -  "


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def score_headers(path: Path, limit: int | None = None) -> Score:
    """Recall over the gold; precision over the finds in the header, that is up to the doctor's line."""
    score = Score()
    for row in rows(path)[:limit]:
        text = row["text"]
        gold = meddocan_gold(text)
        last = max((span.end for span in gold if span.type not in {"EMAIL", "PHONE"}), default=0)
        found = find(text, "es")
        in_reach = [s for s in found if s.start < last or s.type == "EMAIL" or any(_touch(s, g) for g in gold)]
        score.add(gold, in_reach)
    return score


def score_labelled(path: Path, split: str) -> Score:
    """Over the rows of a split, "tune" or "test"; those without marks are traps, where every find is wrong."""
    score = Score()
    for row in rows(path):
        if row["split"] == split:
            text, gold = unmarked(row["text"])
            score.add(gold, find(text, row["lang"]))
    return score


def ordinary(folder: Path, examples: int) -> Iterator[str]:
    """Finds in text that is no record: mostly titled names of public life; and the speed of `deidentify`."""
    for path in sorted(folder.glob("*.jsonl")):
        counts: Counter[str] = Counter()
        seen: dict[str, list[str]] = defaultdict(list)
        characters = size = 0
        started = time.process_time()
        for row in rows(path):
            counts += deidentify([row["text"]], row["lang"])[1]
            characters += len(row["text"])
            size += len(row["text"].encode())
        seconds = time.process_time() - started
        per_thousand = {kind: round(1000 * count / characters, 3) for kind, count in counts.most_common()}
        yield f"{path.stem:36} {size / 1e6 / seconds:5.1f} MB/CPU-s  finds per 1,000 characters: {per_thousand}"
        if examples:
            for row in rows(path):
                for span in find(row["text"], row["lang"]):
                    seen[span.type].append(row["text"][max(0, span.start - 25) : span.end + 15].replace("\n", " "))
            for kind, found in seen.items():
                yield from (
                    f"      {kind:8} {example}" for example in found[:: max(1, len(found) // examples)][:examples]
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--examples", type=int, default=0, help="finds to show per type and file of ordinary text")
    chosen = parser.parse_args()
    for line in score_headers(chosen.data / "raw" / "meddocan_es.jsonl").lines("meddocan headers"):
        print(line)
    for split in ("tune", "test"):
        for lang in LANGUAGES:
            score = score_labelled(ROOT / "tests" / "fixtures" / "phi" / f"{lang}.jsonl", split)
            for line in score.lines(f"labelled {split} {lang}"):
                print(line)
    for line in ordinary(chosen.data / "raw", chosen.examples):
        print(line)


if __name__ == "__main__":
    main()

"""What duplicate detection finds in real text, as Markdown: `python benchmarks/dedup.py [data folder]`.

Copies must be found and distinct documents that look alike must stay. Seeded, so repeatable.
"""

import itertools
import json
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from apollo_ray.codepoints import Ints
from apollo_ray.corpus import copies, dedup, minhash

LANGUAGES = {
    "en": ("raw/e3c_pubmed_abstracts_en", "raw/tico19_en", "raw/medquad_ghr_en"),
    "zh": ("raw/toyhom_dialogue_zh", "raw/tico19_zh", "raw/ntrex_news_zh"),
    "hi": ("raw/tico19_hi", "raw/ntrex_news_hi", "raw/xquad_wiki_hi"),
    "es": ("raw/spaccc_es", "raw/tico19_es", "raw/ntrex_news_es"),
    "fr": ("raw/e3c_pamj_fr", "raw/tico19_fr", "raw/ntrex_news_fr"),
    "ar": ("raw/tico19_ar", "raw/ntrex_news_ar", "raw/xquad_wiki_ar"),
}
ALIKE = (
    ("raw/medquad_ghr_en",),
    ("raw/e3c_pamj_en", "raw/e3c_pubmed_abstracts_en", "raw/e3c_pamj_fr", "raw/spaccc_es"),
    tuple(f"raw/xquad_wiki_{lang}" for lang in ("en", "zh", "hi", "es", "ar")),
    tuple(f"raw/tico19_{lang}" for lang in LANGUAGES),
    ("raw/medquad_cancer_healthtopics_en", "raw/mts_dialog_en", "raw/toyhom_dialogue_zh"),
    ("qa/medquad_en",),
    ("restricted/raw/e3c_bdpm_leaflets_fr",),
)
EDITS = (0.0, 0.01, 0.02, 0.05)
PER_LANGUAGE, MIN_TOKENS, BATCH = 300, 100, 200
COPY_JACCARD, COPY_CONTAINMENT = 0.8, 0.9  # of exact 5-gram sets: a true copy, not a false merge


def rows_of(folder: Path, name: str) -> list[dict]:
    path = folder / f"{name}.jsonl"
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def text_of(row: dict) -> str:
    return row["text"] if "text" in row else "\n".join(row["conversations"])


def texts_of(folder: Path, names: Iterable[str]) -> list[str]:
    return [text_of(row) for name in names for row in rows_of(folder, name)]


def table(title: str, head: str, lines: list[list[object]]) -> None:
    print(f"\n## {title}\n\n| {head} |\n|{'---|' * len(head.split(' | '))}")
    for line in lines:
        print("| " + " | ".join(str(cell) for cell in line) + " |")


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def words_of(text: str) -> list[str]:
    batch = dedup.fold_batch([text])
    spans = batch.tokens
    return [
        batch.codes[start:end].tobytes().decode("utf-32-le")
        for start, end in zip(spans.starts, spans.ends, strict=True)
    ]


def shingle_sets(texts: list[str]) -> list[set[tuple[str, ...]]]:
    split = [words_of(text) for text in texts]
    return [{tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))} for words in split]


def exact_likeness(one: set, other: set) -> tuple[float, float]:
    both = len(one & other)
    return both / len(one | other), both / min(len(one), len(other))


def dropped_for(texts: list[str]) -> tuple[Ints, Ints, Ints]:
    """int64[n]: the row that each is dropped for, -1 for those that stay; and the candidate pairs (rows)."""
    lengths = np.array([len(text) for text in texts])
    keys = dedup.exact_keys(texts)
    place = dedup.priority(lengths, np.zeros(len(texts), np.int64), keys)
    survivor = dedup.exact_survivors(keys, place)
    found = minhash.signatures(texts)
    rows = np.flatnonzero((survivor < 0) & (found.shingles > 0))
    rows = rows[np.argsort(place[rows])]
    ordered = minhash.Signatures(found.bands[rows], found.sketch[rows], found.shingles[rows])
    a, b = copies.candidates(ordered.bands, np.arange(len(rows)))
    likeness = minhash.estimate(ordered, a, b)
    chosen, _ = dedup.survivors(len(rows), a[likeness.alike], b[likeness.alike], likeness.jaccard[likeness.alike])
    near = np.flatnonzero(chosen >= 0)
    survivor[rows[near]] = rows[chosen[near]]
    return survivor, rows[a], rows[b]


def final(survivor: Ints) -> Ints:
    """int64[n]: the row that stands for each, itself for those that stay (a near copy may have exact copies)."""
    stands = np.where(survivor < 0, np.arange(len(survivor)), survivor)
    return stands[stands]


def twins(folder: Path) -> None:
    """Case reports and their copies with a header of personal data."""
    cases = {row["doc"]: row["text"] for row in rows_of(folder, "raw/spaccc_es")}
    notes = [row for row in rows_of(folder, "raw/meddocan_es") if row.get("twin") in cases]
    bodies, written = [cases[row["twin"]] for row in notes], [row["text"] for row in notes]
    likeness = np.array(
        [exact_likeness(a, b) for a, b in zip(shingle_sets(bodies), shingle_sets(written), strict=True)]
    )
    stands = final(dropped_for(bodies + written)[0])
    found = stands[: len(notes)] == stands[len(notes) :]
    lines = []
    for floor in (0.0, 0.8, COPY_CONTAINMENT, 0.95):
        shared = likeness[:, 1] >= floor
        lines.append(
            [floor, shared.sum(), f"{np.median(likeness[shared, 0]):.2f}", percent(found[shared].sum(), shared.sum())]
        )
    table("Clinical notes that are a case report with a header (es)",
          "exact containment from | pairs | median Jaccard | found", lines)  # fmt: skip


def edited(words: list[str], rate: float, vocabulary: list[str], chance: random.Random) -> list[str]:
    made = []
    for word in words:
        if chance.random() >= rate:
            made.append(word)
        elif (kind := chance.randrange(3)) == 0:
            made.append(chance.choice(vocabulary))
        elif kind == 1:
            made += [word, chance.choice(vocabulary)]
    return made


def planted(folder: Path) -> None:
    """Copies with a share of the words (characters in zh) substituted, deleted or inserted, among their originals."""
    lines = []
    for lang, names in LANGUAGES.items():
        chance = random.Random(lang)
        texts = sorted(set(texts_of(folder, names)))
        split = [words for words in map(words_of, chance.sample(texts, len(texts))) if len(words) >= MIN_TOKENS]
        split = split[:PER_LANGUAGE]
        vocabulary = [word for words in split for word in words]
        line: list[object] = [lang, len(split)]
        for rate in EDITS:
            made = [" ".join(edited(words, rate, vocabulary, chance)) for words in split]
            stands = final(dropped_for([" ".join(words) for words in split] + made)[0])
            line.append(percent((stands[: len(split)] == stands[len(split) :]).sum(), len(split)))
        lines.append(line)
    head = " | ".join(f"{100 * rate:.0f} % of words" for rate in EDITS)
    table(f"Edited copies found, documents of {MIN_TOKENS} tokens and more", f"language | documents | {head}", lines)


def false_merges(folder: Path) -> None:
    """Distinct documents that look alike; true copies by exact sets are taken out first."""
    lines, totals = [], np.zeros(3, np.int64)
    for names in ALIKE:
        texts = texts_of(folder, names)
        if not texts:
            lines.append([", ".join(names), "absent", "", "", ""])
            continue
        sets = shingle_sets(texts)
        distinct = without_copies(sets)
        texts, sets = [texts[row] for row in distinct], [sets[row] for row in distinct]
        survivor, a, _ = dropped_for(texts)
        merged = np.flatnonzero(survivor >= 0)
        near = [exact_likeness(sets[row], sets[survivor[row]])[0] for row in merged]
        lines.append(
            [", ".join(names), len(texts), len(a), f"{len(merged)} ({percent(len(merged), len(texts))})",
             f"{np.median(near):.2f}" if near else "-"]
        )  # fmt: skip
        if not names[0].startswith("restricted"):
            totals += [len(texts), len(a), len(merged)]
    lines.append(["all but the leaflets", totals[0], totals[1], f"{totals[2]} ({percent(totals[2], totals[0])})", ""])
    table("Distinct documents dropped",
          "files | distinct documents | candidate pairs | dropped | their exact Jaccard (median)", lines)  # fmt: skip


def without_copies(sets: list[set]) -> list[int]:
    """Rows, the largest first, that are no true copy of one taken before."""
    holders: dict[tuple, list[int]] = {}
    taken = []
    for row in sorted(range(len(sets)), key=lambda row: (-len(sets[row]), row)):
        shared: dict[int, int] = {}
        for shingle in sets[row]:
            for other in holders.get(shingle, ()):
                shared[other] = shared.get(other, 0) + 1
        copy = any(
            both >= COPY_CONTAINMENT * len(sets[row])
            or both >= COPY_JACCARD * (len(sets[row]) + len(sets[other]) - both)
            for other, both in shared.items()
        )
        if not copy:
            taken.append(row)
            for shingle in sets[row]:
                holders.setdefault(shingle, []).append(row)
    return sorted(taken)


def estimates(folder: Path) -> None:
    """Error of the estimate on originals and edited copies, by length."""
    chance = random.Random(0)
    texts = texts_of(folder, ("raw/e3c_pubmed_abstracts_en", "raw/medquad_ghr_en", "raw/tico19_hi", "raw/tico19_zh"))
    split = [words_of(text) for text in chance.sample(texts, min(1_500, len(texts)))]
    split += [list(itertools.chain(*split[at : at + 60])) for at in range(0, len(split), 60)]
    vocabulary = [word for words in split[:200] for word in words]
    pairs = [(words, edited(words, chance.choice((0.01, 0.03, 0.06)), vocabulary, chance)) for words in split]
    pairs = [(one, other) for one, other in pairs if len(one) >= 20 and len(other) >= 20]
    first, second = ([" ".join(pair[side]) for pair in pairs] for side in (0, 1))
    found = minhash.signatures(first + second)
    rows = np.arange(len(pairs))
    likeness = minhash.estimate(found, rows, rows + len(pairs))
    exact = np.array([exact_likeness(a, b) for a, b in zip(shingle_sets(first), shingle_sets(second), strict=True)])
    size = found.shingles[: len(pairs)]
    lines: list[list[object]] = []
    for low, high in ((0, 100), (100, 300), (300, 1_000), (1_000, 10_000), (10_000, 10**9)):
        part = (size >= low) & (size < high)
        if part.any():
            j, c = likeness.jaccard[part] - exact[part, 0], likeness.containment[part] - exact[part, 1]
            lines.append(
                [f"{low} to {high}", part.sum(), f"{j.mean():+.4f}", f"{j.std():.4f}", f"{c.mean():+.4f}",
                 f"{c.std():.4f}"]
            )  # fmt: skip
    table("Error of the estimates", "shingles | pairs | Jaccard mean | sd | containment mean | sd", lines)


def speed(folder: Path) -> None:
    texts = [text for names in LANGUAGES.values() for text in texts_of(folder, names)]
    megabytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6
    batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    dedup.exact_keys(texts[:1]), minhash.signatures(texts[:BATCH])  # tables and powers are made once
    lines = []
    for name, work in (("exact_keys", dedup.exact_keys), ("signatures", minhash.signatures)):
        seconds = min(cpu_seconds(lambda work=work: [work(batch) for batch in batches]) for _ in range(3))
        lines.append([name, len(texts), f"{len(texts) / seconds:,.0f}", f"{megabytes / seconds:.1f}"])
    table(
        f"Speed, documents of {1e3 * megabytes / len(texts):.1f} kB", "step | documents | per CPU-s | MB/CPU-s", lines
    )


def cpu_seconds(work: object) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def driver(rows: int) -> list[object]:
    """Synthetic signatures, 10 % of them copies that differ in one minimum of five."""
    random_bits = np.random.default_rng(0)
    minima = random_bits.integers(0, 2**32, (rows, minhash.BANDS * minhash.ROWS), np.uint32)
    copied = rows // 10
    changed = random_bits.random((copied, minima.shape[1])) < 0.2
    minima[-copied:] = np.where(changed, minima[-copied:], minima[:copied])
    bands = minhash._band_keys(minima.T)
    sketch = np.zeros((rows, minhash.SKETCH_BYTES), np.uint8)
    sketch[:, :128] = minima[:, :128] & 255
    del minima
    found = minhash.Signatures(bands, sketch, np.full(rows, 300, np.int32))
    seconds = []
    result: dict[str, tuple] = {}
    steps = (
        ("pairs", lambda: copies.candidates(bands, np.arange(rows))),
        ("alike", lambda: (minhash.estimate(found, *result["pairs"]).jaccard,)),
        ("components", lambda: (dedup.components(rows, *result["pairs"]),)),
        ("survivors", lambda: dedup.survivors(rows, *result["pairs"], *result["alike"])),
    )
    for name, step in steps:
        started = time.process_time()
        result[name] = step()
        seconds.append(f"{time.process_time() - started:.2f}")
    held = bands[:, 0].nbytes + found.sketch.nbytes + found.shingles.nbytes
    return [f"{rows:,}", len(result["pairs"][0]), *seconds, f"{bands.nbytes / rows:.0f}", f"{held / rows:.0f}"]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    print("# Duplicates")
    twins(folder)
    planted(folder)
    false_merges(folder)
    estimates(folder)
    speed(folder)
    table("On the driver, CPU seconds",
          "rows | candidate pairs | pairs of 50 bands | estimates | components | survivors | bytes a row: bands | "
          "sketch, count, one band", [driver(50_000), driver(500_000)])  # fmt: skip


if __name__ == "__main__":
    main()

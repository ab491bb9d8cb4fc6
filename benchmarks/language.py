"""How well and how fast languages are told, as Markdown: `python benchmarks/language.py [data folder]`.

Word lists and weights were chosen on the even rows, neighbours are therefore measured on the odd ones. Those were never
read, but counted while choosing, so they are no blind test. Questions are measured on all rows. Seeded, so repeatable.
"""

import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from apollo_ray.errors import UserError
from apollo_ray.language import Tag, tags
from apollo_ray.language_engines import ENGINES
from apollo_ray.language_mixture import mixture
from apollo_ray.records import LANGUAGES

SAMPLE = 600
NEIGHBOURS = ("ur", "fa", "ps", "mr", "ne", "ja", "pt", "it", "ca", "gl")
OTHERS = ("ckb", "sd", "ug", "eu", "ro", "de", "la", "eo", "ga")
FILES = (
    "langid/lingua_sentences.jsonl",
    "langid/ntrex.jsonl",
    "langid/tico19_medical.jsonl",
    "langid/e3c_medical_it.jsonl",
    "langid/e3c_wiki_eu.jsonl",
    "restricted/langid/udhr.jsonl",
)
KINDS = ("question", "first 40 characters", "first 20 characters", "25 % English inside")
ENGLISH_SHARE = 0.25
Many = Callable[[list[str]], list[Tag]]


def rows_of(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def questions(data: Path) -> dict[str, list[str]]:
    """Up to SAMPLE exam questions a language; those marked as mistranslated are left out."""
    result = {}
    for lang in LANGUAGES:
        paths = [*data.glob(f"eval/xmedbench_*_{lang}.jsonl"), *data.glob(f"restricted/eval/xmedbench_*_{lang}.jsonl")]
        found = [row["question"] for path in sorted(paths) for row in rows_of(path) if not row.get("suspect")]
        random.Random(1).shuffle(found)
        result[lang] = found[:SAMPLE]
    return result


def with_english(text: str, english: list[str], chance: random.Random) -> str:
    """`text` with runs of up to six words of an English sentence between its words, until they are ENGLISH_SHARE."""
    words, inserted, need = text.split(), 0, len(text) * ENGLISH_SHARE / (1 - ENGLISH_SHARE)
    while inserted < need:
        sentence = chance.choice(english).split()
        start = chance.randrange(max(1, len(sentence) - 5))
        run: list[str] = []
        for word in sentence[start : start + 6]:
            if inserted < need:
                run.append(word)
                inserted += len(word) + 1
        place = chance.randrange(len(words) + 1)
        words[place:place] = run
    return " ".join(words)


def sentences(data: Path) -> dict[str, dict[str, list[str]]]:
    """Texts of each file by language: the odd rows, counted through all files."""
    result: dict[str, dict[str, list[str]]] = {}
    number = 0
    for name in FILES:
        by_lang: dict[str, list[str]] = defaultdict(list)
        for row in rows_of(data / name) if (data / name).exists() else ():
            if number % 2:
                by_lang[row["lang"]].append(row["text"])
            number += 1
        result[Path(name).stem] = by_lang
    return result


def documents(data: Path) -> dict[str, list[str]]:
    return {
        lang: [row["text"] for path in sorted(data.glob(f"raw/*_{lang}.jsonl")) for row in list(rows_of(path))[:50]]
        for lang in LANGUAGES
    }


def table(title: str, head: list[str], lines: list[list[object]]) -> None:
    print(f"\n## {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for line in lines:
        print("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in line) + " |")


def percent(texts: list[str], many: Many, right: Callable[[str], bool]) -> float:
    return 100 * sum(right(found.lang) for found in many(texts)) / max(1, len(texts))


def recall(engines: dict[str, Many], variants: dict[str, dict[str, list[str]]]) -> None:
    lines: list[list[object]] = []
    for kind, by_lang in variants.items():
        for name, many in engines.items():
            each = {lang: percent(by_lang[lang], many, lang.__eq__) for lang in LANGUAGES if lang in by_lang}
            shown = [each.get(lang, "") for lang in LANGUAGES]
            lines.append([kind, name, sum(each.values()) / len(each), *shown])
    table("Recall, %", ["texts", "engine", "macro", *LANGUAGES], lines)


def neighbours(engines: dict[str, Many], data: Path) -> None:
    lines: list[list[object]] = []
    found = sentences(data)
    pooled: dict[str, list[str]] = defaultdict(list)
    for file, by_lang in found.items():
        for lang, texts in by_lang.items():
            if file != "udhr":
                pooled[lang] += texts
    for title, texts_of in (("sentences", pooled), ("udhr", found.get("udhr", {}))):
        for name, many in engines.items() if texts_of else ():
            each = {
                lang: percent(texts_of[lang], many, LANGUAGES.__contains__)
                for lang in (*NEIGHBOURS, *OTHERS)
                if texts_of.get(lang)
            }
            asked = [each[lang] for lang in NEIGHBOURS if lang in each]
            lines.append([title, name, sum(asked) / len(asked), *(each.get(x, "") for x in (*NEIGHBOURS, *OTHERS))])
    table("Neighbours taken for one of the six, %", ["texts", "engine", "mean of ten", *NEIGHBOURS, *OTHERS], lines)


def declared(variants: dict[str, dict[str, list[str]]]) -> None:
    lines: list[list[object]] = []
    for kind, by_lang in variants.items():
        right = [
            percent(t, lambda texts, lang=lang: tags(texts, [lang] * len(texts)), lang.__eq__)
            for lang, t in by_lang.items()
        ]
        wrong = [
            percent(t, lambda texts, other=other: tags(texts, [other] * len(texts)), lang.__eq__)
            for lang, t in by_lang.items()
            for other in LANGUAGES
            if other != lang
        ]
        lines.append([kind, sum(right) / len(right), sum(wrong) / len(wrong)])
    table("Macro recall with a declared language, %", ["texts", "declared rightly", "declared wrongly"], lines)


def mixtures(docs: dict[str, list[str]]) -> None:
    """A second language of a fifth or more: seen where two are joined, not seen in one."""
    single = [
        len(shares) > 1 and sorted(shares.values())[-2] >= 0.2 for d in docs.values() for shares in map(mixture, d)
    ]
    joined = []
    for first in LANGUAGES:
        for second in LANGUAGES:
            if first < second:
                for a, b in list(zip(docs[first], docs[second], strict=False))[:20]:
                    shares = mixture(a[:1500] + "\n" + b[:1500])
                    joined.append({lang for lang, share in shares.items() if share >= 0.2} == {first, second})
    seen, false = 100 * sum(joined) / len(joined), 100 * sum(single) / len(single)
    table(
        "Documents in two languages, %",
        ["texts", "number", "told as two"],
        [
            ["1,500 characters of each of two languages", len(joined), seen],
            ["documents as they are", len(single), false],
        ],
    )


def speed(engines: dict[str, Many], texts: dict[str, list[str]]) -> None:
    lines: list[list[object]] = []
    runs = [(name, kind, many, texts[kind]) for name, many in engines.items() for kind in texts]
    runs += [("mixture", kind, lambda some: [mixture(text) for text in some], found) for kind, found in texts.items()]
    for name, kind, many, some in runs:
        some = some if name in ("profiles", "mixture") else some[:300]
        many(some)
        started = time.process_time()
        many(some)
        seconds = time.process_time() - started
        lines.append([name, kind, round(len(some) / seconds), sum(len(t.encode()) for t in some) / seconds / 1e6])
    table("Speed, once the words are known", ["engine", "texts", "texts per CPU-second", "MB per CPU-second"], lines)


def main(data: Path) -> None:
    asked, docs, chance = questions(data), documents(data), random.Random(0)
    mixed = {lang: [with_english(t, asked["en"], chance) for t in asked[lang]] for lang in LANGUAGES if lang != "en"}
    short = [{lang: [text[:size] for text in found] for lang, found in asked.items()} for size in (40, 20)]
    variants = dict(zip(KINDS, (asked, *short, mixed), strict=True))
    engines: dict[str, Many] = {}
    for name, one in ENGINES.items():
        engines[name] = tags if name == "profiles" else lambda texts, one=one: [one(text) for text in texts]
        try:
            engines[name](["words"])
        except UserError:
            del engines[name]
    started = time.process_time()
    every = [text for found in (*asked.values(), *docs.values()) for text in found]
    tags(every)
    cold = time.process_time() - started
    print(f"# Languages\n\nFirst pass, no word known: {len(every) / cold:.0f} texts per CPU-second.")
    recall(engines, variants)
    neighbours(engines, data)
    declared({kind: variants[kind] for kind in KINDS[:3]})
    mixtures(docs)
    flat = {"questions": asked, "documents": docs}
    texts = {kind: [text for found in by_lang.values() for text in found] for kind, by_lang in flat.items()}
    for found in texts.values():
        random.Random(2).shuffle(found)
    speed(engines, texts)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))

"""How much of what is wrong in an answer the grounding check finds, and how much of what is true it refuses.

    python benchmarks/grounding.py --data ../shared/data
    python benchmarks/grounding.py --data ../shared/data --judge http://llm:8000/v1 --model my-model --sets held_out

With --judge a model behind an OpenAI-compatible endpoint is asked about what the rules let through, by the prompts and
with the ledger that `verify: {judge: true}` uses; the replies are kept in --store and never asked for twice.

Sets, benchmarks/grounding/: `made` and `test` were used while the rules were made; `blind` was written by another
author who had seen neither, and used later; `claims` and `held_out` by others again, and nothing was made or chosen
with them. An item names its passage (file, row, characters) and has a question, a true answer, and answers with one
fact changed each; of `claims`, pairs of a true sentence and the same with one polarity changed.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apollo_ray.kept import key_of
from apollo_ray.records import LANGUAGES
from apollo_ray.rewrite import openai_engine, prompts
from apollo_ray.rewrite.grounding import support
from apollo_ray.rewrite.ledger import Ledger, Reply
from apollo_ray.rewrite.script import GREEDY, Call, Script
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings
from apollo_ray.rewrite.turns import Form
from apollo_ray.rewrite.verify import check_judgement
from apollo_ray.store import Store

KINDS = ("number", "dose", "unit", "negation", "comparison", "drug", "population")
COUNTED = KINDS[:4]
HERE = Path(__file__).resolve().parent / "grounding"
SETS = {"made": HERE} | {name: HERE / name for name in ("test", "blind", "claims", "held_out")}


@dataclass(frozen=True)
class Answer:
    """An answer about a passage. `kind`: what was changed in it, None for a true one."""

    passage: Passage
    question: str
    text: str
    kind: str | None


def answers(folder: Path, data: Path, limit: int | None) -> list[Answer]:
    """The first `limit` items of each language, each with its true answer and all changed ones."""
    texts: dict[str, dict[str, str]] = {}
    found = []
    for lang in LANGUAGES:
        for line in (folder / f"{lang}.jsonl").read_text(encoding="utf-8").splitlines()[:limit]:
            item = json.loads(line)
            if item["file"] not in texts:
                rows = map(json.loads, (data / item["file"]).read_text(encoding="utf-8").splitlines())
                texts[item["file"]] = {row["id"]: row["text"] for row in rows}
            text = texts[item["file"]][item["row"]][item["start"] : item["end"]]
            if "claims" in item:
                told = [
                    (claim, kind)
                    for pair in item["claims"]
                    for claim, kind in zip(pair, (None, "negation"), strict=True)
                ]
            else:
                told = [(item["answer"], None), *((one["answer"], one["kind"]) for one in item["corrupted"])]
            for answer, kind in told:
                passage = Passage(str(len(found)), 0, None, (), text, lang, None)
                found.append(Answer(passage, item.get("question", ""), answer, kind))
    return found


class Judging:
    """A script that asks about answers that are there already: a passage's `document` is the number of its answer."""

    def __init__(self, script: Script, told: list[Answer]) -> None:
        self.script, self.told = script, told

    def next(self, passage: Passage, form: Form, replies: Sequence[Reply]) -> Call | None:
        return None if replies else self.about(self.told[int(passage.document)])

    def about(self, answer: Answer) -> Call:
        prompt = self.script.prompts.check(answer.passage, answer.question, answer.text)
        sampling = self.script.sampling
        return Call("check", answer.passage.lang, prompt, sampling, key_of(prompt, self.script.model, sampling))


def judge(chosen: argparse.Namespace, told: list[Answer], refused: list[bool]) -> list[bool]:
    """`refused`, and what the model does not find borne out."""
    engine = OpenAIEngine(
        kind="openai", model=chosen.model, base_url=chosen.judge, concurrency=chosen.concurrency, timeout_s=600,
        max_tokens=16, **GREEDY,
    )  # fmt: skip
    settings = StageSettings(documents=("x",), engine=engine)
    script = Judging(Script.of(settings, prompts.load(settings.prompts), chosen.model), told)
    ledger = Ledger(Store(str(chosen.store)))
    todo = ((one.passage, "pair") for one, out in zip(told, refused, strict=True) if not out)
    openai_engine.ask_all(
        todo, script, engine, ledger, lambda seen: print(f"{seen.passages} answers judged", flush=True)
    )
    made = list(refused)
    for number, one in enumerate(told):
        if not refused[number]:
            reply = ledger.get(script.about(one).key)
            assert reply is not None, "asked above"
            made[number] = check_judgement(reply, one.passage.lang) is not None
    return made


def table(told: list[Answer], refused: list[bool]) -> list[str]:
    lines = [
        f"| | true answers refused | {' | '.join(KINDS)} | numbers, doses, units, negations |",
        "|---|" + "---|" * (len(KINDS) + 2),
    ]
    found: Counter[tuple[str, str | None]] = Counter()
    total: Counter[tuple[str, str | None]] = Counter()
    for one, out in zip(told, refused, strict=True):
        for name in (one.passage.lang, "all"):
            total[name, one.kind] += 1
            found[name, one.kind] += out
    for name in (*LANGUAGES, "all"):
        cells = " | ".join(f"{found[name, kind]}/{total[name, kind]}" for kind in (None, *KINDS))
        share = sum(found[name, kind] for kind in COUNTED) / sum(total[name, kind] for kind in COUNTED)
        lines.append(f"| {name} | {cells} | {share:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--limit", type=int, help="items of each language")
    parser.add_argument("--judge", help="address of an OpenAI-compatible endpoint, with its /v1")
    parser.add_argument("--model", help="the judge's name there")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--store", type=Path, default=Path("runs/judge"), help="where the judge's replies are kept")
    chosen = parser.parse_args()
    for name in chosen.sets:
        told = answers(SETS[name], chosen.data, chosen.limit)
        refused = [
            bool(support(one.text, one.passage.text, one.passage.lang, one.question).unsupported) for one in told
        ]
        print(f"\n{name}, rules: found of all, by what was changed\n", *table(told, refused), sep="\n")
        if chosen.judge:
            judged = judge(chosen, told, refused)
            print(f"\n{name}, rules and {chosen.model}\n", *table(told, judged), sep="\n")


if __name__ == "__main__":
    main()

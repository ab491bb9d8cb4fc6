import json
from pathlib import Path

import pyarrow as pa

from apollo_ray.decontaminate import Index, Item
from apollo_ray.leaks import Decontamination
from apollo_ray.records import DOCUMENT
from apollo_ray.rewrite import prompts, rows, summary
from apollo_ray.rewrite.estimate import Estimate, estimate
from apollo_ray.rewrite.ledger import Ledger, Reply
from apollo_ray.rewrite.script import Script
from apollo_ray.rewrite.segment import estimated_tokens
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings, Verification
from apollo_ray.rewrite.turns import Written, written_by_llm
from apollo_ray.store import Store

COUNT = {"default": estimated_tokens("en"), "zh": estimated_tokens("zh")}
LLM = StageSettings(
    documents=("x",),
    engine=OpenAIEngine(kind="openai", model="m", input_price=2.0, output_price=10.0),
    passage_tokens={"default": 20},
)
TEXT = "Fever lasts three days. Rest and water help. Aspirin is not given to children. A rash may follow it. See a doctor then."


def documents(*texts: str, kind: str | None = None) -> pa.Table:
    base = dict.fromkeys(DOCUMENT.names)
    return pa.Table.from_pylist(
        [base | {"id": str(n), "text": text, "lang": "en", "kind": kind} for n, text in enumerate(texts)], DOCUMENT
    )


def script() -> Script:
    return Script.of(LLM, prompts.load(LLM.prompts), "m")


def test_every_document_gives_a_unit() -> None:
    made = rows.units(documents("## H", "Patient: a\nDoctor: b", "One.\n## H\nTwo."), LLM, COUNT)
    assert [unit.document["id"] for unit in made] == ["0", "1", "2", "2"]
    assert made[1].turns == ["a", "b"]


def test_case_reports_become_dialogues_where_an_llm_writes() -> None:
    assert {unit.form for unit in rows.units(documents(TEXT, kind="patient"), LLM, COUNT)} == {"dialogue"}
    template = StageSettings(documents=("x",))
    assert {unit.form for unit in rows.units(documents(TEXT, kind="patient"), template, COUNT)} == {"pair"}


def test_a_pair_is_written_judged_and_kept_with_its_scores() -> None:
    (unit,) = rows.units(documents(TEXT), LLM.model_copy(update={"passage_tokens": {"default": 100}}), COUNT)
    question = Reply("How long does the fever last?", "stop", "m", 10, 5)
    written = written_by_llm("pair", unit.passage, [question, Reply(TEXT, "stop", "m", 20, 9)], LLM.verify)
    verdict = rows.judged(unit, written, LLM)
    row = rows.conversation(unit, written, verdict, "m", ("2", "abcd"))
    assert (row["reason"], row["prompt_version"], row["prompt_hash"]) == (None, "2", "abcd")
    assert json.loads(row["scores"])["support"] == 1.0
    assert json.loads(row["calls"]) == [["question", 10, 5], ["answer", 20, 9]]
    told = Reply(TEXT.replace("three", "thirty"), "stop", "m")
    wrong = written_by_llm("pair", unit.passage, [question, told], LLM.verify)
    bad = rows.conversation(unit, wrong, rows.judged(unit, wrong, LLM), "m", None)
    assert (bad["rule"], bad["reason"]) == ("verify", "not_grounded")
    assert "thirty" in bad["detail"]


def test_of_equal_questions_one_stays_whatever_the_order() -> None:
    keys, units = ["k", None, "k", "l", "k"], ["c", "d", "a", "e", "b"]
    assert rows.repeated(keys, units) == {"c": "a", "b": "a"}
    assert rows.repeated(keys[::-1], units[::-1]) == {"c": "a", "b": "a"}
    assert rows.repeated([], []) == {}


def test_a_leaked_question_is_refused_and_counts_for_nothing_else() -> None:
    question = (
        "Which sign in a feverish child that no longer drinks calls for a doctor at once according to guidelines?"
    )
    index = Index.build([Item("7", "exam", "en", question)])
    (unit,) = rows.units(documents(TEXT), StageSettings(documents=("x",)), COUNT)
    row = rows.conversation(unit, Written([question, TEXT]), rows.Verdict(None), "m", None)
    (checked,) = rows.refuse_leaks([row], index, Decontamination(benchmarks=[{"name": "exam", "path": "x"}]))
    assert checked["reason"] == "leak_consecutive_64"
    assert checked["question_key"] is None


def test_an_estimate_counts_what_is_paid_and_what_is_left(tmp_path: Path) -> None:
    ledger, asks = Ledger(Store(str(tmp_path))), script()
    units = rows.units(documents(TEXT, "Patient: a\nDoctor: b"), LLM, COUNT)
    before = estimate(units, asks, ledger)
    passages = sum(unit.turns is None for unit in units)
    assert passages > 1
    assert (before.passages, before.ready) == (passages + 1, 1)
    assert before.asked == {"question": passages, "answer": passages}
    told = before.as_json(2.0, 10.0)
    assert told["calls_to_make"] == 2 * passages
    assert told["money"] == round((told["prompt_tokens"] * 2 + told["completion_tokens"] * 10) / 1e6, 4)
    assert before.as_json(None, None)["money"] is None
    first = asks.next(units[0].passage, "pair", [])
    ledger.put(first.key, Reply("How long does such a fever last?", "stop", "m", 30, 8))
    after = estimate(units, asks, ledger)
    assert after.asked == {"question": passages - 1, "answer": passages}
    assert (after.kept, after.expected("question")) == ({"question": 1}, 8)
    assert Estimate.from_json(after.to_json()) == after
    assert estimate(units, None, ledger).ready == len(units), "a template engine asks nobody"


def test_an_estimate_knows_of_the_judge(tmp_path: Path) -> None:
    ledger = Ledger(Store(str(tmp_path)))
    asks = Script.of(LLM.model_copy(update={"verify": Verification(judge=True)}), prompts.load(LLM.prompts), "m")
    for kind, first in ((None, {"question", "answer", "check"}), ("patient", {"dialogue", "check"})):
        units = rows.units(documents(TEXT, kind=kind), LLM, COUNT)
        made = estimate(units, asks, ledger)
        assert dict(made.asked) == dict.fromkeys(first, len(units))
        assert made.prompt_tokens["check"] > sum(len(unit.passage.text) for unit in units) / 4
    (unit,) = rows.units(documents(TEXT), LLM.model_copy(update={"passage_tokens": {"default": 100}}), COUNT)
    replies = [Reply("How long does such a fever last?", "stop", "m"), Reply(TEXT, "stop", "m")]
    for number in range(2):
        ledger.put(asks.next(unit.passage, "pair", replies[:number]).key, replies[number])
    assert dict(estimate([unit], asks, ledger).asked) == {"check": 1}
    ledger.put(asks.next(unit.passage, "pair", replies).key, Reply("yes", "stop", "m"))
    assert estimate([unit], asks, ledger).ready == 1


def test_the_summary_is_the_same_for_any_blocks() -> None:
    made = []
    for unit in rows.units(documents(TEXT, TEXT + " More."), LLM, COUNT):
        written = Written(["What is it about the fever?", TEXT], None, (("question", Reply("x", "stop", "m", 10, 5)),))
        made.append(rows.conversation(unit, written, rows.judged(unit, written, LLM), "m", None))
    table = pa.Table.from_pylist(made, rows.PREPARED)
    whole, _ = summary.merge([summary.summarise(table)], 2.0, 10.0)
    parts, _ = summary.merge([summary.summarise(table.slice(n, 1)) for n in reversed(range(table.num_rows))], 2.0, 10.0)
    assert whole == parts
    assert whole["cost"]["en"]["question"]["calls"] == len(made)
    assert whole["cost"]["en"]["question"]["money"] == round(len(made) * (10 * 2 + 5 * 10) / 1e6, 6)
    assert whole["samples"][0]["passage"]

import json
from pathlib import Path

import pytest

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.rewrite import ledger, prompts
from apollo_ray.rewrite.ledger import Ledger, Reply
from apollo_ray.rewrite.openai_engine import ask_all, read_answer
from apollo_ray.rewrite.script import Script
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings, Verification
from apollo_ray.rewrite.turns import judged, written_by_llm
from apollo_ray.store import Store

PACKAGED = prompts.load(StageSettings(documents=("d",)).prompts)
PASSAGE = Passage(
    "d",
    1,
    "asthma",
    ("Symptoms",),
    "Asthma makes one wheeze and cough at night. {braces} and {question} stay.",
    "en",
    "web",
)


def passages(number: int) -> list[Passage]:
    return [
        Passage(
            str(n), 0, f"case {n}", (), f"Case {n} had a fever for {n} days and was given rest and water.", "en", "web"
        )
        for n in range(number)
    ]


class Job:
    """Everything that an asking run needs, against one server and one store."""

    def __init__(self, address: str, folder: Path, **engine: object) -> None:
        self.engine = OpenAIEngine(**{"kind": "openai", "model": "m", "base_url": address, "timeout_s": 2} | engine)
        self.settings = StageSettings(documents=("d",), engine=self.engine)
        self.script = Script.of(self.settings, PACKAGED, "m")
        self.ledger = Ledger(Store(str(folder)))

    def ask(self, todo: list[Passage], form: str = "pair"):
        return ask_all(((one, form) for one in todo), self.script, self.engine, self.ledger, lambda _: None)

    def written(self, passage: Passage, form: str = "pair"):
        replies, missing = self.script.replay(passage, form, self.ledger.get)
        assert missing is None
        return written_by_llm(form, passage, replies, self.settings.verify)


def test_two_calls_make_a_pair_and_the_ledger_pays_once(scripted_openai, tmp_path: Path) -> None:
    scripted = scripted_openai()
    job = Job(scripted.address, tmp_path)
    assert job.ask([PASSAGE]).spent.calls == 2
    made = job.written(PASSAGE)
    assert made.refusal is None
    assert made.turns[0] in scripted.server.bodies[1]["messages"][0]["content"]
    assert made.turns[1] == PASSAGE.text
    again = job.ask([PASSAGE])
    assert (again.kept, again.spent.calls) == (2, 2)
    assert scripted.server.stats()["prompts_paid"] == 2
    Job(scripted.address, tmp_path, temperature=0.1).ask([PASSAGE])
    assert scripted.server.stats()["prompts_paid"] == 4, "other sampling is another question"
    changed = job.settings.verify.model_copy(update={"min_support": 0.0})
    other = Script(PACKAGED, "m", job.engine.sampling(), changed)
    assert other.replay(PASSAGE, "pair", job.ledger.get)[1] is None, "another verifier asks nothing anew"


@pytest.mark.parametrize(("form", "calls"), [("pair", 3), ("dialogue", 2)])
def test_a_judge_is_one_call_more_and_changes_no_other(scripted_openai, tmp_path: Path, form: str, calls: int) -> None:
    scripted, judge = scripted_openai(), Verification(judge=True)
    plain = Job(scripted.address, tmp_path)
    plain.ask([PASSAGE], form)
    judging = Script(PACKAGED, "m", plain.engine.sampling(), judge)
    asked = ask_all([(PASSAGE, form)], judging, plain.engine, plain.ledger, lambda _: None)
    assert (asked.kept, scripted.server.stats()["prompts_paid"]) == (calls - 1, calls)
    body = scripted.server.bodies[-1]
    assert (body["temperature"], body["frequency_penalty"], body["max_tokens"]) == (0.0, 0.0, plain.engine.max_tokens)
    assert PASSAGE.text in body["messages"][0]["content"]
    replies, missing = judging.replay(PASSAGE, form, plain.ledger.get)
    assert missing is None
    written = written_by_llm(form, PASSAGE, replies, judge)
    assert written.turns == plain.written(PASSAGE, form).turns
    assert written.calls[-1][0] == "check"
    assert judged(form, written, PASSAGE, judge).refusal is None
    doubted = [*replies[:-1], Reply("No, it says the opposite.", "stop", "m")]
    verdict = judged(form, written_by_llm(form, PASSAGE, doubted, judge), PASSAGE, judge)
    assert (verdict.refusal.reason, verdict.refusal.detail) == ("judged_unsupported", "No, it says the opposite.")
    assert verdict.scores["support"] == 1.0


def test_nobody_asks_a_judge_about_what_the_rules_refuse(scripted_openai, tmp_path: Path) -> None:
    script = Script(PACKAGED, "m", {}, Verification(judge=True))
    question = Reply("How long did the fever last?", "stop", "m")
    assert script.next(PASSAGE, "pair", [question, Reply("It lasted for seventy days.", "stop", "m")]) is None
    assert script.next(PASSAGE, "pair", [question, Reply("", "stop", "m")]) is None
    assert script.next(PASSAGE, "pair", [question, Reply(PASSAGE.text, "stop", "m")]).kind == "check"


def test_a_question_with_facts_of_its_own_is_refused_after_its_answer(tmp_path: Path) -> None:
    plain, judging = (Script(PACKAGED, "m", {}, Verification(judge=judge)) for judge in (False, True))
    question = Reply("How do 500 mg of amoxicillin help against asthma?", "stop", "m")
    answer = Reply(f"{question.text}\n\nAnswer: {PASSAGE.text}", "stop", "m")
    assert plain.next(PASSAGE, "pair", [question]).kind == "answer", "the driver does not look for facts"
    assert judging.next(PASSAGE, "pair", [question, answer]) is None
    assert written_by_llm("pair", PASSAGE, [question, answer], plain.checks).refusal.reason == "question_not_grounded"
    plainer = Reply("How does asthma show at night?", "stop", "m")
    told = Reply(f"{plainer.text}\n\nAnswer: {PASSAGE.text}", "stop", "m")
    assert written_by_llm("pair", PASSAGE, [plainer, told], plain.checks).turns == [plainer.text, PASSAGE.text]


def test_every_passage_ends_as_a_pair_or_a_refusal_and_nothing_is_paid_twice(scripted_openai, tmp_path: Path) -> None:
    todo = passages(60)
    results = []
    for seed, concurrency in ((1, 4), (2, 16)):
        scripted = scripted_openai(delay_s=0.005, faults=0.2, content_faults=0.2, seed=seed)
        job = Job(scripted.address, tmp_path / str(seed), concurrency=concurrency, timeout_s=0.5)
        progress = job.ask(todo if seed == 1 else todo[::-1])
        assert progress.passages == len(todo)
        assert progress.retries > 0
        stats = scripted.server.stats()
        assert stats["paid_twice"] == 0
        assert stats["most_under_way"] <= concurrency + stats["seen"].get("late", 0)
        results.append([(job.written(one).turns, job.written(one).refusal) for one in todo])
    assert results[0] == results[1], "neither order nor concurrency nor faults change a pair"
    reasons = {refusal.reason for _, refusal in results[0] if refusal}
    assert {"unwilling", "not_finished", "empty", "wrong_language"} <= reasons
    assert sum(refusal is None for _, refusal in results[0]) > 30


def test_passages_with_the_same_prompt_pay_once(scripted_openai, tmp_path: Path) -> None:
    scripted = scripted_openai(delay_s=0.02)
    assert Job(scripted.address, tmp_path).ask([PASSAGE] * 20).passages == 20
    assert scripted.server.stats()["prompts_paid"] == 2
    assert scripted.server.stats()["paid_twice"] == 0


def test_a_dialogue_takes_one_call(scripted_openai, tmp_path: Path) -> None:
    scripted = scripted_openai()
    for lang, text in (("en", PASSAGE.text), ("zh", "哮喘会引起夜间喘息和咳嗽。患者应随身携带吸入剂，并按医嘱使用。")):
        job = Job(scripted.address, tmp_path / lang)
        passage = Passage("d", 0, "x", (), text, lang, "patient")
        assert job.ask([passage], "dialogue").spent.calls == 1
        made = job.written(passage, "dialogue")
        assert made.refusal is None
        assert len(made.turns) == 4


def test_a_budget_stops_before_it_is_exceeded_and_a_larger_one_goes_on(scripted_openai, tmp_path: Path) -> None:
    scripted = scripted_openai()
    priced = {"input_price": 1000.0, "output_price": 1000.0, "max_tokens": 100, "concurrency": 2}
    job = Job(scripted.address, tmp_path, budget=3.0, **priced)
    with pytest.raises(ServiceError, match="budget"):
        job.ask(passages(40))
    paid = scripted.server.stats()["prompts_paid"]
    assert 2 < paid < 80
    spent = sum(
        reply["prompt_tokens"] + reply["completion_tokens"]
        for reply in (json.loads(path.read_text()) for path in tmp_path.rglob("*.json"))
    )
    assert spent * 1000 / 1e6 <= 3.0
    assert Job(scripted.address, tmp_path, budget=1000.0, **priced).ask(passages(40)).passages == 40
    assert scripted.server.stats()["paid_twice"] == 0
    with pytest.raises(ValueError, match="input_price"):
        OpenAIEngine(kind="openai", model="m", budget=1.0)


@pytest.fixture
def refusing(scripted_openai):
    """Starts a server that answers every request with one status."""

    def start(status: int) -> str:
        scripted = scripted_openai()
        scripted.server._complete = _answer_with(scripted.server, status)
        return scripted.address

    def _answer_with(server, status):
        async def complete(request, reader, writer):
            await server._send(writer, status, b'{"error": {"message": "no"}}')
            return True

        return complete

    return start


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_or_model_is_the_users_mistake(refusing, tmp_path: Path, status: int) -> None:
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        Job(refusing(status), tmp_path).ask([PASSAGE])


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_prompt_costs_that_passage_alone(refusing, tmp_path: Path, status: int) -> None:
    job = Job(refusing(status), tmp_path)
    assert job.ask([PASSAGE]).passages == 1
    assert job.written(PASSAGE).refusal.reason == ledger.REFUSED


def test_an_endpoint_that_fails_for_long_stops_the_step_and_keeps_what_was_paid(
    refusing, scripted_openai, tmp_path: Path
) -> None:
    Job(scripted_openai().address, tmp_path).ask(passages(3))
    broken = Job(refusing(503), tmp_path, patience_s=0.5, retries=1, concurrency=2)
    with pytest.raises(ServiceError, match="run the same command again"):
        broken.ask(passages(60))
    assert all(broken.written(one).refusal is None for one in passages(3))


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"choices": []}, {"choices": [{"message": 7}]}, {"choices": [{"message": {"content": 5}}]}, "text"],
)
def test_what_is_no_answer_is_told_from_one(answer: object) -> None:
    assert read_answer(answer, "m") is None


def test_an_answer_without_usage_or_text_is_one() -> None:
    found = read_answer({"choices": [{"message": {"content": None}, "finish_reason": "stop"}], "usage": None}, "m")
    assert (found.text, found.prompt_tokens, found.model) == ("", 0, "m")

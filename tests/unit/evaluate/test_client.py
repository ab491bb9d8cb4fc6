import time

import pytest

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.evaluate import asking, client, prompts, protocols
from apollo_ray.evaluate.settings import StageSettings

BENCHMARK = {"name": "mini", "path": "x", "task": "choice"}


def choice(name="1", gold="B", lang="en"):
    options = ["one", "two", "three", "four"]
    return item(name, "choice", lang) | {"letters": list("ABCD"), "options": options, "answer": gold}


def item(name, task="text", lang="en", answer="Because."):
    return {
        "id": name,
        "benchmark": task,
        "lang": lang,
        "task": task,
        "context": None,
        "question": f"Why {name}?",
        "letters": [],
        "options": [],
        "answer": None if task == "ask" else answer,
    }


def answers(endpoint, items, on_reply=lambda key, reply: None, **changes):
    values = {"endpoint": endpoint.address, "models": ["base"], "benchmarks": [BENCHMARK], "retries": 0} | changes
    settings = StageSettings.model_validate(values)
    jobs = asking.plan_jobs(items, settings)
    calls = [(str(number), job.call(settings)) for number, job in enumerate(jobs)]
    replies = {}

    def keep(key, reply):
        replies[key] = reply
        on_reply(key, reply)

    client.answer(calls, settings.endpoint, settings, client.Models({}), keep)
    return asking.outcomes(jobs, [replies[key] for key, _ in calls], settings, "base")


def test_likelihood_scores_all_letters_in_one_request(endpoint, token_score):
    (outcome,) = answers(endpoint, [choice()], methods=["loglikelihood"])
    ((path, body, _),) = endpoint.requests
    prompt = prompts.choice_prompt(choice())
    assert path == "/v1/completions"
    assert body["prompt"] == [f"{prompt} {letter}" for letter in "ABCD"]
    assert (body["echo"], body["max_tokens"], body["temperature"], body["logprobs"]) == (True, 0, 0, 1)
    best = max("ABCD", key=lambda letter: token_score(f" {letter}"))
    assert outcome.answer["prediction"] == best
    assert outcome.answer["correct"] is (best == "B")
    assert outcome.answer["logprob"] == pytest.approx(token_score(f" {best}"), rel=1e-12)
    assert outcome.answer["num_tokens"] == 2


def test_generation_reads_the_letter_and_keeps_the_text(endpoint):
    endpoint.text = " (B)"
    (outcome,) = answers(endpoint, [choice()], methods=["generation"])
    assert (outcome.answer["prediction"], outcome.answer["output"]) == ("B", " (B)")
    assert outcome.answer["correct"] is True
    body = endpoint.requests[0][1]
    assert (body["stop"], body["temperature"], body["max_tokens"]) == (["\n"], 0, protocols.STRICT_TOKENS)


def test_an_answer_without_a_letter_is_wrong_and_null(endpoint):
    endpoint.text = "I cannot answer"
    (outcome,) = answers(endpoint, [choice()], methods=["generation"])
    assert (outcome.answer["prediction"], outcome.answer["correct"]) == (None, False)


@pytest.mark.parametrize("start_token", ["", "<s>"])
def test_reference_answers_share_requests_and_score_the_answer_alone(endpoint, token_score, start_token):
    endpoint.start_token = start_token
    texts = [item(f"{number}", answer=f"需要 {number}") for number in range(9)]
    outcomes = answers(endpoint, texts, concurrency=1)
    assert [len(body["prompt"]) for _, body, _ in endpoint.requests] == [8, 1]
    for text, outcome in zip(texts, outcomes, strict=True):
        assert outcome.answer["id"] == text["id"]
        assert outcome.answer["num_tokens"] == len(text["answer"])
        assert outcome.answer["logprob"] == pytest.approx(token_score(text["answer"]), rel=1e-12)


def test_free_questions_go_to_chat(endpoint):
    (outcome,) = answers(endpoint, [item("1", "ask")], max_new_tokens=9)
    path, body, _ = endpoint.requests[0]
    assert path == "/v1/chat/completions"
    assert (body["max_tokens"], body["temperature"]) == (9, 0)
    assert outcome.answer["output"] == " reply to Why 1?"
    assert (outcome.answer["prediction"], outcome.answer["correct"]) == ("reply to Why 1?", None)


def test_order_does_not_depend_on_concurrency_or_on_who_is_late(endpoint):
    items = [choice(str(number)) for number in range(6)] + [item(str(number)) for number in range(9)]
    alone = answers(endpoint, items, concurrency=1, models=["base", "expert"])
    assert endpoint.most_busy == 1
    endpoint.delay = lambda body: 0.002 * (len(str(body)) * 7 % 10)
    together = answers(endpoint, items, concurrency=5, models=["base", "expert"])
    assert 1 < endpoint.most_busy <= 5
    assert together == alone
    assert len(alone) == 2 * (6 * 2 + 9)


def test_every_reply_is_told_once_as_it_comes(endpoint):
    told = []
    outcomes = answers(endpoint, [choice(), item("1"), item("2")], on_reply=lambda key, reply: told.append(key))
    assert sorted(told) == ["0", "1", "2", "3"]
    assert len(outcomes) == 4


def test_the_key_comes_from_the_environment(endpoint, monkeypatch):
    answers(endpoint, [item("1")])
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    answers(endpoint, [item("1")])
    monkeypatch.setenv("APOLLO_API_KEY", "two")
    answers(endpoint, [item("1")])
    assert [key for _, _, key in endpoint.requests] == ["Bearer none", "Bearer one", "Bearer two"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_tried_again_after_the_time_that_the_server_names(endpoint, fault, status):
    endpoint.fault = lambda number, body: fault(status, headers={"Retry-After": "1"}) if number == 1 else None
    start = time.monotonic()
    (outcome,) = answers(endpoint, [item("1")], retries=1)
    assert time.monotonic() - start >= 1
    assert outcome.answer is not None
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("status", [429, 500])
def test_a_lasting_fault_stops_the_step(endpoint, fault, status):
    endpoint.fault = lambda number, body: fault(status)
    with pytest.raises(ServiceError, match=f"base.*{status}"):
        answers(endpoint, [item("1")])


def test_an_endpoint_that_is_late_stops_the_step(endpoint):
    endpoint.delay = lambda body: 0.5
    with pytest.raises(ServiceError, match="did not answer"):
        answers(endpoint, [item("1")], timeout_s=0.05)


def test_an_endpoint_that_is_down_stops_the_step(endpoint):
    endpoint.address = "http://127.0.0.1:9/v1"
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"):
        answers(endpoint, [choice(str(number)) for number in range(20)])


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_the_users_to_mend(endpoint, fault, status):
    endpoint.fault = lambda number, body: fault(status)
    with pytest.raises(UserError, match="APOLLO_API_KEY"):
        answers(endpoint, [item("1")], retries=2)
    assert len(endpoint.requests) == 1


def test_an_unknown_model_is_named(endpoint):
    with pytest.raises(UserError, match="no model 'expret'"):
        answers(endpoint, [choice(str(number)) for number in range(20)], models=["expret"])


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_item_costs_its_own_answer_alone(endpoint, fault, status):
    def refuse(number, body):
        long = any("Why 2?" in prompt for prompt in body["prompt"])
        return fault(status, '{"error": {"message": "context too long"}}') if long else None

    endpoint.fault = refuse
    outcomes = answers(endpoint, [item(str(number)) for number in range(4)])
    assert [outcome.job.item["id"] for outcome in outcomes] == ["0", "1", "2", "3"]
    assert [outcome.answer is None for outcome in outcomes] == [False, False, True, False]
    assert outcomes[2].reason == "refused_by_endpoint"
    assert "context too long" in outcomes[2].detail


def test_an_endpoint_without_log_probabilities_is_not_scored(endpoint):
    endpoint.logprobs = False
    outcomes = answers(endpoint, [choice(), item("1")], methods=["loglikelihood"])
    assert [outcome.reason for outcome in outcomes] == ["unusable_logprobs"] * 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"choices": []}', "application/json"),
        ('{"choices": [{"text": "B"}]}', "application/json"),
        ("{", "application/json"),
        ("null", "application/json"),
        ("<html>", "text/html"),
    ],
)
def test_what_is_no_openai_endpoint_is_noticed(endpoint, fault, body, kind):
    endpoint.fault = lambda number, sent: fault(200, body, {"Content-Type": kind})
    with pytest.raises(ServiceError, match=endpoint.address):
        answers(endpoint, [choice()], methods=["generation"])

"""Models that are loaded here against a computation without batches, padding or caches."""

import dataclasses
import json
import shutil

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from apollo_ray.errors import UserError
from apollo_ray.evaluate import local
from apollo_ray.evaluate.calls import Call, Reply, reply_of
from apollo_ray.evaluate.local import LocalModels, Spec
from apollo_ray.evaluate.prompts import wrap
from apollo_ray.step import Folder
from apollo_ray.store import Counts, Manifest, Store
from apollo_ray.tokenizer.bpe import train_bpe

from ...lm_eval_client import CASES, Direct

PROMPTS = {lang: wrap(question) for lang, (question, _) in CASES.items()}
NAMES = {"base": None, "expert": None, "anti_expert": None, "ensemble": 1.5, "half": 0.5, "none": 0.0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Random models far from uniform; the experts' output layers have rows to spare, the base has room for 160."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    tokenizer = train_bpe([text for context, answers in CASES.values() for text in (context, *answers)] * 4, 400)
    made = {}
    for seed, (role, hidden) in enumerate([("base", 48), ("expert", 32), ("anti_expert", 32)]):
        config = Qwen2Config(
            vocab_size=len(tokenizer) + 8 * seed, hidden_size=hidden, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=160, initializer_range=0.3,
            eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        torch.manual_seed(seed)
        made[role] = str(folder / role)
        Qwen2ForCausalLM(config).save_pretrained(made[role])
        tokenizer.save_pretrained(made[role])
    return made


def specs(folders):
    def place(role):
        return Folder(folders[role], "model", Store("/tmp"), None)

    three = tuple(place(role) for role in ("base", "expert", "anti_expert"))
    return [Spec(name, (place(name),) if alpha is None else three, alpha) for name, alpha in NAMES.items()]


@pytest.fixture(scope="module")
def models(folders):
    return LocalModels(specs(folders), "float32", 512)


@pytest.fixture(scope="module")
def direct(folders):
    return {name: Direct(folders, alpha) for name, alpha in NAMES.items() if alpha is not None}


def asked(name):
    return [Call(name, "score", PROMPTS[lang], tuple(answers)) for lang, (_, answers) in CASES.items()]


def test_scores_in_six_languages_equal_a_direct_computation(models, direct):
    for name, wanted in direct.items():
        calls = asked(name)
        for call, reply in zip(calls, models.answer(calls), strict=True):
            for continuation, found in zip(call.continuations, reply.scores, strict=True):
                ids = wanted.encode(call.prompt + continuation)
                cut = len(wanted.encode(call.prompt))
                logprob, _ = wanted.loglikelihood(ids[:cut], ids[cut:])
                assert found.logprob == pytest.approx(logprob, abs=1e-4)
                rows = wanted.logprobs(ids)[cut - 1 : -1].double()
                assert found.tokens.number == len(ids) - cut
                assert found.tokens.choices == tuple(rows.argmax(-1).tolist())
                assert found.tokens.entropy == pytest.approx(float(-(rows.exp() * rows).sum(-1).mean()), abs=1e-4)
                base = direct["none"].logprobs(ids)[cut - 1 : -1].double()
                assert found.tokens.divergence == pytest.approx(
                    float((rows.exp() * (rows - base)).sum(-1).mean()), abs=1e-4
                )


def test_at_alpha_0_the_base_comes_out_to_the_last_bit(models):
    calls = [call for name in ("base", "none") for call in asked(name)]
    replies = models.answer(calls)
    for base, none in zip(replies[: len(CASES)], replies[len(CASES) :], strict=True):
        assert [one.logprob for one in base.scores] == [one.logprob for one in none.scores]
        assert [one.tokens.choices for one in base.scores] == [one.tokens.choices for one in none.scores]
        assert {one.tokens.divergence for one in none.scores} == {0.0}
        assert {one.tokens.divergence for one in base.scores} == {None}


def test_a_network_that_models_share_runs_a_text_once(models, monkeypatch):
    fed = []
    run = local._Network.run

    def counting(self, ids, mask, keep, cache=None):
        fed.append(int(mask.sum()))
        return run(self, ids, mask, keep, cache)

    monkeypatch.setattr(local._Network, "run", counting)
    models.answer(asked("base"))
    alone, fed[:] = sum(fed), []
    models.answer([call for name in NAMES for call in asked(name)])
    assert sum(fed) == 3 * alone


def test_letters_of_one_token_share_one_forward(models, monkeypatch):
    call = Call("base", "score", PROMPTS["zh"], ("1", "2", "3", "4"))
    ids = models._models["base"].tokenizer(call.prompt)["input_ids"]
    rows = []
    run = local._Network.run
    monkeypatch.setattr(local._Network, "run", lambda self, ids, *rest: rows.append(ids.shape) or run(self, ids, *rest))
    reply = models.answer([call])[0]
    assert [one.tokens.number for one in reply.scores] == [1] * 4
    assert rows == [(1, len(ids))]


@pytest.mark.parametrize("name", ["ensemble", "half", "none"])
def test_greedy_answers_equal_a_direct_computation_and_end_at_a_stop_string(models, direct, name):
    wanted = direct[name]
    texts = [wanted.tokenizer.decode(wanted.greedy(wanted.encode(prompt), 12)) for prompt in PROMPTS.values()]
    calls = [Call(name, "generate", prompt, max_tokens=12) for prompt in PROMPTS.values()]
    replies = models.answer(calls)
    assert [reply.text for reply in replies] == texts
    assert all(reply.tokens.number <= 12 for reply in replies)
    usable = [
        (call, text, text[2:4])
        for call, text in zip(calls, texts, strict=True)
        if "\ufffd" not in text[:4] and len(text) > 4
    ]
    assert usable
    for call, text, stop in usable:
        (reply,) = models.answer([dataclasses.replace(call, stop=(stop,))])
        assert reply.text == text.partition(stop)[0]


def test_limits_of_length_hold_for_each_row_of_a_batch(models):
    calls = [
        Call("ensemble", "generate", prompt, max_tokens=most)
        for most, prompt in zip((1, 5, 12), PROMPTS.values(), strict=False)
    ]
    together = models.answer(calls)
    assert [reply.tokens.number for reply in together] == [1, 5, 12]
    assert [reply.text for reply in together] == [models.answer([call])[0].text for call in calls]


def test_a_free_question_is_asked_in_the_template_of_training(models):
    question = CASES["en"][0]
    chat, plain = models.answer(
        [Call("half", "chat", question, max_tokens=8), Call("half", "generate", wrap(question), max_tokens=8)]
    )
    assert chat == plain


def test_batches_change_nothing_that_a_row_keeps(folders, models):
    calls = [call for name in NAMES for call in asked(name)]
    small = LocalModels(specs(folders), "float32", 1)  # one text at a time
    for one, other in zip(models.answer(calls), small.answer(calls), strict=True):
        assert [found.logprob for found in one.scores] == pytest.approx(
            [found.logprob for found in other.scores], abs=2e-5
        )


def test_what_a_model_has_no_room_for_costs_its_own_reply_alone(models):
    long = Call("ensemble", "score", PROMPTS["en"], (" Amlodipine" * 200,))
    writing = Call("ensemble", "generate", PROMPTS["en"], max_tokens=160)
    replies = models.answer([long, asked("ensemble")[0], writing])
    assert [reply.problem for reply in replies] == ["too_long", None, "too_long"]
    assert "room for 160" in replies[0].detail


def test_replies_survive_their_way_through_json(models):
    calls = [asked("ensemble")[0], Call("ensemble", "generate", PROMPTS["hi"], max_tokens=4)]
    for reply in [*models.answer(calls), Reply(problem="too_long", detail="x")]:
        assert reply_of(json.loads(json.dumps(reply.as_json()))) == reply


def test_models_that_do_not_fit_together_are_refused(folders, tmp_path):
    other = train_bpe(["something else entirely"] * 4, 300)
    Qwen2ForCausalLM.from_pretrained(folders["expert"]).save_pretrained(tmp_path)
    other.save_pretrained(tmp_path)
    three = tuple(
        Folder(place, "model", Store("/tmp"), None) for place in (folders["base"], str(tmp_path), folders["expert"])
    )
    with pytest.raises(UserError, match=r"mix\.expert"):
        LocalModels([Spec("mix", three, 1.0)], "float32", 64)
    with pytest.raises(UserError, match="models: base: '/nowhere'"):
        LocalModels([Spec("base", (Folder("/nowhere", "model", Store("/tmp"), None),))], "float32", 64)


def test_the_model_of_a_train_step_is_asked_as_its_folder_is(folders, models, tmp_path):
    store = Store(str(tmp_path))
    counts = Counts("token", 0, 0)
    manifest = Manifest("expert", "train", "f" * 16, {}, {}, counts, [], [], [], {}, {}, "", "")
    shutil.copytree(folders["expert"], tmp_path / "expert" / manifest.fingerprint / "model")
    of_step = Folder("expert", "model", store, manifest)
    twice = LocalModels([Spec("expert", (of_step,), None), Spec("again", (of_step,), None)], "float32", 512)
    for name in ("expert", "again"):
        [reply] = twice.answer([Call(name, "score", PROMPTS["en"], tuple(CASES["en"][1]))])
        assert reply == models.answer([Call("expert", "score", PROMPTS["en"], tuple(CASES["en"][1]))])[0]

"""A served ensemble, the same weights without a server, and lm-eval with this project's tasks: item by item the same."""

import json
import random
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from typer.testing import CliRunner

from apollo_ray.cli import app
from apollo_ray.config import load_config
from apollo_ray.evaluate.calls import Call
from apollo_ray.evaluate.local import LocalModels, Spec
from apollo_ray.evaluate.prompts import wrap
from apollo_ray.planning import plan
from apollo_ray.run import execute, serving
from apollo_ray.serve.alphas import read_alphas
from apollo_ray.step import Folder
from apollo_ray.store import Store
from apollo_ray.tokenizer.bpe import train_bpe

from ..lm_eval_client import CASES, client

TASKS = Path(__file__).resolve().parents[2] / "jobs" / "lm_eval"
ROLES = ("base", "expert", "anti_expert")
ALPHA = 1.5
NAMES = ["base", "expert", "anti_expert", "ensemble@0", "ensemble@0.5", "ensemble"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three random models, and benchmarks in six languages: choices of three or four options, texts, a free question."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("side-by-side")
    texts = [text for context, answers in CASES.values() for text in (context, *answers)]
    tokenizer = train_bpe(texts * 4, 420)
    for seed, (role, hidden) in enumerate(zip(ROLES, (48, 32, 32), strict=True)):
        config = Qwen2Config(
            vocab_size=len(tokenizer) + 8 * seed, hidden_size=hidden, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024, initializer_range=0.3,
            eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        torch.manual_seed(seed)
        Qwen2ForCausalLM(config).save_pretrained(folder / role)
        tokenizer.save_pretrained(folder / role)
    for lang, (question, answers) in CASES.items():
        options = [answer.strip() for answer in answers]
        rows = [
            {
                "id": f"{lang}-{n}",
                "question": f"{question} {n}",
                "options": (options * 2)[n : n + 3 + n % 2],
                "answer": "ABC"[n % 3],
            }
            for n in range(3)
        ]
        (folder / f"exam_{lang}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        texts = [{"id": f"{n}", "question": question, "answer": answer.strip()} for n, answer in enumerate(answers)]
        (folder / f"qa_{lang}.jsonl").write_text("\n".join(json.dumps(row) for row in texts))
    (folder / "ask.jsonl").write_text(json.dumps({"id": "1", "lang": "es", "question": CASES["es"][0]}))
    served = {"stage": "serve", "alpha": ALPHA, "max_length": 1024, "port": 0, "cpus_per_replica": 0.5}
    three = {role: str(folder / role) for role in ROLES}
    asked = {
        "stage": "evaluate",
        "max_new_tokens": 6,
        "benchmarks": [
            {"name": "exam", "path": f"{folder}/exam_*.jsonl", "task": "choice"},
            {"name": "qa", "path": f"{folder}/qa_*.jsonl", "task": "text"},
            {"name": "ask", "path": f"{folder}/ask.jsonl", "task": "ask"},
        ],
    }
    local = [{"name": role, "model": three[role]} for role in ROLES]
    local += [{"name": name, "alpha": alpha, **three} for name, alpha in zip(NAMES[3:], (0.0, 0.5, ALPHA), strict=True)]
    run = {
        "run": "side",
        "store": str(folder / "store"),
        "steps": {
            "ensemble": {**served, **three},
            "over-http": {**asked, "endpoint": "http://127.0.0.1:1/v1", "models": NAMES},
            "without-server": {**asked, "models": local},
        },
    }
    (folder / "run.json").write_text(json.dumps(run))
    return folder


@pytest.fixture(scope="module")
def address(ray_session: None, folder: Path) -> Iterator[str]:
    config = load_config(folder / "run.json")
    (step,) = execute(config, plan(config, ["ensemble"]), print, nullcontext)
    with serving(Store(config.store), step, print) as found:
        yield found


@pytest.fixture(scope="module")
def finished(address: str, folder: Path) -> dict[str, Any]:
    """Step -> (its manifest, its rows by what was asked)."""
    config = load_config(folder / "run.json", [f"over-http.endpoint={address}"])
    steps = execute(config, plan(config), print, nullcontext)
    store, found = Store(config.store), {}
    for step in steps[1:]:
        (table,) = store.tables(step.manifest)
        rows = table.to_pylist()
        keys = ("model", "benchmark", "lang", "id", "method")
        found[step.name] = step.manifest, {tuple(row[key] for key in keys): row for row in rows}
    return found


def test_over_http_and_without_a_server_every_answer_is_the_same(finished: dict[str, Any]) -> None:
    over_http, local = finished["over-http"][1], finished["without-server"][1]
    assert list(over_http) == list(local)
    assert len(local) == len(NAMES) * (18 * 2 + 18 + 1)
    for key, row in over_http.items():
        other = local[key]
        same = ("prediction", "output", "correct", "question", "gold", "flipped")
        assert [row[name] for name in same] == [other[name] for name in same], key
        if row["logprob"] is not None:
            assert row["logprob"] == pytest.approx(other["logprob"], abs=1.01e-4), key  # rows keep four decimals
            assert row["num_tokens"] == other["num_tokens"]
        if row["divergence"] is not None:  # of what an ensemble wrote
            assert row["divergence"] == pytest.approx(other["divergence"], abs=1e-3), key
            assert row["entropy"] == pytest.approx(other["entropy"], abs=1e-3), key
            assert row["num_tokens"] == other["num_tokens"]
    written = [row for row in over_http.values() if row["method"] == "ask" and row["model"].startswith("ensemble")]
    assert len(written) == 3
    assert all(row["divergence"] is not None for row in written)


@pytest.mark.parametrize(("step", "tolerance"), [("over-http", 1.01e-4), ("without-server", 0.0)])
def test_at_alpha_0_the_bases_scores_come_out(finished: dict[str, Any], step: str, tolerance: float) -> None:
    """Exactly where both are of one forward; the endpoint's batches move the last of the four decimals now and then."""
    manifest, rows = finished[step]
    for key, row in rows.items():
        if row["model"] == "ensemble@0":
            base = rows["base", *key[1:]]
            told = ("prediction", "output", "correct")
            assert [row[name] for name in told] == [base[name] for name in told]
            assert row["logprob"] == (
                None if base["logprob"] is None else pytest.approx(base["logprob"], abs=tolerance, rel=0)
            )
            assert row["flipped"] in (0, None)
            assert row["divergence"] in (0.0, None)
    table = {(row["model"], row["lang"], row["method"]): row["accuracy"] for row in manifest.summary["accuracy"]}
    assert all(table["ensemble@0", lang, method] == table["base", lang, method] for _, lang, method in table)


def test_the_summary_tells_how_far_an_ensemble_went(finished: dict[str, Any]) -> None:
    manifest, rows = finished["without-server"]
    told = manifest.summary["signatures"]
    tokens = {(row["model"], row["method"], row["lang"]): row for row in told["tokens"]}
    for lang in CASES:
        none, half, whole = (tokens[name, "perplexity", lang] for name in NAMES[3:])
        assert none["divergence"] == none["flipped"] == 0
        assert 0 < half["divergence"] < whole["divergence"]
        assert 0 < half["flipped"] <= 1
        mine = [
            row
            for row in rows.values()
            if (row["model"], row["lang"], row["method"]) == ("ensemble", lang, "perplexity")
        ]
        assert whole["tokens"] == sum(row["num_tokens"] for row in mine)
        assert whole["flipped"] == sum(row["flipped"] for row in mine) / whole["tokens"]
    nats = {(row["model"], row["lang"]): row for row in told["nats"]}
    perplexity = {(row["model"], row["lang"]): row["perplexity"] for row in manifest.summary["perplexity"]}
    for lang in CASES:
        assert nats["ensemble@0", lang]["difference"] == 0
        assert nats["expert", lang]["declined"] is (nats["expert", lang]["low"] > 0)
        ratio = perplexity["ensemble", lang] / perplexity["base", lang]
        assert torch.tensor(ratio).log().item() == pytest.approx(nats["ensemble", lang]["difference"], abs=1e-5)


def test_what_workers_have_answered_is_not_asked_again(folder: Path, finished: dict[str, Any]) -> None:
    config = load_config(folder / "run.json", ["without-server.limit=2"])
    said: list[str] = []
    (*_, step) = execute(config, plan(config, ["without-server"]), said.append, nullcontext)
    assert step.manifest is not None
    assert step.manifest.counts.kept == len(NAMES) * (12 * 2 + 12 + 1)
    assert any("0 to ask for" in line for line in said)


@pytest.mark.parametrize("model", ["ensemble", "ensemble@0.5", "base"])
def test_lm_eval_with_this_projects_tasks_agrees_item_by_item(
    address: str, folder: Path, finished: dict[str, Any], model: str
) -> None:
    tasks = pytest.importorskip("lm_eval.tasks", reason="lm-eval is not installed")
    from lm_eval import simple_evaluate

    manager = tasks.TaskManager(
        include_path=str(TASKS), include_defaults=False, metadata={"xmedbench": f"{folder}/exam_*.jsonl"}
    )
    found = simple_evaluate(
        model=client(address, model=model, max_length=1024, batch_size=8),
        tasks=["apollo_xmedbench"],
        task_manager=manager,
        bootstrap_iters=0,
    )
    manifest, rows = finished["over-http"]
    samples = [(task[-2:], sample) for task, some in found["samples"].items() for sample in some]
    assert len(samples) == 18
    for lang, sample in samples:
        scores = [one[0] for one in sample["filtered_resps"]]
        row = rows[model, "exam", lang, sample["doc"]["id"], "loglikelihood"]
        assert max(scores) == pytest.approx(row["logprob"], abs=1e-4)
        assert sample["doc"]["letters"][scores.index(max(scores))] == row["prediction"]
        assert bool(sample["acc"]) is row["correct"]
    accuracy = {
        (row["model"], row["lang"]): row["accuracy"]
        for row in manifest.summary["accuracy"]
        if row["method"] == "loglikelihood"
    }
    for lang in CASES:
        assert found["results"][f"apollo_xmedbench_{lang}"]["acc,none"] == pytest.approx(accuracy[model, lang])
    (macro,) = (
        row["accuracy"]
        for row in manifest.summary["macro_accuracy"]
        if (row["model"], row["method"]) == (model, "loglikelihood")
    )
    assert found["results"]["apollo_xmedbench"]["acc,none"] == pytest.approx(macro)


def test_tune_alpha_finds_the_strength_that_fits_each_language(address: str, folder: Path) -> None:
    """Dev texts in Hindi are likeliest at alpha 0.25, each of them; those in English are likeliest to the base."""
    three = tuple(Folder(str(folder / role), "model", Store(str(folder)), None) for role in ROLES)
    grid = (0.0, 0.25, 0.5)
    models = LocalModels([Spec(f"{alpha}", three, alpha) for alpha in grid], "float32", 4096)
    words = sorted({word for context, _ in CASES.values() for word in context.split()})
    chance = random.Random(0)
    texts = [{"id": f"{number}", "question": f"{number}?", "answer": chance.choice(words)} for number in range(150)]
    asked = [[Call(f"{alpha}", "score", wrap(row["question"]), (row["answer"],)) for row in texts] for alpha in grid]
    scores = [[reply.scores[0].logprob for reply in models.answer(calls)] for calls in asked]
    best = [max(range(len(grid)), key=lambda place: one[place]) for one in zip(*scores, strict=True)]
    found = {
        lang: [row for row, place in zip(texts, best, strict=True) if place == wanted]
        for lang, wanted in (("en", 0), ("hi", 1))
    }
    assert min(map(len, found.values())) >= 20
    for lang, rows in found.items():
        (folder / f"dev_{lang}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    qa = {"name": "qa", "path": f"{folder}/qa_*.jsonl", "dev": f"{folder}/dev_*.jsonl", "task": "text"}
    step = {"stage": "evaluate", "endpoint": address, "models": ["base", "ensemble"], "benchmarks": [qa]}
    run = {"run": "tune", "store": str(folder / "store"), "steps": {"scores": step}}
    (folder / "tune.json").write_text(json.dumps(run))
    done = CliRunner().invoke(app, ["tune-alpha", str(folder / "tune.json"), "scores", "--alphas", "0.25,0.5"])
    assert done.exit_code == 0, done.output
    written = read_alphas(str(folder / "store" / "alphas" / "tune-scores.json"))
    assert written.alpha_by_language == {"en": 0.0, "hi": 0.25}
    (best_row,) = (row for row in written.notes["rows"] if (row["lang"], row["alpha"]) == ("hi", 0.25))
    assert best_row["difference_high"] < 0

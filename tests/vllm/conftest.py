"""Tiny models, their exported ensemble, and one OpenAI server of vLLM for all tests."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, Qwen2Config

from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.run import execute, export_ensemble
from apollo_ray.store import Store
from apollo_ray.tokenizer.bpe import train_bpe

STARTER = Path(__file__).resolve().parents[2] / "apollo_ray" / "starter" / "documents"
CHAT = (
    "{% for m in messages %}<{{m.role}}>{{m.content}}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
ALPHA, LENGTH = 0.7, 3072
# CPU attention of vLLM wants blocks in multiples of 32.
ENGINE = {"dtype": "float32", "block_size": 32, "max_model_len": LENGTH, "enforce_eager": True}
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}
LARGE = {"hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4}
SMALL = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
COMMON = {"max_position_embeddings": 4096, "initializer_range": 0.2, "bos_token_id": 0, "eos_token_id": 0}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    texts = [json.loads(line)["text"] for file in sorted(STARTER.glob("*.jsonl")) for line in file.open()]
    made = train_bpe(texts, 600)
    made.chat_template = CHAT
    made.save_pretrained(folder)
    # transformers has one tokenizer class for every Qwen2 folder; taken from one, it is the same in Llama's folder.
    Qwen2Config(vocab_size=600).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


Make = Callable[..., str]


@pytest.fixture(scope="session")
def make_model(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`make_model(config)`: a random model's folder, with the tokenizer."""
    import torch

    def make(config: Any, folder: Path | None = None) -> str:
        target = folder or tmp_path_factory.mktemp(config.model_type)
        AutoModelForCausalLM.from_config(config).float().save_pretrained(target)
        tokenizer.save_pretrained(target)
        return str(target)

    torch.manual_seed(0)
    return make


@pytest.fixture(scope="session")
def models(make_model: Make, tokenizer: Any) -> dict[str, str]:
    """A Llama base and Qwen2 experts: other sizes, layers, KV heads and rows to spare in the output layer."""
    size = len(tokenizer)
    small = {"vocab_size": size + 8, "num_key_value_heads": 1, **SMALL, **COMMON}
    return {
        "base": make_model(LlamaConfig(vocab_size=size + 40, num_key_value_heads=2, **LARGE, **COMMON)),
        "expert": make_model(Qwen2Config(tie_word_embeddings=True, **small)),
        "anti_expert": make_model(Qwen2Config(**small)),
    }


Export = Callable[..., str]


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """`export(models)`: the folder that vLLM loads, by way of a run with one serve step."""

    def made(models: dict[str, str], **settings: Any) -> str:
        folder = tmp_path_factory.mktemp("run")
        step = {"stage": "serve", "alpha": ALPHA, "max_length": LENGTH, **models, **settings}
        (folder / "run.json").write_text(
            json.dumps({"run": "vllm", "store": str(folder / "store"), "steps": {"ensemble": step}})
        )
        config = load_config(folder / "run.json")
        (step,) = execute(config, plan(config), print, contextlib.nullcontext)
        export_ensemble(Store(config.store), step, str(folder / "exported"))
        return str(folder / "exported")

    return made


@pytest.fixture(scope="session")
def exported(models: dict[str, str], export: Export) -> str:
    return export(models)


@pytest.fixture(scope="session")
def served(exported: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's own OpenAI server of the folder, on loopback; it knows of the ensemble by the entry point alone."""
    port = free_port()
    # Not the command `vllm serve`: it looks for a package of the name vllm, and this one is vllm-cpu.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", exported]
    flags = ["--enforce-eager", "--enable-tokenizer-info-endpoint", "--return-tokens-as-token-ids"]
    options = {"block-size": 32, "max-model-len": LENGTH, "dtype": "float32", "host": "127.0.0.1", "port": port}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    names = ["--served-model-name", "ensemble", exported]
    # Each process of vLLM imports it anew, which is most of a start: the worker shares the engine's.
    environment = os.environ | ENVIRONMENT | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    log = tmp_path_factory.mktemp("server") / "vllm.log"
    with log.open("w") as file:
        process = subprocess.Popen([*command, *flags, *words, *names], stdout=file, stderr=file, env=environment)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(1)
        else:
            raise TimeoutError(log.read_text()[-3000:])
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)

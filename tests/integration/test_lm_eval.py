"""lm-eval scores the endpoint on Ray Serve, in six languages, with the tokenizer over HTTP."""

import json
import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.run import execute
from apollo_ray.serve import stage
from apollo_ray.serve.app import API_KEY
from apollo_ray.store import Store
from apollo_ray.tokenizer.bpe import train_bpe

from ..lm_eval_client import CASES, Direct, check, check_texts, client

KEY = "the harness"
ALPHA = 1.5


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Random models far from uniform; the experts' output layers have rows to spare."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    texts = [text for context, answers in CASES.values() for text in (context, *answers)]
    tokenizer = train_bpe(texts * 4, 420)
    made = {}
    for seed, (role, hidden) in enumerate([("base", 48), ("expert", 32), ("anti_expert", 32)]):
        config = Qwen2Config(
            vocab_size=len(tokenizer) + 8 * seed, hidden_size=hidden, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.3,
            eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        torch.manual_seed(seed)
        made[role] = str(folder / role)
        Qwen2ForCausalLM(config).save_pretrained(made[role])
        tokenizer.save_pretrained(made[role])
    return made


@pytest.fixture(scope="module")
def address(ray_session: None, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("run")
    step = {"stage": "serve", "alpha": ALPHA, "max_length": 256, "port": 0, "cpus_per_replica": 0.5, **models}
    (folder / "run.json").write_text(
        json.dumps({"run": "harness", "store": str(folder / "store"), "steps": {"e": step}})
    )
    config = load_config(folder / "run.json")
    (finished,) = execute(config, plan(config), print, nullcontext)
    os.environ[API_KEY] = KEY
    try:
        with stage.running(Store(config.store), finished.manifest, print) as found:
            yield found
    finally:
        del os.environ[API_KEY]


@pytest.fixture(scope="module")
def direct(models: dict[str, str]) -> Direct:
    return Direct(models, ALPHA)


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"num_concurrent": 4}], ids=["batches", "concurrent"])
def test_lm_eval_gets_what_a_direct_computation_gives(address: str, direct: Direct, options: dict[str, int]) -> None:
    harness = client(address, KEY, **options)
    assert harness.tokenizer_backend == "remote"
    check(harness, direct)


def test_lm_eval_may_send_text_with_a_tokenizer_of_its_own(
    address: str, direct: Direct, models: dict[str, str]
) -> None:
    harness = client(address, KEY, tokenizer=models["base"], tokenizer_backend="huggingface", tokenized_requests=False)
    assert max(check_texts(harness, direct)) < 1e-4


def test_a_model_by_name_is_scored_with_its_own_strength(address: str, models: dict[str, str]) -> None:
    for name, alpha in {"ensemble@0.5": 0.5, "base": 0.0}.items():
        harness = client(address, KEY, model=name, batch_size=8)
        assert max(check_texts(harness, Direct(models, alpha))) < 1e-4

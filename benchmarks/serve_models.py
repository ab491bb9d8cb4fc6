"""Models and prompts for the serving benchmarks: random weights, since speed without drafts does not depend on them."""

import json
import statistics
from collections.abc import Sequence
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

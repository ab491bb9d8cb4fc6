"""Models: from a folder or hub id, or from nothing; parameter groups; export to a Hugging Face folder."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from apollo_ray.errors import UserError
from apollo_ray.train.settings import Architecture

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def model_config(architecture: Architecture, tokenizer: Any) -> Qwen2Config:
    """Configuration of a model from nothing, as wide as the tokenizer has ids."""
    width = architecture.intermediate_size or (architecture.hidden_size * 8 // 3 + 7) // 8 * 8
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=architecture.hidden_size,
        intermediate_size=width,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.key_value_heads or architecture.heads,
        max_position_embeddings=architecture.max_position,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def load_model(start: str | None, architecture: Architecture | None, tokenizer_folder: str, seed: int) -> nn.Module:
    """The model in float32, ready to train. Raises UserError where the tokenizer has ids that the model has not."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    if start is None:
        assert architecture is not None
        torch.manual_seed(seed)
        model: Any = Qwen2ForCausalLM(model_config(architecture, tokenizer))
    else:
        model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32, attn_implementation="sdpa")
    rows = model.get_input_embeddings().weight.shape[0]
    rows = getattr(model.get_input_embeddings().weight, "ds_shape", [rows])[0]  # ZeRO-3 leaves an empty shard here
    if len(tokenizer) > rows:
        raise UserError(f"start {start!r} has {rows} embeddings; the mix step's tokenizer has {len(tokenizer)} ids")
    model.config.use_cache = False
    return model.train()


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW groups: norms and biases are not decayed. Found by type, since names vary with the family."""
    plain = {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if name == "bias" or "norm" in type(module).__name__.lower()
    }
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if id(p) not in plain], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) in plain], "weight_decay": 0.0},
    ]


def export(model: Any, state: dict[str, torch.Tensor], tokenizer_folder: str, precision: str, folder: Path) -> None:
    """A Hugging Face folder: weights in safetensors at `precision`, configuration and tokenizer."""
    model.config.use_cache = True
    model.config.dtype = DTYPES[precision]
    model.save_pretrained(folder, state_dict={name: value.to(DTYPES[precision]) for name, value in state.items()})
    AutoTokenizer.from_pretrained(tokenizer_folder).save_pretrained(folder)

"""Models: from a folder or hub id, or from nothing; adapters; parameter groups."""

from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from apollo_ray.errors import UserError
from apollo_ray.train import attention
from apollo_ray.train.settings import Architecture, Lora

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


def load_model(start: str | None, architecture: Architecture | None, tokenizer_folder: str, seed: int) -> Any:
    """The model in float32, ready to train on flat batches.

    Raises UserError where it cannot be loaded, or the tokenizer has ids that the model has not.
    """
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    implementation = attention.implementation()
    if start is None:
        assert architecture is not None
        torch.manual_seed(seed)
        config = model_config(architecture, tokenizer)
        model: Any = Qwen2ForCausalLM._from_config(config, attn_implementation=implementation, dtype=torch.float32)
    else:
        try:
            model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32, attn_implementation=implementation)
        except (OSError, ValueError) as error:
            raise UserError(f"start {start!r} cannot be loaded: {error}") from error
    rows = model.get_input_embeddings().weight.shape[0]
    rows = getattr(model.get_input_embeddings().weight, "ds_shape", [rows])[0]  # ZeRO-3 leaves an empty shard here
    if len(tokenizer) > rows:
        raise UserError(f"start {start!r} has {rows} embeddings; the mix step's tokenizer has {len(tokenizer)} ids")
    model.config.use_cache = False
    return model.train()


def with_adapters(model: Any, settings: Lora, seed: int) -> Any:
    """`model` frozen, with adapters that are trained."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    return get_peft_model(
        model,
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft's hint says int; any number scales
            lora_dropout=settings.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW groups: norms and biases are not decayed. Found by type, since names vary with the family."""
    plain = {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if name == "bias" or "norm" in type(module).__name__.lower()
    }
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if id(p) not in plain], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) in plain], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]

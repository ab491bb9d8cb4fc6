"""From a model's name in the settings to weights on a device, and the checks that the three fit together."""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from apollo_ray.ensemble import shared_vocabulary
from apollo_ray.errors import UserError
from apollo_ray.serve.cache import check_cacheable
from apollo_ray.serve.packing import pack
from apollo_ray.step import Folder
from apollo_ray.store import Store


def model_reference(store: Store, step: str, fingerprint: str) -> str:
    """A finished step's model as one string, for hosts that have no run: `store::step/fingerprint`."""
    return f"{store.uri}::{step}/{fingerprint}"


def resolve_model(reference: str) -> str:
    """A folder on this host for a `model_reference`, fetched if the store is remote; a path or hub id as it is."""
    uri, separator, place = reference.rpartition("::")
    if not separator:
        return reference
    step, _, fingerprint = place.partition("/")
    store = Store(uri)
    manifest = store.manifest(step, fingerprint)
    if manifest is None:
        raise UserError(f"{reference}: the store has no such finished step")
    return Folder(step, "model", store, manifest).local()


def check_models(folders: Mapping[str, str], max_length: int, cached: bool = True) -> tuple[Any, int]:
    """(the base's tokenizer, number of shared ids) of role -> folder or hub id; reads no weights.

    `cached`: they are to run on this package's own cache, which takes fewer architectures than vLLM.

    Raises UserError where one cannot be served with the others.
    """
    configs, tokenizers = [], []
    for role, folder in folders.items():
        try:
            configs.append(AutoConfig.from_pretrained(folder))
            tokenizers.append(AutoTokenizer.from_pretrained(folder))
        except (OSError, ValueError) as error:
            raise UserError(f"{role}: {folder!r} is no model folder or Hugging Face id: {error}") from error
        if cached:
            check_cacheable(configs[-1], role, max_length)
    if tokenizers[0].eos_token_id is None:
        raise UserError(f"base: the tokenizer of {folders['base']!r} has no end token: no answer would end")
    heads = [config.get_text_config(decoder=True).vocab_size for config in configs]
    return tokenizers[0], shared_vocabulary(tokenizers, heads, list(folders))


def load_models(folders: Mapping[str, str], dtype: str, device: str) -> dict[str, Any]:
    """role -> transformers model in `dtype` on `device`."""
    loaded = {}
    for role, folder in folders.items():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation="sdpa")
        model = model.eval().to(device)
        loaded[role] = pack(model) if device == "cpu" else model
    return loaded


def end_tokens(tokenizer: Any, models: Mapping[str, Any]) -> frozenset[int]:
    """Ids that end an answer: the tokenizer's, and those that any model's generation settings name."""
    found = {tokenizer.eos_token_id}
    for model in models.values():
        named = model.generation_config.eos_token_id if model.generation_config else None
        found |= set(named if isinstance(named, list) else [named])
    return frozenset(found - {None})

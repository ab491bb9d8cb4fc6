"""A finished serve step as a folder that stock `vllm serve` loads, with this package installed beside vLLM.

config.json             the base's, with alpha, the shared ids and every part's own config
tokenizer files, generation_config.json, ensemble.safetensors (a stand-in: the loader wants a file here)
base/ expert/ anti_expert/   weights, except of models that are named by a hub id, which vLLM fetches
draft/                  the expert as draft model for speculative decoding
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, GenerationConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from apollo_ray.errors import UserError
from apollo_ray.serve.models import check_models, model_reference, resolve_model
from apollo_ray.serve.settings import StageSettings
from apollo_ray.serve.vllm_model import ARCHITECTURE
from apollo_ray.store import Manifest, Store

WEIGHTS = "*.safetensors"
STAND_IN = "ensemble.safetensors"


def export_ensemble(store: Store, manifest: Manifest, target: str | Path) -> Path:
    """Write `target` from a finished serve step and return it. Nothing is written before all checks have passed.

    Raises UserError where `target` is not empty, where the step has a base alone, where tokenizers or vocabularies
    differ, and where a model is not what vLLM can take as a part.
    """
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"target {str(target)!r} is there already and not an empty folder; give a new one")
    settings = StageSettings.model_validate(manifest.settings)
    if settings.expert is None:
        raise UserError(f"step {manifest.step!r} has a base alone: 'vllm serve' takes that model as it is")
    folders = {role: _folder(store, told) for role, told in manifest.summary["models"].items()}
    tokenizer, width = check_models(folders, settings.max_length, cached=False)
    if len(tokenizer) > width:
        raise UserError(
            f"base: the tokenizer has {len(tokenizer)} ids and the models share {width}; vLLM would take prompts with "
            "ids that expert or anti_expert lack. 'apollo serve' serves this ensemble"
        )
    parts = {role: _part(role, folder) for role, folder in folders.items()}

    target.mkdir(parents=True, exist_ok=True)
    for role, folder in folders.items():
        if "subfolder" in parts[role]:
            _link(Path(folder), target / role)
    alpha = manifest.summary["alpha"]  # one for the server: vLLM knows no alpha by language
    _write_model(target, tokenizer, _ends(tokenizer, folders), _config(parts, width, alpha, "base"))
    expert = dict(parts["expert"])
    if "subfolder" in expert:
        expert["subfolder"] = f"../{expert['subfolder']}"
    ends = _ends(tokenizer, folders)
    _write_model(target / "draft", tokenizer, ends, _config({"expert": expert}, width, alpha, "expert"))
    return target


def _folder(store: Store, told: dict[str, str]) -> str:
    if "fingerprint" in told:
        return resolve_model(model_reference(store, told["path"], told["fingerprint"]))
    return told["path"]


def _part(role: str, folder: str) -> dict[str, Any]:
    """What the engine must know of one model: its config and where its weights are."""
    config = AutoConfig.from_pretrained(folder)
    if config.get_text_config(decoder=True) is not config:
        raise UserError(f"{role}: {folder!r} is a {config.model_type} with more than text; give a text model")
    if getattr(config, "quantization_config", None):
        raise UserError(f"{role}: {folder!r} is quantised; give the model's full weights, vLLM quantises on loading")
    values = json.loads(config.to_json_string(use_diff=False))
    values = {key: value for key, value in values.items() if not key.startswith("_")}
    if not values.get("architectures"):
        if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            raise UserError(f"{role}: {folder!r} names no architecture, and {config.model_type!r} has no usual one")
        values["architectures"] = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]]
    if not Path(folder).is_dir():
        return {"id": folder, "revision": getattr(config, "_commit_hash", None), "config": values}
    if not any(Path(folder).glob(WEIGHTS)):
        raise UserError(f"{role}: {folder!r} has no {WEIGHTS}")
    return {"subfolder": role, "config": values}


def _config(parts: dict[str, dict[str, Any]], width: int, alpha: float, first: str) -> dict[str, Any]:
    """config.json: what vLLM asks of the whole is answered for the `first` part, or for the part with least room."""
    values = dict(parts[first]["config"])
    longest = [part["config"].get("max_position_embeddings") for part in parts.values()]
    longest = [value for value in longest if value is not None]
    if longest:
        values["max_position_embeddings"] = min(longest)
    rotary = values.get("rope_parameters") or {}
    if rotary.get("rope_type", "default") != "default":
        # vLLM multiplies the length by a scaling factor, which would be the first part's alone.
        values["rope_parameters"] = {"rope_type": "default", "rope_theta": rotary.get("rope_theta", 10_000.0)}
    return values | {
        "architectures": [ARCHITECTURE],
        "vocab_size": width,
        "proxy_alpha": alpha,
        "proxy_vocabulary": width,
        "proxy_parts": parts,
    }


def _ends(tokenizer: Any, folders: dict[str, str]) -> list[int]:
    """Ids that end an answer, as `apollo serve` has them: of the tokenizer and of every model's generation settings."""
    found = {tokenizer.eos_token_id}
    for folder in folders.values():
        try:
            named = GenerationConfig.from_pretrained(folder).eos_token_id
        except OSError:  # a model without such a file
            continue
        found |= set(named if isinstance(named, list) else [named])
    return sorted(found - {None})


def _write_model(folder: Path, tokenizer: Any, ends: list[int], config: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    tokenizer.save_pretrained(folder)
    # No temperature and the like: a request that names none gets OpenAI's defaults, not those of the base.
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}) + "\n", encoding="utf-8")
    save_file({"shared_ids": torch.tensor([config["proxy_vocabulary"]])}, folder / STAND_IN, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    """Weights and configs: hard links, which outlive the source's own names, or copies from another file system."""
    target.mkdir()
    for name in (WEIGHTS, "*.safetensors.index.json", "config.json", "generation_config.json"):
        for file in sorted(source.glob(name)):
            found = file.resolve()  # the hub's cache is full of symbolic links
            try:
                os.link(found, target / file.name)
            except OSError:
                shutil.copyfile(found, target / file.name)

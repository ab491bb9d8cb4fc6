"""A trained model as a Hugging Face folder: weights, tokenizer, generation settings and a card that says what it is."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from apollo_ray.step import LINEAGE
from apollo_ray.train.model import DTYPES, with_adapters
from apollo_ray.train.settings import StageSettings


def export(
    model: Any,
    state: dict[str, torch.Tensor],
    settings: StageSettings,
    start: str | None,
    tokenizer_folder: str,
    lineage: dict[str, Any],
    folder: Path,
) -> None:
    """Writes `folder`. `model` was trained, `state` are its whole weights by name; adapters are merged in."""
    dtype = DTYPES[settings.precision]
    if settings.lora:
        from peft import set_peft_model_state_dict

        assert start is not None, "settings with adapters have a start"
        whole = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
        adapted = with_adapters(whole, settings.lora, settings.seed)
        adapters = {name.replace(".default.", "."): value.float() for name, value in state.items() if ".lora_" in name}
        result: Any = set_peft_model_state_dict(adapted, adapters)
        assert not result.unexpected_keys, f"adapters that the model does not have: {result.unexpected_keys}"
        model = adapted.merge_and_unload()
        state = model.state_dict()
    model.config.use_cache = True
    model.config.dtype = dtype
    model.save_pretrained(folder, state_dict={name: value.to(dtype) for name, value in state.items()})
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    tokenizer.save_pretrained(folder)
    # Greedy unless asked otherwise, and the end token that every answer was trained to close with.
    GenerationConfig(
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
    ).save_pretrained(folder)
    (folder / LINEAGE).write_text(json.dumps(lineage, indent=1, ensure_ascii=False))
    (folder / "README.md").write_text(card(lineage), encoding="utf-8")


def card(lineage: dict[str, Any]) -> str:
    """The model card as Markdown, with the metadata that the hub reads."""
    data, settings = lineage["data"], lineage["settings"]
    languages = sorted(data["tokens_by_language"])
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags: [medical, apollo-ray]"]
    if languages:
        head.append(f"language: [{', '.join(languages)}]")
    if lineage["start"]:
        head.append(f"base_model: {lineage['start']}")
    rows = "\n".join(f"| {lang} | {data['tokens_by_language'][lang]:,} |" for lang in languages)
    licences = (
        "\n".join(f"| {name} | {count:,} |" for name, count in sorted(data["licenses"].items())) or "| not told | |"
    )
    shown = "\n".join(f"- {name}: {value}" for name, value in sorted(settings.items()) if value is not None)
    return f"""{chr(10).join(head)}
---

# {lineage["step"]} of run {lineage["run"]}

A causal language model trained with Apollo Ray {lineage["versions"].get("apollo-ray", "")}.
**Not a medical device.** It must not be used to diagnose or treat anybody; what it writes may be wrong.

## Where it comes from

- step `{lineage["step"]}`, fingerprint `{lineage["fingerprint"]}`
- start: {lineage["start"] or "weights drawn at random"}
- data: step `{data["step"]}`, fingerprint `{data["fingerprint"]}`: {data["sequences"]:,} sequences,
  {data["tokens"]:,} tokens, {data["supervised_tokens"]:,} of them supervised, {settings.get("epochs", 1)} pass(es)

| language | tokens |
|---|---|
{rows}

| licence of the sources | rows |
|---|---|
{licences or "| not told | |"}

## How it was trained

{shown}

## Limits

- It knows what its data says, in the languages above, and repeats its errors.
- Personal data was replaced by rules, which find most and not all of it.
- It was not evaluated for clinical use.
"""

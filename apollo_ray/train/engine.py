"""A model under DeepSpeed, ready for the loop, and its whole weights afterwards."""

from typing import Any

import torch

from apollo_ray.train.loss import Objective
from apollo_ray.train.metrics import Size
from apollo_ray.train.model import load_model, parameter_groups, with_adapters
from apollo_ray.train.settings import StageSettings
from apollo_ray.train.zero import deepspeed_config, import_deepspeed


def build(settings: StageSettings, start: str | None, tokenizer: str, world: int) -> tuple[Any, Size]:
    """(engine around an Objective, size of the model). The process group is made here; all workers must call it."""
    deepspeed = import_deepspeed()
    deepspeed.init_distributed("nccl" if torch.cuda.is_available() else "gloo", auto_mpi_discovery=False)
    config = deepspeed_config(settings, world)
    partitioned = None
    if settings.zero_stage == 3 and start is not None:
        from transformers.integrations.deepspeed import HfDeepSpeedConfig

        partitioned = HfDeepSpeedConfig(config)  # while it lives, weights are loaded into shards: no worker holds all
    model = load_model(start, settings.architecture, tokenizer, settings.seed)
    del partitioned
    size = Size.of(model)
    if settings.lora:
        model = with_adapters(model, settings.lora, settings.seed)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if settings.lora:
            model.enable_input_require_grads()
    objective = Objective(model)
    if settings.zero_stage == 3:
        deepspeed.zero.register_external_parameter(objective, objective.head().weight)
    optimizer = torch.optim.AdamW(parameter_groups(objective, settings.weight_decay), lr=settings.learning_rate)
    engine, *_ = deepspeed.initialize(model=objective, optimizer=optimizer, config=config, dist_init_required=False)
    return engine, size


def set_learning_rate(engine: Any, rate: float) -> None:
    """Of all parameters, for the step to come."""
    for group in getattr(engine.optimizer, "optimizer", engine.optimizer).param_groups:
        group["lr"] = rate


def full_state(engine: Any) -> dict[str, torch.Tensor]:
    """The model's weights by the model's own names. Every rank must call it; under ZeRO-3 only rank 0 gets them."""
    if engine.zero_optimization_partition_weights():
        state = engine._zero3_consolidated_16bit_state_dict() or {}
    else:
        state = engine.module_state_dict()
    return {name.removeprefix("model."): value for name, value in state.items()}

"""DeepSpeed: its configuration, and its import where there is no GPU."""

import os
from types import ModuleType
from typing import Any

import torch

from apollo_ray.train.data import accumulation
from apollo_ray.train.settings import StageSettings


def import_deepspeed() -> ModuleType:
    """DeepSpeed, without a build of its C++ ops on CPU (its shared-memory all-reduce would compile for a minute)."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed

    if not torch.cuda.is_available():
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed


def deepspeed_config(settings: StageSettings, world: int) -> dict[str, Any]:
    """For DeepSpeed 0.19. The optimizer is torch's AdamW, which DeepSpeed wants to be told is meant."""
    on_gpu = torch.cuda.is_available()
    zero: dict[str, Any] = {"stage": settings.zero_stage, "overlap_comm": on_gpu, "contiguous_gradients": True}
    if settings.zero_stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    if settings.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": on_gpu}
    if settings.offload == "all":
        zero["offload_param"] = {"device": "cpu", "pin_memory": on_gpu}
    batches = accumulation(settings.global_batch, world, settings.micro_batch)
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": settings.micro_batch,
        "gradient_accumulation_steps": batches,
        "train_batch_size": settings.micro_batch * batches * world,
        "gradient_clipping": settings.clip,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 1_000_000_000,
        "zero_optimization": zero,
    }
    if settings.precision == "bfloat16":
        config["bf16"] = {"enabled": True}
    return config

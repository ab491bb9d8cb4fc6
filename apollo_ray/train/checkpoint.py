"""Checkpoints that any number of workers at any ZeRO stage can go on from.

Every worker writes each world-th parameter whole: its float32 value and both moments of Adam, by name. So no conversion
stands between a checkpoint and another number of workers, as it does for DeepSpeed's own shards.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import deepspeed
import torch
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
)
from deepspeed.utils.mixed_precision_linkage import lazy_init_hp_params_optimizer_state
from safetensors import safe_open
from safetensors.torch import save_file

PROGRESS = "progress.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Progress:
    """`step` optimizer steps are done; `history` has a TRAINING_STEP row for each, `held_out` a row a language."""

    step: int
    history: list[dict[str, float]]
    held_out: list[dict[str, Any]]


def save(engine: Any, progress: Progress, folder: Path, rank: int, world: int) -> None:
    """Every rank writes its share into its own `folder`; rank 0 adds the progress. All must call it together."""
    _link(engine)
    share: dict[str, torch.Tensor] = {}
    for number, (name, parameter) in enumerate(_trained(engine)):
        for what in ("value", *MOMENTS):
            whole = _get(engine, parameter, what)  # all workers take part
            if number % world == rank:
                shape = getattr(parameter, "ds_shape", parameter.shape)
                share[f"{name}|{what}"] = whole.detach().reshape(shape).to("cpu", torch.float32, copy=True).contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(share, folder / f"share-{rank:05d}-of-{world:05d}.safetensors")
    if rank == 0:
        (folder / PROGRESS).write_text(json.dumps(asdict(progress)))


def read(file: Path) -> Progress:
    """A PROGRESS file."""
    return Progress(**json.loads(file.read_text()))


def load(engine: Any, folder: Path) -> Progress:
    """Restore weights and optimizer. All must call it together."""
    progress = read(folder / PROGRESS)
    opened = [safe_open(file, "pt") for file in sorted(folder.glob("share-*.safetensors"))]
    where = {name: file for file in opened for name in file.keys()}  # noqa: SIM118 - not a mapping
    base = _base(engine)
    # Under ZeRO-3 the groups are empty but while a step is made: the optimizer's own parameters are flat shards.
    shards = getattr(engine.optimizer, "fp32_partitioned_groups_flat", None)
    for parameter in shards or [parameter for group in base.param_groups for parameter in group["params"]]:
        base.state[parameter] = {name: torch.zeros_like(parameter) for name in MOMENTS}
        base.state[parameter]["step"] = torch.tensor(float(progress.step))
    _link(engine)
    for name, parameter in _trained(engine):
        for what in ("value", *MOMENTS):
            _set(engine, parameter, what, where[f"{name}|{what}"].get_tensor(f"{name}|{what}"))
    return progress


def _trained(engine: Any) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, parameter) for name, parameter in engine.module.named_parameters() if parameter.requires_grad)


def _base(engine: Any) -> Any:
    """torch's AdamW, inside DeepSpeed's optimizer where there is one."""
    return getattr(engine.optimizer, "optimizer", engine.optimizer)


def _is_plain(engine: Any) -> bool:
    """ZeRO-0 in float32: parameters and their states are whole everywhere."""
    return _base(engine) is engine.optimizer


def _link(engine: Any) -> None:
    """ZeRO-1 and -2 tie a parameter to its share of the optimizer's state when asked, once that state exists."""
    optimizer = engine.optimizer
    if hasattr(optimizer, "bit16_groups"):
        for number in range(len(optimizer.optimizer.param_groups)):
            lazy_init_hp_params_optimizer_state(
                optimizer.bit16_groups[number],
                optimizer.single_partition_of_fp32_groups[number],
                optimizer.optimizer.state,
            )


def _get(engine: Any, parameter: torch.nn.Parameter, what: str) -> torch.Tensor:
    if _is_plain(engine):
        return parameter.data if what == "value" else engine.optimizer.state[parameter][what]
    if what == "value":
        return safe_get_full_fp32_param(parameter)
    return safe_get_full_optimizer_state(parameter, what)


def _set(engine: Any, parameter: torch.nn.Parameter, what: str, value: torch.Tensor) -> None:
    if _is_plain(engine):
        target = parameter.data if what == "value" else engine.optimizer.state[parameter][what]
        target.copy_(value)
    elif what == "value":
        safe_set_full_fp32_param(parameter, value)
        # What the passes use, in their precision, would be renewed by the next optimizer step only.
        with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0, enabled=hasattr(parameter, "ds_id")):
            parameter.data.copy_(value)
    else:
        safe_set_full_optimizer_state(parameter, value, what)

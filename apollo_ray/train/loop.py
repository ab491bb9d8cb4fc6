"""The loop of one worker: plain torch and DeepSpeed. Ray comes in only through the two callables that it is given."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from apollo_ray.train import checkpoint
from apollo_ray.train.data import PackedRows, collate, micro_batch_positions
from apollo_ray.train.loss import summed_loss, supervised_tokens
from apollo_ray.train.model import load_model, parameter_groups
from apollo_ray.train.schedule import learning_rate_factor
from apollo_ray.train.settings import StageSettings
from apollo_ray.train.zero import deepspeed_config, import_deepspeed

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class Worker:
    """What a worker is told. `resume` is a checkpoint folder; `report` takes (step, loss, checkpoint folder)."""

    rank: int
    world: int
    settings: StageSettings
    start: str | None
    tokenizer: str
    rows: PackedRows
    resume: Path | None
    report: Callable[[int, float, Path], None]
    say: Callable[[str], None]


def train(worker: Worker) -> tuple[Any, checkpoint.Progress, int | None]:
    """Run to the last step. Returns (engine, progress, step it resumed from)."""
    settings = worker.settings
    steps = -(-len(worker.rows) // settings.global_batch)
    engine = _engine(worker, steps)
    resumed = None
    history: list[dict[str, float]] = []
    first = 0
    if worker.resume is not None:
        progress = checkpoint.load(engine, worker.resume, worker.world, settings.zero_stage)
        first, history, resumed = progress.step, list(progress.history), progress.step
        worker.say(f"resumed at step {first} of {steps}")
    last_line = time.monotonic()
    for step in range(first, steps):
        history.append(_step(worker, engine, step))
        done = step + 1
        if done == steps or time.monotonic() - last_line > SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            worker.say(f"step {done} of {steps}, loss {history[-1]['loss']:.3f}")
        if done % settings.checkpoint_every == 0 and done < steps:
            folder = Path(tempfile.mkdtemp(prefix="apollo-checkpoint-"))
            kept = checkpoint.Progress(done, worker.world, settings.zero_stage, history)
            checkpoint.save(engine, kept, folder, worker.rank)
            worker.report(done, history[-1]["loss"], folder)
    return engine, checkpoint.Progress(steps, worker.world, settings.zero_stage, history), resumed


def full_state(engine: Any) -> dict[str, torch.Tensor]:
    """The whole model's weights. Every rank must call it; under ZeRO-3 only rank 0 gets them."""
    if engine.zero_optimization_partition_weights():
        return engine._zero3_consolidated_16bit_state_dict() or {}
    return engine.module_state_dict()


def _engine(worker: Worker, steps: int) -> Any:
    settings = worker.settings
    deepspeed = import_deepspeed()
    on_gpu = torch.cuda.is_available()
    deepspeed.init_distributed("nccl" if on_gpu else "gloo", auto_mpi_discovery=False)
    model: Any = load_model(worker.start, settings.architecture, worker.tokenizer, settings.seed)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    optimizer = torch.optim.AdamW(parameter_groups(model, settings.weight_decay), lr=settings.learning_rate)

    def schedule(inner: Any) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(
            inner, lambda step: learning_rate_factor(step, steps, settings.warmup, settings.final_learning_rate)
        )

    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=optimizer,
        lr_scheduler=schedule,
        config=deepspeed_config(settings),
        dist_init_required=False,
    )
    return engine


def _step(worker: Worker, engine: Any, step: int) -> dict[str, float]:
    """One optimizer step; a TRAINING_STEP row, the same on every rank."""
    settings = worker.settings
    batches = []
    for index in range(settings.accumulation):
        positions = micro_batch_positions(
            step, index, worker.rank, worker.world, settings.micro_batch, settings.global_batch
        )
        batches.append(collate([worker.rows.row(position) for position in positions]))
    number = torch.tensor(float(sum(supervised_tokens(batch["labels"]) for batch in batches)), dtype=torch.float64)
    number = _summed(number, engine.device)
    rate = engine.get_lr()[0]
    total = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        inputs = {name: value.to(engine.device) for name, value in batch.items()}
        labels = inputs.pop("labels")
        loss = summed_loss(engine(**inputs, use_cache=False).logits, labels) / max(1.0, float(number))
        total += loss.detach().double().cpu()
        # DeepSpeed divides by accumulation and by workers; ours is a mean over the tokens of all of them already.
        engine.backward(loss * (settings.accumulation * worker.world))
        engine.step()
    return {
        "step": step + 1,
        "loss": float(_summed(total, engine.device)),
        "learning_rate": float(rate),
        "gradient_norm": float(engine.get_global_grad_norm() or 0.0),
        "supervised_tokens": int(number),
    }


def _summed(value: torch.Tensor, device: Any) -> torch.Tensor:
    on_device = value.to(device)
    dist.all_reduce(on_device)
    return on_device.cpu()

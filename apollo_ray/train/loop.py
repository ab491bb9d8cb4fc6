"""The loop of one worker: plain torch and DeepSpeed. Ray comes in only through the callables that it is given."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from apollo_ray.packed import PackedRows
from apollo_ray.train import checkpoint, held_out
from apollo_ray.train.data import step_batches
from apollo_ray.train.engine import build, set_learning_rate
from apollo_ray.train.metrics import Size, memory_gib, peak_flops
from apollo_ray.train.schedule import learning_rate_factor
from apollo_ray.train.settings import StageSettings

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class Worker:
    """What a worker is told. `resume` is a checkpoint folder.

    `report` takes (step, loss, folder of a checkpoint, whether to wait until it is safe); `log` a step's numbers.
    """

    rank: int
    world: int
    settings: StageSettings
    start: str | None
    tokenizer: str
    rows: PackedRows
    held_out: PackedRows | None
    resume: Path | None
    report: Callable[[int, float, Path, bool], None]
    log: Callable[[int, dict[str, float]], None]
    say: Callable[[str], None]
    must_stop: Callable[[], bool]

    @property
    def steps(self) -> int:
        return -(-len(self.rows) * self.settings.epochs // self.settings.global_batch)


@dataclass
class Run:
    """What a worker has in hand between steps, and at the end. `resumed`: the step that it went on from."""

    engine: Any
    size: Size
    history: list[dict[str, float]]
    held_out: list[dict[str, Any]]
    resumed: int | None = None
    stopped: bool = False
    tokens: float = 0.0
    seconds: float = 0.0
    data_seconds: float = 0.0

    @property
    def progress(self) -> checkpoint.Progress:
        return checkpoint.Progress(len(self.history), self.history, self.held_out)


def train(worker: Worker) -> Run:
    """Run to the last step, or until `must_stop` says so: then the run's checkpoint is safe when this returns."""
    settings, steps = worker.settings, worker.steps
    engine, size = build(settings, worker.start, worker.tokenizer, worker.world)
    run = Run(engine, size, [], [])
    if worker.resume is not None:
        progress = checkpoint.load(engine, worker.resume)
        run.history, run.held_out, run.resumed = list(progress.history), list(progress.held_out), progress.step
        worker.say(f"resumed at step {progress.step} of {steps} on {worker.world} workers")
    languages = held_out.languages_of(worker.held_out) if worker.held_out else ()
    last_line = time.monotonic()
    if not run.history:
        _evaluate(worker, run, languages)
    for step in range(len(run.history), steps):
        values, must_stop = _step(worker, run, step)
        done = step + 1
        worker.log(done, values)
        if done == steps or time.monotonic() - last_line > SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            worker.say(
                f"step {done} of {steps}, loss {values['loss']:.3f}, {values['tokens_per_second']:,.0f} tokens/s"
            )
        if done == steps or done % settings.evaluate_every == 0:
            _evaluate(worker, run, languages)
        if done < steps and (must_stop or done % settings.checkpoint_every == 0):
            folder = Path(tempfile.mkdtemp(prefix="apollo-checkpoint-"))
            checkpoint.save(engine, run.progress, folder, worker.rank, worker.world)
            worker.report(done, values["loss"], folder, must_stop)
            if must_stop:
                run.stopped = True
                break
    return run


def _step(worker: Worker, run: Run, step: int) -> tuple[dict[str, float], bool]:
    """One optimizer step: (its numbers, the same on every rank; whether the run must stop after it)."""
    settings, engine, world = worker.settings, run.engine, worker.world
    begun = time.monotonic()
    torch.manual_seed((settings.seed * 1_000_003 + step) * 4_099 + worker.rank)  # dropout, if any: nothing to restore
    batches = list(
        step_batches(
            worker.rows, settings.epochs, step, worker.rank, world, settings.micro_batch, settings.global_batch
        )
    )
    waited = time.monotonic() - begun
    counts = [0.0, 0.0, 0.0, float(worker.must_stop())]
    for batch in batches:
        counts[0] += batch.supervised
        counts[1] += len(batch.ids) if batch.supervised else 0
        counts[2] += float((batch.lengths.double() ** 2).sum())
    supervised, tokens, squares, stop = _summed(counts, engine.device)
    rate = settings.learning_rate * learning_rate_factor(
        step, worker.steps, settings.warmup, settings.final_learning_rate, settings.schedule, settings.epochs
    )
    set_learning_rate(engine, rate)
    total = 0.0
    for batch in batches:
        loss = engine(**batch.inputs(engine.device)).sum() / max(1.0, supervised)
        # DeepSpeed divides by accumulation and by workers; ours is a mean over the tokens of all of them already.
        engine.backward(loss * (len(batches) * world))
        engine.step()
        total += float(loss.detach())
    (total,) = _summed([total], engine.device)
    seconds = time.monotonic() - begun
    run.history.append(
        {
            "step": step + 1,
            "loss": total,
            "learning_rate": rate,
            "gradient_norm": float(engine.get_global_grad_norm() or 0.0),
            "supervised_tokens": int(supervised),
        }
    )
    run.tokens += tokens
    run.seconds += seconds
    run.data_seconds += waited
    values = run.history[-1] | {
        "tokens_per_second": tokens / seconds,
        "supervised_tokens_per_second": supervised / seconds,
        "waiting_for_data": waited / seconds,
        "memory_gib": memory_gib(),
        "workers": float(world),
    }
    if (peak := peak_flops()) is not None:
        values["mfu"] = run.size.flops(tokens, squares) / seconds / (peak * world)
    values.pop("step")
    return values, stop > 0


def _evaluate(worker: Worker, run: Run, languages: tuple[str, ...]) -> None:
    if worker.held_out is None:
        return
    found = held_out.losses(run.engine, worker.held_out, languages, worker.rank, worker.world)
    step = len(run.history)
    run.held_out += [
        {"step": step, "lang": lang, "loss": loss, "tokens": tokens} for lang, (loss, tokens) in found.items()
    ]
    worker.log(step, {f"held_out/{lang}": loss for lang, (loss, _) in found.items()})
    worker.say(f"held-out loss at step {step}: " + ", ".join(f"{lang} {loss:.3f}" for lang, (loss, _) in found.items()))


def _summed(values: list[float], device: Any) -> list[float]:
    """Over all workers."""
    on_device = torch.tensor(values, dtype=torch.float64).to(device)
    dist.all_reduce(on_device)
    return on_device.cpu().tolist()

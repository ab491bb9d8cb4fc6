"""The project's own numbers, which Ray's agents export beside Ray's: `ray_` and the name, counters with `_total`.

Nothing is counted where Ray is not up in this process, so pure code may count and needs no Ray. A number leaves the
process within Ray's reporting interval (10 s by default) or when it ends. A process that is killed takes its last
numbers with it, so manifests, not metrics, are the record of a run.
"""

import functools
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """`tags` are given with every number; none comes from a client or a text, so series stay few."""

    kind: str  # counter or gauge
    tells: str
    tags: tuple[str, ...]


STEP = ("run", "stage", "step")
METRICS = {
    "apollo_rows_in": Metric("counter", "Units that went into finished steps", STEP),
    "apollo_rows_out": Metric("counter", "Units that finished steps kept", STEP),
    "apollo_rows_dropped": Metric("counter", "Units that finished steps dropped", (*STEP, "reason")),
    "apollo_step_seconds": Metric("gauge", "Seconds that a finished step took", STEP),
    "apollo_train_loss": Metric("gauge", "Loss a supervised token in the last optimizer step", ("run", "step")),
    "apollo_train_tokens_per_second": Metric("gauge", "Tokens a second in that step", ("run", "step")),
    "apollo_train_optimizer_steps": Metric("counter", "Optimizer steps", ("run", "step")),
    "apollo_llm_calls": Metric("counter", "Calls that an LLM answered over HTTP to rewrite", ("model",)),
    "apollo_llm_tokens": Metric("counter", "Their tokens, prompt and completion", ("model", "kind")),
    "apollo_llm_cost": Metric("counter", "Their price by the engine's settings", ("model",)),
    "apollo_serve_requests": Metric("counter", "Requests that are over", ("route", "model", "status")),
    "apollo_serve_tokens": Metric("counter", "Their tokens, prompt and completion", ("model", "kind")),
    "apollo_serve_drafts": Metric("counter", "Drafts that were checked, accepted and refused", ("model", "result")),
    "apollo_evaluation_answers": Metric("counter", "Replies, asked for and kept", ("run", "step", "source")),
}
"""A counter of steps counts units as the manifest does: rows, passages, sequences, answers."""


def count(name: str, amount: float = 1.0, /, **tags: str) -> None:
    """Raise a counter."""
    if amount and _up():
        _made(name).inc(amount, tags=tags)


def gauge(name: str, value: float, /, **tags: str) -> None:
    """Set a gauge."""
    if _up():
        _made(name).set(value, tags=tags)


def exported() -> set[str]:
    """The names under which Prometheus finds them."""
    return {f"ray_{name}_total" if metric.kind == "counter" else f"ray_{name}" for name, metric in METRICS.items()}


def _up() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


@functools.cache
def _made(name: str) -> Any:
    from ray.util.metrics import Counter, Gauge

    metric = METRICS[name]
    return (Counter if metric.kind == "counter" else Gauge)(name, metric.tells, metric.tags)

"""Where a run's numbers go while it trains: always metrics.jsonl of the step, and what the settings name."""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from typing import Any, Protocol

from apollo_ray import metrics
from apollo_ray.errors import UserError
from apollo_ray.store import FileEntry, Store

JSONL = "metrics.jsonl"
SECONDS_BETWEEN_WRITES = 30.0


class Tracker(Protocol):
    """Takes numbers by name at a step."""

    def log(self, step: int, values: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, folder: str) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(folder)

    def log(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    """MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME in the environment say where."""

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        import mlflow

        self._mlflow = mlflow
        mlflow.start_run(run_name=name)
        mlflow.log_params(settings)

    def log(self, step: int, values: dict[str, float]) -> None:
        self._mlflow.log_metrics({name.replace("/", "."): value for name, value in values.items()}, step=step)

    def close(self) -> None:
        self._mlflow.end_run()


class _WandB:
    """WANDB_API_KEY, WANDB_PROJECT and WANDB_MODE in the environment say where."""

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        import wandb

        self._run = wandb.init(name=name, config=settings, resume="allow", id=name.replace("/", "-"))

    def log(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def close(self) -> None:
        self._run.finish()


def check(names: Sequence[str], step: str) -> None:
    """Raises UserError where a package that the settings name is missing."""
    from importlib.util import find_spec

    for name in names:
        module = {"tensorboard": "tensorboardX"}.get(name, name)
        if find_spec(module) is None:
            raise UserError(f"steps.{step}.trackers: {name!r} needs the package {module}; pip install {module}")


class Trackers:
    """All of a run's; used by rank 0 alone. A resumed run goes on in the lines that `earlier` rows give again."""

    def __init__(
        self,
        store: Store,
        directory: str,
        name: str,
        names: Sequence[str],
        settings: dict[str, Any],
        earlier: Sequence[dict[str, Any]],
    ) -> None:
        self._store, self._directory = store, directory
        self._tags = dict(zip(("run", "step"), name.split("/"), strict=True))
        self._lines = [json.dumps(row) for row in earlier]
        self._written = time.monotonic()
        self._board = tempfile.TemporaryDirectory(prefix="apollo-tensorboard-")
        self._trackers: list[Tracker] = []
        for chosen in names:
            if chosen == "tensorboard":
                self._trackers.append(_TensorBoard(self._board.name))
            elif chosen == "mlflow":
                self._trackers.append(_MLflow(name, settings))
            else:
                self._trackers.append(_WandB(name, settings))

    def log(self, step: int, values: dict[str, float]) -> None:
        self._lines.append(json.dumps({"step": step, **values}))
        if "loss" in values:  # an optimizer step's; held-out losses come by themselves
            metrics.gauge("apollo_train_loss", values["loss"], **self._tags)
            metrics.gauge("apollo_train_tokens_per_second", values["tokens_per_second"], **self._tags)
            metrics.count("apollo_train_optimizer_steps", 1.0, **self._tags)
        for tracker in self._trackers:
            tracker.log(step, values)
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        # Rewritten whole: object stores cannot append, and a hundred thousand steps are some 20 MB.
        self._store.write(self._store.path(self._directory, JSONL), ("\n".join(self._lines) + "\n").encode())
        self._written = time.monotonic()

    def close(self) -> list[FileEntry]:
        """Writes what is left; returns TensorBoard's files in the store."""
        self._write()
        for tracker in self._trackers:
            tracker.close()
        files = []
        if os.listdir(self._board.name):
            files = self._store.upload(self._board.name, self._directory, "tensorboard")
        self._board.cleanup()
        return files

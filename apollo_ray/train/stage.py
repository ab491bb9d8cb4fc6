"""Train on Ray Train (V2): a worker group with DeepSpeed, checkpoints in the store, the model uploaded by rank 0."""

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs
import ray
import ray.train
from fsspec.implementations.local import LocalFileSystem
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from apollo_ray.errors import UserError
from apollo_ray.records import TRAINING_STEP
from apollo_ray.step import Context, Folder, Result
from apollo_ray.store import Counts, FileEntry, Manifest, Store
from apollo_ray.train import checkpoint
from apollo_ray.train.settings import StageSettings

SECONDS_BETWEEN_POLLS = 2.0
SNAPSHOT = "checkpoint_manager_snapshot.json"  # Ray Train's list of checkpoints that a run may resume from
RUN_NAME = "checkpoints"  # folder of Ray Train's run under the step's directory; its presence is what resumes


def run(context: Context[StageSettings]) -> Result:
    """A model folder and a TRAINING_STEP row for every optimizer step."""
    settings, store = context.settings, context.store
    data = context.input(settings.data)
    if data.stage != "mix":
        raise UserError(f"steps.{context.step}.data: {settings.data!r} is a {data.stage} step; a mix step is needed")
    _check_resumable(context)
    start = context.reference(settings.start, "model") if settings.start else None
    tokenizer = context.reference(settings.data, "tokenizer")
    gpus = settings.gpus_per_worker > 0
    resources = {"CPU": settings.cpus_per_worker} | ({"GPU": settings.gpus_per_worker} if gpus else {})
    context.say(f"{settings.workers} workers, ZeRO-{settings.zero_stage}, {data.summary['tokens']} tokens an epoch")
    lines: Any = ray.remote(num_cpus=0)(_Lines).remote()
    trainer = TorchTrainer(
        _worker,
        train_loop_config={
            "lines": lines,
            "directory": context.directory,
            "settings": settings,
            "store": store,
            "data": data,
            "start": start,
            "tokenizer": tokenizer,
        },
        scaling_config=ScalingConfig(num_workers=settings.workers, use_gpu=gpus, resources_per_worker=resources),
        run_config=RunConfig(
            name=RUN_NAME,
            failure_config=FailureConfig(max_failures=settings.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=settings.checkpoints_kept),
            **_storage(store, context.directory),
        ),
    )
    with _forwarding(lines, context.say):
        made = trainer.fit().return_value
    history = pa.Table.from_pylist(made["history"], TRAINING_STEP)
    entry = store.write_table(f"{context.directory}/data", history)
    model = [FileEntry(**item) for item in made["model"]]
    rows = data.rows * settings.epochs
    summary = {
        "parameters": made["parameters"],
        "steps": history.num_rows,
        "tokens": data.summary["tokens"] * settings.epochs,
        "final_loss": made["history"][-1]["loss"],
        "workers": settings.workers,
        "zero_stage": settings.zero_stage,
        "resumed_from": made["resumed_from"],
    }
    return Result(Counts("sequence", rows, rows), data=[entry], extra=model, summary=summary)


def _check_resumable(context: Context[StageSettings]) -> None:
    """Raises UserError, before any worker starts, where an earlier try left a checkpoint that these cannot load."""
    store, settings = context.store, context.settings
    snapshot = store.read(store.path(context.directory, RUN_NAME, SNAPSHOT))
    results = json.loads(snapshot)["checkpoint_results"] if snapshot else []
    if results:
        latest = store.path(context.directory, RUN_NAME, results[-1]["checkpoint_dir_name"], checkpoint.PROGRESS)
        progress = store.read(latest)
        if progress is not None:
            checkpoint.read_progress(progress, settings.workers, settings.zero_stage)


class _Lines:
    """Progress on its way from rank 0 to the driver; Ray's own forwarding would bring every worker's log along."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def add(self, text: str) -> None:
        self.waiting.append(text)

    def take(self) -> list[str]:
        taken, self.waiting = self.waiting, []
        return taken


@contextmanager
def _forwarding(lines: Any, say: Callable[[str], None]) -> Iterator[None]:
    ended = threading.Event()

    def forward() -> None:
        while not ended.wait(SECONDS_BETWEEN_POLLS):
            for text in ray.get(lines.take.remote()):
                say(text)

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for text in ray.get(lines.take.remote()):
            say(text)


def _storage(store: Store, directory: str) -> dict[str, Any]:
    if isinstance(store.fs, LocalFileSystem):
        return {"storage_path": store.path(directory)}
    wrapped = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(store.fs))
    return {"storage_path": store.path(directory), "storage_filesystem": wrapped}


def _worker(config: dict[str, Any]) -> dict[str, Any]:
    """Runs in every worker; rank 0's return value reaches the driver."""
    from apollo_ray.train.data import PackedRows
    from apollo_ray.train.loop import Worker, full_state, train
    from apollo_ray.train.model import export

    settings: StageSettings = config["settings"]
    store: Store = config["store"]
    data: Manifest = config["data"]
    start: Folder | None = config["start"]
    tokenizer = config["tokenizer"].local()
    place = ray.train.get_context()
    rank = place.get_world_rank()

    def report(step: int, loss: float, folder: Path) -> None:
        kept = ray.train.Checkpoint.from_directory(str(folder))
        ray.train.report({"step": step, "loss": loss}, checkpoint=kept, checkpoint_dir_name=f"step_{step:07d}")
        shutil.rmtree(folder)

    def say(text: str) -> None:
        if rank == 0:
            config["lines"].add.remote(text)

    latest = ray.train.get_checkpoint()
    with tempfile.TemporaryDirectory() as scratch:
        worker = Worker(
            rank=rank,
            world=place.get_world_size(),
            settings=settings,
            start=start.local() if start else None,
            tokenizer=tokenizer,
            rows=PackedRows(store, data, settings.epochs),
            resume=Path(latest.to_directory(f"{scratch}/resume")) if latest else None,
            report=report,
            say=say,
        )
        engine, progress, resumed = train(worker)
        state = full_state(engine)
        model: list[FileEntry] = []
        if rank == 0:
            export(engine.module, state, tokenizer, settings.precision, Path(scratch) / "model")
            model = store.upload(Path(scratch) / "model", config["directory"], "model")
    return {
        "history": progress.history,
        "resumed_from": resumed,
        "model": [asdict(entry) for entry in model],
        "parameters": sum(getattr(p, "ds_numel", p.numel()) for p in engine.module.parameters()),
    }

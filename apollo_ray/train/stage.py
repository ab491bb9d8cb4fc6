"""Train on Ray Train (V2): a worker group with DeepSpeed, checkpoints in the store, the model uploaded by rank 0."""

import importlib.metadata
import signal
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
from ray.train import CheckpointConfig, CheckpointUploadMode, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from apollo_ray.config import result_settings
from apollo_ray.errors import UserError
from apollo_ray.planning import identity
from apollo_ray.records import TRAINING_STEP
from apollo_ray.step import Context, Folder, Result
from apollo_ray.store import Counts, FileEntry, Manifest, Store
from apollo_ray.train import trackers
from apollo_ray.train.settings import StageSettings

SECONDS_BETWEEN_POLLS = 1.0
SECONDS_BETWEEN_SIZE_CHECKS = 60.0  # of an elastic run: each change of size costs a start from the last checkpoint
RUN_NAME = "checkpoints"  # folder of Ray Train's run under the step's directory; its presence is what resumes
STOPPED = 128 + signal.SIGTERM


def run(context: Context[StageSettings]) -> Result:
    """A model folder and a TRAINING_STEP row for every optimizer step.

    A SIGTERM to the driver saves a checkpoint first and then ends the process with status 143.
    """
    settings, store = context.settings, context.store
    data = _mix(context, "data", settings.data)
    held_out = _mix(context, "held_out", settings.held_out) if settings.held_out else None
    trackers.check(settings.trackers, context.step)
    start = context.reference(settings.start, "model") if settings.start else None
    gpus = settings.gpus_per_worker > 0
    resources = {"CPU": settings.cpus_per_worker} | ({"GPU": settings.gpus_per_worker} if gpus else {})
    fewest = settings.fewest_workers or settings.workers
    context.say(f"{settings.workers} workers, ZeRO-{settings.zero_stage}, {data.summary['tokens']} tokens an epoch")
    # Beside the driver: Ray puts an actor without CPUs on any host, and a worker's may be lost.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    board: Any = ray.remote(num_cpus=0, scheduling_strategy=here)(_Board).remote()
    trainer = TorchTrainer(
        _worker,
        train_loop_config={
            "board": board,
            "directory": context.directory,
            "settings": settings,
            "store": store,
            "data": data,
            "held_out": held_out,
            "start": start,
            "tokenizer": context.reference(settings.data, "tokenizer"),
            "lineage": _lineage(context, data),
        },
        scaling_config=ScalingConfig(
            num_workers=settings.workers if fewest == settings.workers else (fewest, settings.workers),
            use_gpu=gpus,
            resources_per_worker=resources,
            label_selector=settings.node_labels or None,
            elastic_resize_monitor_interval_s=SECONDS_BETWEEN_SIZE_CHECKS,
        ),
        run_config=RunConfig(
            name=RUN_NAME,
            failure_config=FailureConfig(max_failures=settings.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=settings.checkpoints_kept),
            **_storage(store, context.directory),
        ),
    )
    with _forwarding(board, context.say):
        made = trainer.fit().return_value
    if made["stopped"]:
        context.say(f"stopped at step {made['stopped']} as asked; its checkpoint is kept, the same command goes on")
        raise SystemExit(STOPPED)
    history = pa.Table.from_pylist(made["history"], TRAINING_STEP)
    entry = store.write_table(f"{context.directory}/data", history)
    rows = data.rows * settings.epochs
    summary = {
        "parameters": made["parameters"],
        "steps": history.num_rows,
        "tokens": data.summary["tokens"] * settings.epochs,
        "final_loss": made["history"][-1]["loss"],
        "held_out": made["held_out"],
        "held_out_step": settings.held_out,
        "workers": settings.workers,
        "zero_stage": settings.zero_stage,
        "resumed_from": made["resumed"],
        "speed": made["speed"],
    }
    files = [FileEntry(**item) for item in made["files"]]
    return Result(Counts("sequence", rows, rows), data=[entry], extra=files, summary=summary)


def _mix(context: Context[StageSettings], key: str, name: str) -> Manifest:
    manifest = context.input(name)
    if manifest.stage != "mix":
        raise UserError(f"steps.{context.step}.{key}: {name!r} is a {manifest.stage} step; a mix step is needed")
    return manifest


def _lineage(context: Context[StageSettings], data: Manifest) -> dict[str, Any]:
    """What a model's card says of it."""
    settings = result_settings(context.settings)
    return {
        "run": context.run,
        "step": context.step,
        "fingerprint": context.fingerprint,
        "start": context.settings.start,
        "start_fingerprint": _start_fingerprint(context),
        "settings": {name: value for name, value in settings.items() if name not in ("data", "start")},
        "data": {
            "step": data.step,
            "fingerprint": data.fingerprint,
            "sequences": data.rows,
            "tokens": data.summary["tokens"],
            "supervised_tokens": data.summary["supervised_tokens"],
            "tokens_by_language": data.summary["by_language"],
            "licenses": data.summary.get("by_license", {}),
        },
        "versions": {name: importlib.metadata.version(name) for name in ("apollo-ray", "torch", "transformers")},
    }


def _start_fingerprint(context: Context[StageSettings]) -> str | None:
    """Of the start's step, the digest of a folder's bytes, or the hub id; None where weights are drawn at random."""
    start = context.settings.start
    if start is None:
        return None
    return context.inputs[start].fingerprint if start in context.inputs else identity(start)


class _Board:
    """Between driver and rank 0: lines of progress one way, the wish to stop the other."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.stopping = False

    def add(self, text: str) -> None:
        self.waiting.append(text)

    def take(self) -> list[str]:
        taken, self.waiting = self.waiting, []
        return taken

    def stop(self) -> None:
        self.stopping = True

    def must_stop(self) -> bool:
        return self.stopping


@contextmanager
def _forwarding(board: Any, say: Callable[[str], None]) -> Iterator[None]:
    """Lines reach `say`, and the first SIGTERM the workers; the second does what it did before."""
    ended, asked = threading.Event(), threading.Event()

    def forward() -> None:
        told = False
        while not ended.wait(SECONDS_BETWEEN_POLLS):
            if asked.is_set() and not told:
                told = True
                board.stop.remote()
                say("asked to stop: a checkpoint is saved first")
            for text in ray.get(board.take.remote()):
                say(text)

    def ask(*_: Any) -> None:
        asked.set()
        signal.signal(signal.SIGTERM, previous)

    in_main = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGTERM, ask) if in_main else signal.SIG_DFL
    thread = threading.Thread(target=forward, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if in_main:
            signal.signal(signal.SIGTERM, previous)
        for text in ray.get(board.take.remote()):
            say(text)


def _storage(store: Store, directory: str) -> dict[str, Any]:
    if isinstance(store.fs, LocalFileSystem):
        return {"storage_path": store.path(directory)}
    wrapped = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(store.fs))
    return {"storage_path": store.path(directory), "storage_filesystem": wrapped}


def _worker(config: dict[str, Any]) -> dict[str, Any]:
    """Runs in every worker; rank 0's return value reaches the driver."""
    from apollo_ray.packed import PackedRows
    from apollo_ray.train.engine import full_state
    from apollo_ray.train.export import export
    from apollo_ray.train.loop import Worker, train

    settings: StageSettings = config["settings"]
    store: Store = config["store"]
    start: Folder | None = config["start"]
    tokenizer = config["tokenizer"].local()
    place = ray.train.get_context()
    rank, lineage = place.get_world_rank(), config["lineage"]

    def report(step: int, loss: float, folder: Path, wait: bool) -> None:
        # Ray lists a checkpoint when all workers' files are in the store, and only then removes the oldest.
        ray.train.report(
            {"step": step, "loss": loss},
            checkpoint=ray.train.Checkpoint.from_directory(str(folder)),
            checkpoint_dir_name=f"step_{step:07d}",
            checkpoint_upload_mode=CheckpointUploadMode.SYNC if wait else CheckpointUploadMode.ASYNC,
            delete_local_checkpoint_after_upload=True,
        )

    latest = ray.train.get_checkpoint()
    with tempfile.TemporaryDirectory() as scratch, _first(config["board"], rank) as (say, must_stop):
        local = start.local() if start else None
        resume = Path(latest.to_directory(f"{scratch}/resume")) if latest else None
        tracked = _tracked(config, resume) if rank == 0 else None
        worker = Worker(
            rank=rank,
            world=place.get_world_size(),
            settings=settings,
            start=local,
            tokenizer=tokenizer,
            rows=PackedRows(store, config["data"]),
            held_out=PackedRows(store, config["held_out"]) if config["held_out"] else None,
            resume=resume,
            report=report,
            log=tracked.log if tracked else lambda *_: None,
            say=say,
            must_stop=must_stop,
        )
        run = train(worker)
        made: dict[str, Any] = {"stopped": len(run.history) if run.stopped else 0, "files": []}
        files = tracked.close() if tracked else []
        if not run.stopped:
            state = full_state(run.engine)
            if rank == 0:
                folder = Path(scratch) / "model"
                export(run.engine.module.model, state, settings, local, tokenizer, lineage, folder)
                files += store.upload(folder, config["directory"], "model")
    return made | {
        "files": [asdict(entry) for entry in files],
        "history": run.history,
        "held_out": run.held_out,
        "resumed": run.resumed,
        "parameters": sum(getattr(p, "ds_numel", p.numel()) for p in run.engine.module.parameters()),
        "speed": {
            "tokens_per_second": run.tokens / run.seconds if run.seconds else 0.0,
            "waiting_for_data": run.data_seconds / run.seconds if run.seconds else 0.0,
        },
    }


def _tracked(config: dict[str, Any], resume: Path | None) -> trackers.Trackers:
    from apollo_ray.train.checkpoint import PROGRESS, Progress, read

    progress = read(resume / PROGRESS) if resume else Progress(0, [], [])
    settings: StageSettings = config["settings"]
    return trackers.Trackers(
        config["store"],
        config["directory"],
        f"{config['lineage']['run']}/{config['lineage']['step']}",
        settings.trackers,
        config["lineage"]["settings"],
        progress.history,
    )


@contextmanager
def _first(board: Any, rank: int) -> Iterator[tuple[Callable[[str], None], Callable[[], bool]]]:
    """(say, must_stop) of a worker: only rank 0's do anything. The board is asked in a thread, not in every step."""
    ended, stopping = threading.Event(), threading.Event()

    def ask() -> None:
        while not ended.wait(SECONDS_BETWEEN_POLLS) and not stopping.is_set():
            if ray.get(board.must_stop.remote()):
                stopping.set()

    if rank == 0:
        threading.Thread(target=ask, daemon=True).start()
    try:
        yield (lambda text: board.add.remote(text)) if rank == 0 else (lambda _: None), stopping.is_set
    finally:
        ended.set()

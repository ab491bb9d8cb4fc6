"""Sharded DeepSpeed checkpoints with what else a run needs to go on as if it had never stopped."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apollo_ray.errors import UserError

TAG = "zero"
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Progress:
    """`step` optimizer steps are done; `history` has a TRAINING_STEP row for each."""

    step: int
    world: int
    zero_stage: int
    history: list[dict[str, float]]


def save(engine: Any, progress: Progress, folder: Path, rank: int) -> None:
    """Every rank writes its shard into its own `folder`; rank 0 adds the progress."""
    (folder / TAG).mkdir(parents=True, exist_ok=True)  # DeepSpeed makes it on rank 0 alone
    engine.save_checkpoint(str(folder), tag=TAG, save_latest=False)
    if rank == 0:
        (folder / PROGRESS).write_text(json.dumps(asdict(progress)))


def read_progress(data: bytes, world: int, zero_stage: int) -> Progress:
    """A PROGRESS file. Raises UserError where its shards cannot be loaded by `world` workers at `zero_stage`."""
    progress = Progress(**json.loads(data))
    if (progress.world, progress.zero_stage) != (world, zero_stage):
        raise UserError(
            f"the checkpoint at step {progress.step} was written by {progress.world} workers with ZeRO-"
            f"{progress.zero_stage}; run again with workers={progress.world} and zero_stage={progress.zero_stage} "
            f"(now {world} and {zero_stage}), or remove the step's checkpoints folder to start over"
        )
    return progress


def load(engine: Any, folder: Path, world: int, zero_stage: int) -> Progress:
    """Restore weights, optimizer and schedule. Raises UserError where the shards are for another number of workers."""
    progress = read_progress((folder / PROGRESS).read_bytes(), world, zero_stage)
    path, _ = engine.load_checkpoint(str(folder), tag=TAG)
    assert path is not None, f"DeepSpeed found no shard in {folder}"
    return progress

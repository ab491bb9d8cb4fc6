"""Training without Ray: worker processes over gloo, on packed rows that are made here."""

import json
import os
import socket
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.multiprocessing as mp

from apollo_ray.config import parse
from apollo_ray.packed import PackedRow, PackedRows
from apollo_ray.records import IGNORED, PACKED_SEQUENCE
from apollo_ray.store import Counts, Manifest, Store
from apollo_ray.train.settings import StageSettings

VOCABULARY = 96
LANGUAGES = ("en", "hi")


def make_rows(number: int, length: int = 48, seed: int = 0) -> list[PackedRow]:
    """Rows of short documents that can be learned: each token tells the next; a third of a document is a prompt."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(number):
        ids, labels, lengths = [], [], []
        while sum(lengths) < length - 4:
            size = int(rng.integers(4, min(20, length - sum(lengths)) + 1))
            step, token = int(rng.integers(1, 4)), int(rng.integers(4, VOCABULARY))
            document = [token := 4 + (token - 4 + step) % (VOCABULARY - 4) for _ in range(size - 1)] + [2]
            ids += document
            labels += [IGNORED] * (size // 3 + 1) + document[size // 3 + 1 :]
            lengths.append(size)
        langs = tuple(LANGUAGES[int(rng.integers(2))] for _ in lengths)
        rows.append(PackedRow(*(np.array(values, np.int32) for values in (ids, labels, lengths)), langs))
    return rows


def write_mix(folder: Path, rows: list[PackedRow], name: str = "mix", per_part: int = 50) -> Manifest:
    """A finished mix step in the store at `folder`."""
    store = Store(str(folder))
    entries = []
    for first in range(0, len(rows), per_part):
        part = rows[first : first + per_part]
        columns = {
            "row": range(first, first + len(part)),
            "input_ids": [row.input_ids for row in part],
            "labels": [row.labels for row in part],
            "lengths": [row.lengths for row in part],
            "langs": [row.langs for row in part],
        }
        table = pa.table(columns, schema=PACKED_SEQUENCE)
        entries.append(store.write_table(f"{name}/0/data", table, f"part-{first:06d}.arrow"))
    counts = Counts("example", len(rows), len(rows))
    manifest = Manifest(name, "mix", "0", {}, {}, counts, entries, [], [], {"tokens": 1}, {}, "", "")
    store.finish(manifest)
    return manifest


@dataclass
class Outcome:
    """What rank 0 has at the end. `checkpoints`: step -> folder with all workers' files."""

    history: list[dict[str, float]]
    held_out: list[dict[str, Any]]
    logged: list[tuple[int, dict[str, float]]]
    resumed: int | None
    stopped: bool
    checkpoints: dict[int, Path]
    model: Path

    @property
    def losses(self) -> list[float]:
        return [row["loss"] for row in self.history]


def _work(rank: int, world: int, port: int, folder: Path, settings: StageSettings, given: dict[str, Any]) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "DS_ACCELERATOR": "cpu",
    }  # fmt: skip
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")  # DeepSpeed calls what torch renames
    try:
        from apollo_ray.train.engine import full_state
        from apollo_ray.train.export import export
        from apollo_ray.train.loop import Worker, train

        torch.distributed.init_process_group("gloo")
        store = Store(str(folder))
        logged: list[tuple[int, dict[str, float]]] = []
        held_out = store.manifest("held", "0")

        def report(step: int, loss: float, made: Path, wait: bool) -> None:
            target = folder / f"run-{given['name']}" / f"step_{step:07d}"
            target.mkdir(parents=True, exist_ok=True)
            for file in made.iterdir():
                file.rename(target / file.name)
            if given.get("die_at") == step:
                torch.distributed.barrier()
                os._exit(9)

        worker = Worker(
            rank=rank, world=world, settings=settings, start=given.get("start"), tokenizer=given["tokenizer"],
            rows=PackedRows(store, store.manifest("mix", "0")),
            held_out=PackedRows(store, held_out) if held_out else None,
            resume=given.get("resume"), report=report, log=lambda *row: logged.append(row), say=lambda _: None,
            must_stop=lambda: rank == 0 and len(logged) >= given.get("stop_at", 10**9),
        )  # fmt: skip
        run = train(worker)
        state = full_state(run.engine)
        target = folder / f"run-{given['name']}"
        target.mkdir(exist_ok=True)
        if rank == 0:
            lineage = {
                "run": "r", "step": "s", "fingerprint": "0", "start": None, "settings": {}, "versions": {},
                "data": {"step": "mix", "fingerprint": "0", "sequences": 1, "tokens": 1, "supervised_tokens": 1,
                         "tokens_by_language": {"en": 1}, "licenses": {"CC0-1.0": 2}},
            }  # fmt: skip
            export(
                run.engine.module.model,
                state,
                settings,
                given.get("start"),
                given["tokenizer"],
                lineage,
                target / "model",
            )
            made = asdict(run.progress) | {"logged": logged, "resumed": run.resumed, "stopped": run.stopped}
            (target / "outcome.json").write_text(json.dumps(made))
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    except BaseException:
        (folder / f"error-{rank}").write_text(traceback.format_exc())
        raise


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


Trainer = Callable[..., Outcome]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tokenizer of VOCABULARY ids whose end token is 2."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<unk>": 1, "<end>": 2} | {f"w{n}": n for n in range(3, VOCABULARY)}
    folder = tmp_path_factory.mktemp("tokenizer")
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<end>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def train_on(tokenizer: str) -> Trainer:
    """`train_on(folder, world, name, settings..., resume=, die_at=, stop_at=, start=)`: worker processes, to the end."""

    def train(folder: Path, world: int, name: str, *, check: bool = True, **words: Any) -> Outcome:
        given = {key: words.pop(key) for key in ("resume", "die_at", "stop_at", "start") if key in words}
        raw = {
            "data": "mix", "global_batch": 8, "micro_batch": 2, "learning_rate": 3e-3, "precision": "float32",
            "workers": 1, "checkpoint_every": 10_000, "evaluate_every": 10_000,
        } | words  # fmt: skip
        raw |= {"start": "x"} if "start" in given else {"architecture": {"hidden_size": 32, "layers": 2, "heads": 2}}
        settings = parse(StageSettings, raw, "test")
        target = folder / f"run-{name}"
        os.environ["DS_ACCELERATOR"] = "cpu"
        context = mp.get_context("forkserver")
        context.set_forkserver_preload(["apollo_ray.train.loop", "apollo_ray.train.export"])  # 6 s a worker saved
        arguments = (world, _free_port(), folder, settings, given | {"name": name, "tokenizer": tokenizer})
        workers = [context.Process(target=_work, args=(rank, *arguments)) for rank in range(world)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(200)
        if any(worker.is_alive() for worker in workers):
            for worker in workers:
                worker.kill()
            raise TimeoutError("workers hang")
        errors = "\n".join(file.read_text() for file in sorted(folder.glob("error-*")))
        checkpoints = {int(path.name[5:]): path for path in sorted(target.glob("step_*"))}
        if not check:
            return Outcome([], [], [], None, False, checkpoints, target / "model")
        assert all(worker.exitcode == 0 for worker in workers), errors
        made = json.loads((target / "outcome.json").read_text())
        made.pop("step")
        return Outcome(**made, checkpoints=checkpoints, model=target / "model")

    return train

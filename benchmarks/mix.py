"""Order and packing of the mix stage beside the published ones. Prints a report in Markdown.

    python benchmarks/mix.py [--sizes 1000000 10000000 100000000] > benchmarks/results/DATE-mix.md

Rows are numbers only, as the driver of the stage has them: an id, a class (a quarter pre-training), a length between 20
and 4,096 tokens (log-normal, mean 340). Every measurement is a process of its own, so that its peak memory is its own.
The published code (Apollo, src/process/prepare/data_process_train_qwen.py) draws with
torch.multinomial(weights, n, replacement=False), in float32 and on all cores, and packs next-fit in windows of 256
samples, padding each window's end.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from apollo_ray.config import parse
from apollo_ray.mix.order import order
from apollo_ray.mix.pack import pack
from apollo_ray.mix.settings import StageSettings
from apollo_ray.mix.stream import Stream

LENGTH, WINDOW = 4_096, 256
PRIORITIES = (16.0, 2.0)  # pre-training, instruction
LIMIT = 2**24  # categories of torch.multinomial
SIZES = (1_000_000, 10_000_000, 100_000_000)
HEADING = """\
Numbers only, no tokens: lengths log-normal, 20 to 4,096 tokens, mean 340; a quarter of the rows of priority 16, the
others of 2; sequences of 4,096; a window of 256 examples. order: 64 random bits a row, keys, sort. spread: sequence and
place of every row, for the tasks that write. Peak: resident memory of the whole process.
"""
PACKED = 1_000_000  # examples that are packed by the published rule, in plain Python, for its padding


def lengths_and_classes(size: int) -> tuple[np.ndarray, np.ndarray]:
    """(int32 lengths, int8 classes), made in parts so that making them is never the peak."""
    lengths, classes = np.empty(size, np.int32), np.empty(size, np.int8)
    rng = np.random.default_rng(0)
    for at in range(0, size, 1 << 20):
        part = slice(at, min(at + (1 << 20), size))
        number = part.stop - part.start
        lengths[part] = np.clip(rng.lognormal(5.4, 0.9, number), 20, LENGTH)
        classes[part] = rng.random(number, np.float32) >= 0.25
    return lengths, classes


def stream_of(size: int) -> tuple[StageSettings, Stream]:
    """Columns as `stream.gather` makes them, written out, so that their memory is really taken."""
    lengths, classes = lengths_and_classes(size)
    stream = Stream(
        works=("w",),
        langs=("en",),
        sources=("s",),
        pack=np.full(size, 0, np.int32),
        row=np.arange(size, dtype=np.int32),
        id=np.arange(size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15),
        copy=np.full(size, 0, np.int16),
        piece=np.full(size, 0, np.int32),
        sample_class=classes,
        lang=np.full(size, 0, np.int16),
        source=np.full(size, 0, np.int16),
        length=lengths,
    )
    return parse(StageSettings, {"tokenizer": "t", "conversations": ["c"]}, where="benchmark"), stream


def ours(size: int) -> dict:
    """Seconds of each step of the stage's driver, from columns of numbers to (sequence, place) of every example."""
    settings, stream = stream_of(size)
    marks = [time.perf_counter()]
    places = order(stream, settings)
    marks.append(time.perf_counter())
    sequences = pack(stream.length[places], LENGTH, WINDOW)
    marks.append(time.perf_counter())
    sequence, place = np.empty_like(sequences), np.empty(size, np.int64)
    sequence[places] = sequences
    place[places] = np.arange(size)
    marks.append(time.perf_counter())
    number = int(sequences.max()) + 1
    return {
        "order_s": marks[1] - marks[0],
        "pack_s": marks[2] - marks[1],
        "spread_s": marks[3] - marks[2],
        "sequences": number,
        "padding": 1 - int(stream.length.sum(dtype=np.int64)) / (number * LENGTH),
    }


def ours_order(size: int) -> dict:
    """As `ours`, up to the order."""
    settings, stream = stream_of(size)
    started = time.perf_counter()
    order(stream, settings)
    return {"order_s": time.perf_counter() - started}


def multinomial(size: int) -> dict:
    """Seconds of the published draw of all rows, or what torch says to so many."""
    import torch

    _, classes = lengths_and_classes(size)
    weights = torch.tensor(PRIORITIES)[torch.from_numpy(classes).long()]
    started = time.perf_counter()
    try:
        torch.multinomial(weights, size, replacement=False, generator=torch.Generator().manual_seed(42))
    except RuntimeError as error:
        return {"error": str(error).splitlines()[0]}
    return {"order_s": time.perf_counter() - started}


def published_padding(lengths: np.ndarray) -> float:
    """Of next-fit in windows of 256 samples; what is left at a window's end is padded."""
    sequences = 0
    for at in range(0, len(lengths), WINDOW):
        room = 0
        for length in lengths[at : at + WINDOW].tolist():
            if length > room:
                sequences += 1
                room = LENGTH
            room -= length
    return 1 - int(lengths.sum(dtype=np.int64)) / (sequences * LENGTH)


def measured(name: str, size: int) -> dict:
    """What a process of its own says, with its peak of resident memory and the part that its numbers alone take."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, str(size)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name} of {size} ended with {done.returncode}: {done.stderr[-2_000:]}")
    return json.loads(done.stdout)


def report(sizes: list[int]) -> None:
    print(HEADING)
    print("| rows | order, s | pack, s | µs a row | spread, s | all, s | peak, GiB | sequences | padding |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in sizes:
        found = measured("ours", size)
        whole = found["order_s"] + found["pack_s"] + found["spread_s"]
        print(
            f"| {size:,} | {found['order_s']:.1f} | {found['pack_s']:.1f} | {found['pack_s'] / size * 1e6:.2f} "
            f"| {found['spread_s']:.1f} | {whole:.1f} | {found['peak_gib']:.2f} | {found['sequences']:,} "
            f"| {found['padding']:.3%} |",
            flush=True,
        )
    print("\n## The published order: torch.multinomial without replacement\n")
    print("| rows | order, s | ours, s | peak, GiB |")
    print("|---|---|---|---|")
    for size in (*(size for size in sizes if size < LIMIT), LIMIT, LIMIT + 1):
        found = measured("multinomial", size)
        mine = measured("ours-order", size)
        said = f"{found['order_s']:.1f}" if "order_s" in found else f"refused: {found['error']}"
        print(f"| {size:,} | {said} | {mine['order_s']:.1f} | {found['peak_gib']:.2f} |", flush=True)
    print("\n## The published packing: next-fit in windows of 256 samples\n")
    lengths, _ = lengths_and_classes(PACKED)
    own = pack(lengths, LENGTH, WINDOW)
    padding = 1 - int(lengths.sum()) / ((int(own.max()) + 1) * LENGTH)
    print(f"{PACKED:,} examples: {published_padding(lengths):.2%} of all positions are padding; ours: {padding:.3%}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--one", nargs=2, metavar=("NAME", "ROWS"), help="one measurement, in this process")
    given = parser.parse_args()
    if given.one:
        measure = {"ours": ours, "ours-order": ours_order, "multinomial": multinomial}[given.one[0]]
        found = measure(int(given.one[1]))
        print(json.dumps(found | {"peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
        return
    report(given.sizes)


if __name__ == "__main__":
    main()

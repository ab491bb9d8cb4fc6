"""Rate of the training loop beside transformers' Trainer and beside the published packing: same model, data, threads.

    python benchmarks/train.py --data ../shared/data

Conversations in six languages, a byte-level BPE of 8,192 ids made of them, a Qwen2 of 5 million parameters in float32.
Every variant runs in a process of its own; the first two steps are not counted.

- ours: best-fit packing, flat batches without padding, attention within documents, DeepSpeed ZeRO-2 on one worker
- Trainer: one conversation a row, padded to the longest of its batch; alone, with rows grouped by length, and with
  DeepSpeed ZeRO-2
- published: next-fit packing in windows of 256 conversations, padded to the full length, documents see each other
  (Apollo, src/process/prepare/data_process_train_qwen.py); the same loop as ours otherwise
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

LENGTH, ROWS_A_STEP, MICRO = 512, 8, 4
WINDOW = 256
WARM = 2
VOCABULARY = 8_192
END = 0
ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29655"}
VARIANTS = ("ours", "Trainer", "Trainer, by length", "Trainer, DeepSpeed", "published")


def conversations(data: Path, number: int) -> list[list[str]]:
    """Turns, taken in turn from all files."""
    files = [file.open(encoding="utf-8") for file in sorted(data.glob("qa/*.jsonl"))]
    found: list[list[str]] = []
    while files and len(found) < number:
        for file in list(files):
            line = file.readline()
            if not line:
                files.remove(file)
            elif (turns := json.loads(line)["conversations"]) and len(turns) % 2 == 0:
                found.append(turns)
    return found[:number]


def prepare(data: Path, folder: Path, number: int) -> None:
    """A tokenizer, a model and the examples, for all variants."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    from apollo_ray.mix.template import Apollo, encode_conversations
    from apollo_ray.records import IGNORED

    turns = conversations(data, number)
    bpe = ByteLevelBPETokenizer()
    texts = [text for conversation in turns for text in conversation]
    bpe.train_from_iterator(texts, VOCABULARY, special_tokens=["<end>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="<end>", pad_token="<end>")
    tokenizer.save_pretrained(folder / "tokenizer")  # beside a Qwen2 config it would be read as a Qwen2 tokenizer
    kept = []
    for exchanges in encode_conversations(turns, Apollo(END), lambda some: [one.ids for one in bpe.encode_batch(some)]):
        ids, labels = [], []
        for exchange in exchanges:
            ids += exchange.ids
            trained, rest = exchange.ids[exchange.start : exchange.end], len(exchange.ids) - exchange.end
            labels += [IGNORED] * exchange.start + trained + [IGNORED] * rest
        if len(ids) <= LENGTH:
            kept.append((ids, labels))
    (folder / "examples.json").write_text(json.dumps(kept))
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=LENGTH, tie_word_embeddings=True, bos_token_id=None,
        eos_token_id=END, pad_token_id=END,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)


Example = tuple[list[int], list[int]]


def next_fit(examples: list[Example]) -> Iterator[list[Example]]:
    """Rows of the published packing: within a window each example goes into the open row or closes it."""
    for start in range(0, len(examples), WINDOW):
        row: list[Example] = []
        for example in examples[start : start + WINDOW]:
            if sum(len(ids) for ids, _ in row) + len(example[0]) > LENGTH:
                yield row
                row = []
            row.append(example)
        if row:
            yield row


def best_fit(examples: list[Example]) -> list[list[Example]]:
    from apollo_ray.mix.pack import pack

    numbers = pack(np.array([len(ids) for ids, _ in examples], np.int32), LENGTH, 64)
    rows: list[list[Example]] = [[] for _ in range(int(numbers.max()) + 1)]
    for example, number in zip(examples, numbers.tolist(), strict=True):
        rows[number].append(example)
    return rows


def loop(folder: Path, rows: list[list[Example]], isolated: bool, steps: int) -> dict[str, float]:
    """Our loop's step on one worker; where not `isolated`, a row is one document of full length, padded."""
    os.environ |= ALONE
    from apollo_ray.packed import PackedRow
    from apollo_ray.records import IGNORED
    from apollo_ray.train.data import batch_of
    from apollo_ray.train.engine import build
    from apollo_ray.train.settings import StageSettings

    settings = StageSettings(
        data="mix", start=str(folder), precision="float32", global_batch=ROWS_A_STEP, micro_batch=MICRO
    )
    engine, _ = build(settings, str(folder), str(folder / "tokenizer"), 1)

    def packed(row: list[Example]) -> PackedRow:
        ids = [token for example in row for token in example[0]]
        labels = [label for _, own in row for label in [IGNORED, *own[1:]]]
        lengths = [len(own) for own, _ in row]
        if not isolated:
            rest = LENGTH - len(ids)
            ids, labels, lengths = ids + [END] * rest, labels + [IGNORED] * rest, [LENGTH]
        return PackedRow(*(np.array(values, np.int32) for values in (ids, labels, lengths)), ())

    counted = {"seconds": 0.0, "real": 0.0, "supervised": 0.0}
    for step in range(steps):
        chosen = rows[step * ROWS_A_STEP : (step + 1) * ROWS_A_STEP]
        begun = time.perf_counter()
        batches = [batch_of([packed(row) for row in chosen[at : at + MICRO]]) for at in range(0, len(chosen), MICRO)]
        supervised = sum(batch.supervised for batch in batches)
        for batch in batches:
            loss = engine(**batch.inputs("cpu")).sum() / supervised
            engine.backward(loss * len(batches))
            engine.step()
        if step >= WARM:
            counted["seconds"] += time.perf_counter() - begun
            counted["real"] += sum(len(ids) for row in chosen for ids, _ in row)
            counted["supervised"] += supervised
    return counted


def trainer(folder: Path, examples: list[Example], steps: int, deepspeed: bool, by_length: bool) -> dict[str, float]:
    """transformers' Trainer, as its documentation has it: dynamic padding, as many tokens a step as ours."""
    from transformers import (
        AutoModelForCausalLM,
        DataCollatorForSeq2Seq,
        PreTrainedTokenizerFast,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    mean = sum(len(ids) for ids, _ in examples) / len(examples)
    batch = max(1, round(MICRO * LENGTH / mean))
    if deepspeed:
        os.environ |= ALONE
        from apollo_ray.train.zero import import_deepspeed

        import_deepspeed()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    counted = {"seconds": 0.0, "real": 0.0, "supervised": 0.0}
    seen = [0, 0]

    class Collate(DataCollatorForSeq2Seq):
        def __call__(self, features, return_tensors=None):  # type: ignore[no-untyped-def]
            seen[0] += sum(len(feature["input_ids"]) for feature in features)
            seen[1] += sum(label >= 0 for feature in features for label in feature["labels"][1:])
            return super().__call__(features, return_tensors)

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):  # type: ignore[no-untyped-def]
            self.begun = time.perf_counter()

        def on_step_end(self, arguments, state, control, **__):  # type: ignore[no-untyped-def]
            if state.global_step > WARM:
                counted["seconds"] += time.perf_counter() - self.begun
            elif state.global_step == WARM:
                self.before = list(seen)

        def on_train_end(self, *_, **__):  # type: ignore[no-untyped-def]
            counted["real"], counted["supervised"] = (a - b for a, b in zip(seen, self.before, strict=True))

    arguments = TrainingArguments(
        output_dir=str(folder / "out"), max_steps=steps, per_device_train_batch_size=batch,
        gradient_accumulation_steps=ROWS_A_STEP // MICRO,
        train_sampling_strategy="group_by_length" if by_length else "random", use_cpu=True, report_to=[],
        save_strategy="no", logging_strategy="no", disable_tqdm=True, learning_rate=1e-5, dataloader_pin_memory=False,
        deepspeed={
            "zero_optimization": {"stage": 2}, "train_micro_batch_size_per_gpu": "auto", "train_batch_size": "auto",
            "gradient_accumulation_steps": "auto", "gradient_clipping": 1.0, "zero_force_ds_cpu_optimizer": False,
            "zero_allow_untested_optimizer": True,
        } if deepspeed else None,
    )  # fmt: skip
    Trainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        args=arguments,
        train_dataset=[
            {"input_ids": ids, "labels": labels, "attention_mask": [1] * len(ids)} for ids, labels in examples
        ],
        data_collator=Collate(tokenizer, padding=True),
        callbacks=[Clock()],
    ).train()
    return counted


def run(variant: str, folder: Path, steps: int, threads: int) -> None:
    torch.set_num_threads(threads)
    examples = [(ids, labels) for ids, labels in json.loads((folder / "examples.json").read_text())]
    if variant == "ours":
        found = loop(folder, best_fit(examples), True, steps)
    elif variant == "published":
        found = loop(folder, list(next_fit(examples)), False, steps)
    else:
        found = trainer(folder, examples, steps, "DeepSpeed" in variant, "length" in variant)
    print("RESULT " + json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="all variants in turn, so often; the best rate counts")
    parser.add_argument("--variant", choices=VARIANTS)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    if chosen.variant:
        run(chosen.variant, chosen.folder, chosen.steps, chosen.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(chosen.data, Path(folder), 6_000)
        best: dict[str, tuple[float, float]] = dict.fromkeys(VARIANTS, (0.0, 0.0))
        for _ in range(chosen.rounds):
            for variant in VARIANTS:
                words = ["--variant", variant, "--folder", folder, "--steps", str(chosen.steps)]
                command = [sys.executable, __file__, *words, "--threads", str(chosen.threads)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
                if not lines:
                    sys.exit(f"{variant} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
                found = json.loads(lines[0].removeprefix("RESULT "))
                rates = (found["real"] / found["seconds"], found["supervised"] / found["seconds"])
                best[variant] = max(best[variant], rates)
    ours = best["ours"]
    print("| variant | real tokens/s | supervised tokens/s | ours over it, real | ours over it, supervised |")
    print("|---|---|---|---|---|")
    for variant, (real, supervised) in best.items():
        print(f"| {variant} | {real:,.0f} | {supervised:,.0f} | {ours[0] / real:.2f} | {ours[1] / supervised:.2f} |")


if __name__ == "__main__":
    main()

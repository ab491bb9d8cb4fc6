"""Laws of training: one curve for every way to spread the work, and after every way to be interrupted."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from apollo_ray.packed import PackedRow
from apollo_ray.records import IGNORED
from apollo_ray.train.loss import Objective
from apollo_ray.train.model import load_model, parameter_groups
from apollo_ray.train.schedule import learning_rate_factor
from apollo_ray.train.settings import Architecture

from .conftest import LANGUAGES, Trainer, make_rows, write_mix

STEPS = 60
ROWS = STEPS * 8 - 3  # the last step is not full


@pytest.fixture(scope="module")
def rows() -> list[PackedRow]:
    return make_rows(ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, rows: list[PackedRow]) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_mix(folder, rows)
    write_mix(folder, make_rows(11, seed=5), "held")
    return folder


def plain_losses(model, row: PackedRow) -> tuple[torch.Tensor, int]:
    """Sum over a row's documents, each alone, by the plain definition: (loss, supervised tokens)."""
    total, count = torch.zeros(()), 0
    borders = [0, *itertools.accumulate(row.lengths.tolist())]
    for start, end in itertools.pairwise(borders):
        ids = torch.tensor(row.input_ids[start:end].astype("int64"))
        wanted = torch.tensor(row.labels[start:end].astype("int64"))[1:]
        logits = model(input_ids=ids[None], use_cache=False).logits[0, :-1]
        total = total + torch.nn.functional.cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="sum")
        count += int((wanted != IGNORED).sum())
    return total, count


@pytest.fixture(scope="module")
def reference(rows: list[PackedRow], tokenizer: str) -> list[float]:
    """Losses of a plain loop: torch alone, one process, every document by itself, its mask made by transformers."""
    torch.set_num_threads(1)  # more would wait for each other on a machine that does other work
    model = load_model(None, Architecture(hidden_size=32, layers=2, heads=2), tokenizer, 42)
    model.set_attn_implementation("sdpa")
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.1), lr=3e-3)
    losses = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * learning_rate_factor(step, STEPS, 0.03, 0.0)
        parts = [plain_losses(model, row) for row in rows[step * 8 : step * 8 + 8]]
        loss = sum(part for part, _ in parts) / sum(count for _, count in parts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (1, {"zero_stage": 0}),
        (2, {"zero_stage": 1}),
        (2, {"zero_stage": 2, "gradient_checkpointing": True, "offload": "optimizer"}),
        (2, {"zero_stage": 3}),
        (2, {"zero_stage": 3, "offload": "all"}),
        (3, {"zero_stage": 1, "micro_batch": 1}),  # 8 rows on 3 workers: the last ones of a step stay without
    ],
    ids=lambda value: str(value),
)
def test_every_way_to_spread_the_work_gives_the_curve_of_a_plain_loop(
    folder: Path, reference: list[float], train_on: Trainer, world: int, words: dict
) -> None:
    made = train_on(folder, world, f"{world}-{'-'.join(map(str, words.values()))}", **words)
    assert len(made.losses) == STEPS
    assert made.losses == pytest.approx(reference, abs=2e-5)
    assert reference[-1] < reference[0] - 0.5, "it learns"


@pytest.mark.parametrize("stage", [2, 3])
def test_bfloat16_stays_near_the_float32_curve(
    folder: Path, reference: list[float], train_on: Trainer, stage: int
) -> None:
    made = train_on(folder, 2, f"bf16-{stage}", zero_stage=stage, precision="bfloat16")
    assert made.losses == pytest.approx(reference, abs=4e-2)


@pytest.mark.parametrize(
    "plan",
    [
        [(1, 2, 25), (2, 2, None)],
        [(2, 3, 25), (1, 3, 35), (2, 3, None)],
        [(1, 0, 25), (2, 1, None)],  # another ZeRO stage as well
    ],
    ids=str,
)
def test_a_killed_run_goes_on_anywhere_with_the_same_curve(
    folder: Path, rows: list[PackedRow], reference: list[float], train_on: Trainer, plan: list
) -> None:
    name, resume = "-".join(f"{world}{stage}" for world, stage, _ in plan), None
    for number, (world, stage, dies) in enumerate(plan):
        words = {"zero_stage": stage, "checkpoint_every": 5, "resume": resume}
        if dies is None:
            made = train_on(folder, world, f"kill-{name}-{number}", **words)
            break
        cut = train_on(folder, world, f"kill-{name}-{number}", check=False, die_at=dies, **words)
        resume = cut.checkpoints[dies]
    assert made.resumed == plan[-2][2]
    assert made.losses == pytest.approx(reference, abs=2e-5)
    counts = [sum(int((row.labels != IGNORED).sum()) for row in rows[at : at + 8]) for at in range(0, ROWS, 8)]
    assert [row["supervised_tokens"] for row in made.history] == counts, "every row once, in its own step"


def test_a_run_that_is_asked_to_stop_saves_first(folder: Path, reference: list[float], train_on: Trainer) -> None:
    cut = train_on(folder, 2, "stop", zero_stage=2, stop_at=12)
    assert cut.stopped
    (last,) = cut.checkpoints
    assert last == len(cut.history) < 20
    made = train_on(folder, 1, "stop-again", zero_stage=2, resume=cut.checkpoints[last])
    assert made.losses == pytest.approx(reference, abs=2e-5)


def test_held_out_loss_is_told_by_language(folder: Path, train_on: Trainer, tokenizer: str) -> None:
    from transformers import AutoModelForCausalLM

    made = train_on(folder, 2, "held", zero_stage=3, evaluate_every=20)
    assert [(row["step"], row["lang"]) for row in made.held_out] == [
        (step, lang) for step in (0, 20, 40, STEPS) for lang in LANGUAGES
    ]
    model = AutoModelForCausalLM.from_pretrained(made.model, dtype=torch.float32)
    for row in made.held_out[-2:]:
        total, count = 0.0, 0
        for held in make_rows(11, seed=5):
            borders = [0, *itertools.accumulate(held.lengths.tolist())]
            for (start, end), lang in zip(itertools.pairwise(borders), held.langs, strict=True):
                if lang == row["lang"]:
                    part = PackedRow(held.input_ids[start:end], held.labels[start:end], held.lengths[:0], ())
                    part = part._replace(lengths=torch.tensor([end - start]).numpy())
                    with torch.no_grad():
                        loss, number = plain_losses(model, part)
                    total, count = total + float(loss), count + number
        assert row["tokens"] == count
        assert row["loss"] == pytest.approx(total / count, abs=1e-4)
    first = {row["lang"]: row["loss"] for row in made.held_out[:2]}
    assert all(row["loss"] < first[row["lang"]] for row in made.held_out[-2:])


@pytest.mark.parametrize("stage", [1, 3])
def test_adapters_are_merged_into_the_export(folder: Path, train_on: Trainer, stage: int) -> None:
    from transformers import AutoModelForCausalLM

    start = folder / "run-start" / "model"
    if not start.exists():
        train_on(folder, 1, "start", zero_stage=1)
    made = train_on(
        folder, 2, f"lora-{stage}", zero_stage=stage, start=str(start), lora={"rank": 4}, learning_rate=1e-2
    )
    before, after = (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (start, made.model))
    changed = {name for name, value in after.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    assert changed
    assert all("_proj" in name and name.endswith("weight") for name in changed), "adapters change linear layers alone"
    first = sum(made.losses[:10])
    assert sum(made.losses[-10:]) < first, "adapters learn"


def test_an_export_is_a_whole_hugging_face_folder(folder: Path, train_on: Trainer) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    start = folder / "run-start" / "model"
    if not start.exists():
        train_on(folder, 1, "start", zero_stage=1)
    names = {path.name for path in start.iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "README.md", "tokenizer.json"} <= names
    assert (
        GenerationConfig.from_pretrained(start).eos_token_id == AutoTokenizer.from_pretrained(start).eos_token_id == 2
    )
    card = (start / "README.md").read_text()
    assert "Not a medical device" in card
    assert "CC0-1.0 | 2" in card


def test_chunks_of_logits_give_the_loss_and_gradient_of_all_at_once(tokenizer: str, monkeypatch) -> None:
    from apollo_ray.train import loss as module
    from apollo_ray.train.data import batch_of

    found = []
    for size in (2**28, 4 * 96 * 7):  # all at once; seven tokens a chunk
        monkeypatch.setattr(module, "LOGIT_BYTES", size)
        objective = Objective(load_model(None, Architecture(hidden_size=32, layers=2, heads=2), tokenizer, 1))
        losses = objective(**batch_of(make_rows(3, seed=2)).inputs("cpu"))
        losses.sum().backward()
        found.append((losses.detach(), torch.cat([p.grad.flatten() for p in objective.parameters()])))
    (losses, gradient), (chunked, chunked_gradient) = found
    assert torch.allclose(losses, chunked, atol=1e-6)
    assert torch.allclose(gradient, chunked_gradient, atol=1e-5)


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Gemma2", "Mistral"])
def test_the_objective_is_the_model_s_own_loss(family: str) -> None:
    """Heads with soft caps, other decoders, untied weights."""
    import transformers

    from apollo_ray.train.attention import DOCUMENTS
    from apollo_ray.train.data import batch_of

    extra = {"sliding_window": 4096} if family in ("Gemma2", "Mistral") else {}
    config = getattr(transformers, f"{family}Config")(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=256, **extra,
    )  # fmt: skip
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    row = make_rows(1, seed=3)[0]
    with torch.no_grad():
        expected, count = plain_losses(model, row)
        model.set_attn_implementation(DOCUMENTS)
        found = Objective(model)(**batch_of([row]).inputs("cpu"))
    assert len(found) == count
    assert float(found.sum()) == pytest.approx(float(expected), rel=1e-4)


def test_the_published_schedule_ends_where_it_did() -> None:
    assert learning_rate_factor(999_999, 1_000_000, 0.03, 0.0, "published", 1) == pytest.approx(0.166, abs=5e-4)
    assert learning_rate_factor(999, 1000, 0.03, 0.0) == pytest.approx(0.0, abs=1e-5)
    assert math.isclose(learning_rate_factor(999_999, 1_000_000, 0.03, 0.25), 0.25, abs_tol=1e-5)


def test_generation_stops_by_itself(tmp_path: Path, train_on: Trainer) -> None:
    """Prompts of two tokens, answers that count on from the second one, five tokens and the end."""
    import numpy as np
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rng = np.random.default_rng(1)
    rows = []
    for _ in range(240):
        starts = [int(rng.integers(10, 80)) for _ in range(6)]
        documents = [[5, start, *range(start + 1, start + 6), 2] for start in starts]
        ids = [token for document in documents for token in document]
        labels = [label for document in documents for label in [IGNORED, IGNORED, *document[2:]]]
        rows.append(PackedRow(*(np.array(v, np.int32) for v in (ids, labels, [8] * 6)), ("en",) * 6))
    write_mix(tmp_path, rows)
    made = train_on(tmp_path, 1, "end", zero_stage=1, learning_rate=1e-2, epochs=4)
    assert made.losses[-1] < 0.3
    model = AutoModelForCausalLM.from_pretrained(made.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(made.model)
    for start in (12, 33, 71):
        written = model.generate(torch.tensor([[5, start]]), max_new_tokens=50)[0, 2:].tolist()
        assert written[-1] == tokenizer.eos_token_id
        assert len(written) == 6

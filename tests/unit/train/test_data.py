import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.config import parse
from apollo_ray.errors import UserError
from apollo_ray.packed import PackedRow
from apollo_ray.records import IGNORED
from apollo_ray.train.data import accumulation, batch_of, micro_batch_positions
from apollo_ray.train.loss import Objective, targets_of
from apollo_ray.train.metrics import Size
from apollo_ray.train.schedule import learning_rate_factor
from apollo_ray.train.settings import StageSettings


def row(*documents: list[int]) -> PackedRow:
    ids = [token for document in documents for token in document]
    labels = [token for document in documents for token in [IGNORED, *document[1:]]]
    lengths = [len(document) for document in documents]
    return PackedRow(*(np.array(values, np.int32) for values in (ids, labels, lengths)), ("en",) * len(documents))


@given(st.integers(0, 5), st.integers(1, 7), st.integers(1, 4), st.integers(1, 40))
def test_a_step_reads_the_same_rows_on_any_number_of_workers(step: int, world: int, micro: int, batch: int) -> None:
    positions = [
        position
        for rank in range(world)
        for index in range(accumulation(batch, world, micro))
        for position in micro_batch_positions(step, index, rank, world, micro, batch)
    ]
    assert sorted(positions) == list(range(step * batch, (step + 1) * batch))


def test_a_flat_batch_has_rows_one_behind_the_other() -> None:
    made = batch_of([row([5, 6, 7], [8, 9]), row([1, 2])])
    assert made.ids.tolist() == [5, 6, 7, 8, 9, 1, 2]
    assert made.positions.tolist() == [0, 1, 2, 0, 1, 0, 1]
    assert made.borders.tolist() == [0, 3, 5, 7]
    assert made.labels.tolist() == [IGNORED, 6, 7, IGNORED, 9, IGNORED, 2]
    assert made.supervised == 4
    assert targets_of(made.labels).tolist() == [6, 7, IGNORED, 9, IGNORED, 2, IGNORED]
    assert batch_of([]).supervised == 0


def tiny(dtype=torch.float64):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = Qwen2Config(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    return Qwen2ForCausalLM(config).to(dtype).eval()


def test_packed_documents_have_the_loss_of_documents_alone() -> None:
    from apollo_ray.train.attention import DOCUMENTS

    model = tiny(torch.float32)
    documents = [torch.randint(1, 50, (length,)).tolist() for length in (7, 3, 11, 2)]
    alone = []
    with torch.no_grad():
        for document in documents:
            ids = torch.tensor([document])
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].double()
            alone += torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none").tolist()
        model.set_attn_implementation(DOCUMENTS)
        packed = Objective(model)(**batch_of([row(*documents[:3]), row(documents[3])]).inputs("cpu"))
    assert packed.tolist() == pytest.approx(alone, abs=1e-5)


def test_operations_of_a_pass_are_six_a_parameter_and_token_and_attention_within_documents() -> None:
    model = tiny()
    size = Size.of(model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert size.parameters == parameters - (0 if model.config.tie_word_embeddings else 50 * 16)
    assert size.flops(10, 0) == 60 * size.parameters
    assert size.flops(0, 7.0**2) == 6 * 2 * 16 * 49


def test_schedule_rises_to_the_peak_and_falls_to_its_end() -> None:
    factors = [learning_rate_factor(step, 100, 0.03, 0.166) for step in range(101)]
    assert factors[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert all(later <= earlier for earlier, later in itertools.pairwise(factors[3:]))
    assert factors[100] == pytest.approx(0.166)
    assert learning_rate_factor(0, 10, 0.0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "exactly one"),
        ({"start": "a", "architecture": {"hidden_size": 8, "layers": 1, "heads": 1}}, "exactly one"),
        ({"start": "a", "workers": 3, "micro_batch": 100}, "global_batch 256 must be at least"),
        ({"start": "a", "zero_stage": 0}, "loses precision"),
        ({"start": "a", "zero_stage": 4}, "zero_stage"),
        ({"start": "a", "offload": "all"}, "needs zero_stage 3"),
        ({"start": "a", "offload": "optimizer", "zero_stage": 0, "precision": "float32"}, "needs zero_stage 1"),
        ({"start": "a", "workers": 2, "fewest_workers": 3}, "fewest_workers 3"),
        ({"start": "a", "trackers": ["paper"]}, "trackers"),
        ({"architecture": {"hidden_size": 8, "layers": 1, "heads": 1}, "lora": {}}, "lora needs a start"),
        ({"architecture": {"hidden_size": 10, "layers": 1, "heads": 4}}, "even multiple"),
        ({"architecture": {"hidden_size": 24, "layers": 1, "heads": 4, "key_value_heads": 3}}, "key_value_heads 3"),
        ({"start": "a", "learning_rate": 0}, "learning_rate"),
        ({"start": "a", "node_labels": {"use": "train or serve"}}, "node_labels"),
    ],
)
def test_settings_refuse_what_cannot_be(wrong: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse(StageSettings, {"data": "mix"} | wrong, where="test")


def test_a_tracker_without_its_package_is_refused_before_any_work(monkeypatch) -> None:
    from apollo_ray.train import trackers

    trackers.check(("tensorboard",), "s")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"steps\.s\.trackers: 'wandb' needs the package wandb"):
        trackers.check(("wandb",), "s")

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.config import parse
from apollo_ray.errors import UserError
from apollo_ray.records import IGNORED
from apollo_ray.train.data import collate, micro_batch_positions
from apollo_ray.train.loss import summed_loss, supervised_tokens
from apollo_ray.train.schedule import learning_rate_factor
from apollo_ray.train.settings import StageSettings


def row(*documents: list[int]) -> dict[str, list[int]]:
    return {
        "input_ids": [token for document in documents for token in document],
        "labels": [token for document in documents for token in [IGNORED, *document[1:]]],
        "position_ids": [place for document in documents for place in range(len(document))],
    }


@given(
    st.integers(0, 5), st.sampled_from([(1, 12), (2, 6), (3, 4), (4, 3), (6, 2), (12, 1)]), st.sampled_from([1, 2, 3])
)
def test_a_step_reads_the_same_rows_on_any_number_of_workers(step: int, split: tuple[int, int], micro: int) -> None:
    world, rest = split
    batch = 12 * micro
    positions = [
        position
        for rank in range(world)
        for index in range(rest)
        for position in micro_batch_positions(step, index, rank, world, micro, batch)
    ]
    assert sorted(positions) == list(range(step * batch, (step + 1) * batch))


def test_a_token_sees_its_own_document_up_to_itself() -> None:
    made = collate([row([5, 6, 7], [8, 9]), row([1, 2]), None])
    mask = made["attention_mask"][:, 0]
    assert mask.shape == (3, 5, 5)
    for query in range(5):
        for key in range(5):
            same = (query < 3) == (key < 3)
            assert bool(mask[0, query, key]) == (same and key <= query)
    assert mask.any(-1).all(), "a position that sees nothing gives NaN"
    assert made["labels"].tolist() == [[IGNORED, 6, 7, IGNORED, 9], [IGNORED, 2, *[IGNORED] * 3], [IGNORED] * 5]
    assert supervised_tokens(made["labels"]) == 4


def test_packed_documents_have_the_loss_of_documents_alone() -> None:
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
    model = Qwen2ForCausalLM(config).double().eval()
    documents = [torch.randint(1, 50, (length,)).tolist() for length in (7, 3, 11, 2)]
    packed = collate([row(*documents[:3]), row(documents[3])])
    labels = packed.pop("labels")
    expected = 0.0
    with torch.no_grad():
        for document in documents:
            one = collate([row(document)])
            own = one.pop("labels")
            expected += float(summed_loss(model(**one, use_cache=False).logits, own))
        together = float(summed_loss(model(**packed, use_cache=False).logits, labels))
    assert together == pytest.approx(expected, rel=1e-6)


def test_summed_loss_is_the_plain_definition_in_float64() -> None:
    torch.manual_seed(1)
    logits = torch.randn(2, 6, 9, dtype=torch.float64)
    labels = torch.tensor([[IGNORED, 1, 2, IGNORED, 3, 4], [IGNORED, IGNORED, IGNORED, 5, 6, IGNORED]])
    expected = 0.0
    for batch in range(2):
        for place in range(1, 6):
            if labels[batch, place] != IGNORED:
                expected -= float(logits[batch, place - 1].log_softmax(-1)[labels[batch, place]])
    assert float(summed_loss(logits, labels)) == pytest.approx(expected, rel=1e-6)
    assert float(summed_loss(logits, torch.full((2, 6), IGNORED))) == 0.0


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
        ({"start": "a", "workers": 3}, "global_batch 256 must be a multiple"),
        ({"start": "a", "zero_stage": 0}, "loses precision"),
        ({"start": "a", "zero_stage": 4}, "zero_stage"),
        ({"architecture": {"hidden_size": 10, "layers": 1, "heads": 4}}, "even multiple"),
        ({"architecture": {"hidden_size": 24, "layers": 1, "heads": 4, "key_value_heads": 3}}, "key_value_heads 3"),
        ({"start": "a", "learning_rate": 0}, "learning_rate"),
    ],
)
def test_settings_refuse_what_cannot_be(wrong: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse(StageSettings, {"data": "mix"} | wrong, where="test")

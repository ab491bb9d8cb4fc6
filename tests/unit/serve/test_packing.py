"""Packed layers are the same function, and only what gains is packed."""

import pytest
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from apollo_ray.serve import packing
from apollo_ray.serve.engine import Engine, Request
from apollo_ray.serve.packing import SMALLEST, PackedLinear, can_pack, pack

pytestmark = pytest.mark.skipif(not can_pack(), reason="this torch has no oneDNN to pack weights with")
WIDTH = 300


def qwen(seed: int, tied: bool = True) -> Qwen2ForCausalLM:
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=WIDTH, hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=1, max_position_embeddings=256, tie_word_embeddings=tied, initializer_range=0.2,
    )  # fmt: skip
    return Qwen2ForCausalLM(config).eval()


@pytest.mark.parametrize("tokens", [1, 2, 3, 5, 9, 32, 200])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inside", "outside"), [(256, 256), (257, 300), (1024, 65)])
def test_a_packed_layer_is_the_layer(tokens: int, bias: bool, inside: int, outside: int) -> None:
    torch.manual_seed(tokens)
    layer = nn.Linear(inside, outside, bias=bias)
    inputs = torch.randn(2, tokens, inside)
    exact = torch.nn.functional.linear(inputs.double(), layer.weight.double(), layer.bias.double() if bias else None)
    with torch.inference_mode():
        found = PackedLinear(layer)(inputs)
    assert found.shape == exact.shape
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)


def test_large_float32_layers_are_packed_and_no_others() -> None:
    model = nn.Sequential(nn.Linear(256, 256), nn.Linear(16, 16), nn.Linear(256, 256).bfloat16(), nn.LayerNorm(256))
    assert [type(layer) for layer in pack(model)] == [PackedLinear, nn.Linear, nn.Linear, nn.LayerNorm]
    assert 256 * 256 >= SMALLEST > 16 * 16


@pytest.mark.parametrize("tied", [True, False])
def test_a_packed_model_decodes_like_the_plain_one(tied: bool) -> None:
    trio = {role: qwen(seed, tied) for seed, role in enumerate(("base", "expert", "anti_expert"))}
    prompt = [5, 17, 200, 41]
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(12):  # float64, no cache
            logits = [model.double()(torch.tensor([ids])).logits[0, -1] for model in trio.values()]
            ids.append(int((logits[0] + (logits[1] - logits[2])).argmax()))
    packed = {role: pack(model.float()) for role, model in trio.items()}
    assert isinstance(packed["base"].lm_head, PackedLinear)
    for drafts in (0, 3):
        request = Request(prompt, 12, (1.0, 1.0, -1.0))
        engine = Engine(packed, WIDTH, 2, 64, drafts=drafts)
        engine.add(request)
        while not engine.idle:
            engine.step()
        assert request.output == ids[len(prompt) :]


def test_a_torch_that_cannot_pack_serves_the_plain_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "can_pack", lambda: False)
    model = nn.Sequential(nn.Linear(256, 256))
    assert type(pack(model)[0]) is nn.Linear

"""Three tiny random models with one tokenizer, small enough to check token by token."""

import pytest
import torch
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from apollo_ray.tokenizer.bpe import train_bpe

SENTENCES = [
    "The patient has had a fever for three days.",
    "患者发热三天,伴有咳嗽。",
    "मरीज को तीन दिन से बुखार है।",
    "El paciente tiene fiebre desde hace tres días.",
    "Le patient a de la fièvre depuis trois jours.",
    "المريض يعاني من الحمى منذ ثلاثة أيام.",
]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_bpe(SENTENCES * 4, 320)


@pytest.fixture(scope="session")
def models(tokenizer: PreTrainedTokenizerFast) -> dict[str, Qwen2ForCausalLM]:
    """base, expert and anti_expert; the base is wider, and its output layer has rows to spare."""
    torch.set_num_threads(1)
    made = {}
    for seed, (role, hidden) in enumerate([("base", 48), ("expert", 32), ("anti_expert", 32)]):
        config = Qwen2Config(
            vocab_size=len(tokenizer) + (16 if role == "base" else 0),
            hidden_size=hidden,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            initializer_range=0.3,  # far from uniform, so that no two logits come near a tie
        )
        torch.manual_seed(seed)
        made[role] = Qwen2ForCausalLM(config).eval()
    return made

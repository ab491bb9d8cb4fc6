"""What a step did in its time: rates, share of the hardware's peak, memory."""

import resource
from dataclasses import dataclass
from typing import Any

import torch

PEAK_FLOPS = {
    "H200": 989e12, "H100": 989e12, "A100": 312e12, "A800": 312e12, "L40S": 362e12, "L4": 121e12, "A10G": 70e12,
    "V100": 125e12, "T4": 65e12,
}  # fmt: skip
"""Dense 16-bit operations a second by the maker's data sheets, by a part of the device's name."""


@dataclass(frozen=True)
class Size:
    """`parameters` that take part in a token's pass; `layers` and `width` of attention."""

    parameters: int
    layers: int
    width: int

    @classmethod
    def of(cls, model: Any) -> "Size":
        config = model.config.get_text_config()
        parameters = sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters())
        if not config.tie_word_embeddings:  # a table that is looked up and not multiplied by
            embeddings = model.get_input_embeddings().weight
            parameters -= getattr(embeddings, "ds_numel", embeddings.numel())
        heads = config.num_attention_heads
        width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
        return cls(parameters, config.num_hidden_layers, width)

    def flops(self, tokens: float, squares: float) -> float:
        """Of forward and backward pass: 6 a parameter and token, and causal attention within documents.

        `squares` is the sum of the squared lengths of the documents. Attention multiplies queries by keys and weights
        by values, 2 x 2 x width x length operations a token, half of them masked, three times (arXiv 2204.02311 B).
        """
        return 6.0 * self.parameters * tokens + 6.0 * self.layers * self.width * squares


def peak_flops() -> float | None:
    """Of this worker's GPU; None on a CPU or where the device is not listed."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((peak for part, peak in PEAK_FLOPS.items() if part in name), None)


def memory_gib() -> float:
    """The most that this worker has held: of its GPU's memory, or of the host's where it has none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

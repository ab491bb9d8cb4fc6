"""Cross-entropy over supervised tokens, without the logits of all others and never of very many at once."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from apollo_ray.records import IGNORED

LOGIT_BYTES = 2**28
"""Float32 logits held at once: 441 tokens of a vocabulary of 152,064 ids, 8,192 tokens of one of 8,192."""


def targets_of(labels: torch.Tensor) -> torch.Tensor:
    """int64[length]: what each position predicts, IGNORED where no loss is taken. `labels` are not shifted."""
    return functional.pad(labels[1:], (0, 1), value=IGNORED)


def supervised_tokens(labels: torch.Tensor) -> int:
    """Tokens that a loss is taken on."""
    return int((labels[1:] != IGNORED).sum())


class Objective(nn.Module):
    """A causal language model and its loss: what DeepSpeed wraps, so that the head is a part of its forward pass."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, labels: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """Losses in nats, float32[supervised tokens]; `labels` int64[length], inputs as in `Batch.inputs`."""
        model = self.model.get_base_model() if hasattr(self.model, "peft_config") else self.model
        hidden = model.get_decoder()(**inputs, use_cache=False).last_hidden_state[0]
        targets = targets_of(labels)
        supervised = targets != IGNORED
        if not bool(supervised.any()):  # nothing to learn, but all workers must take the same passes
            return self._losses(hidden[:1], targets[:1].clamp(min=0))[:0]
        hidden, targets = hidden[supervised], targets[supervised]
        rows = max(1, LOGIT_BYTES // (4 * model.config.get_text_config().vocab_size))
        if len(targets) <= rows:
            return self._losses(hidden, targets)
        # Each chunk's logits are worked out again for its gradient, instead of being kept.
        chunks = zip(hidden.split(rows), targets.split(rows), strict=True)
        return torch.cat([checkpoint(self._losses, *chunk, use_reentrant=False) for chunk in chunks])

    def head(self) -> Any:
        """The output layer, whose weight is used here and not by a call: workers take different numbers of chunks."""
        return self.model.get_output_embeddings()

    def _losses(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        head = self.head()
        logits = functional.linear(hidden, head.weight, head.bias).float()
        cap = getattr(self.model.config, "final_logit_softcapping", None)
        if cap is not None:
            logits = cap * torch.tanh(logits / cap)
        return functional.cross_entropy(logits, targets, reduction="none")

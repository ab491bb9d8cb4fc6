"""Attention over documents that lie one behind the other in one row: none sees another."""

from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.utils.import_utils import is_flash_attn_2_available

DOCUMENTS = "documents"
"""Name under which `documents` is known to transformers."""


def documents(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document by torch's kernel, one call a document: no mask of length squared.

    query [1, heads, length, width], key and value with as many heads or fewer; `cu_seq_lens_q` int32[D + 1], the
    documents' borders as flash attention takes them. Returns [1, length, heads, width].
    """
    assert cu_seq_lens_q is not None, "rows come flattened, with their borders"
    lengths = torch.diff(cu_seq_lens_q).tolist()
    parts = [
        functional.scaled_dot_product_attention(
            *piece, is_causal=True, scale=scaling, dropout_p=dropout, enable_gqa=query.shape[1] != key.shape[1]
        )
        for piece in zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True)
    ]
    return torch.cat(parts, 2).transpose(1, 2).contiguous(), None


AttentionInterface.register(DOCUMENTS, documents)
AttentionMaskInterface.register(DOCUMENTS, lambda *_, **__: None)


def implementation() -> str:
    """Flash attention where it is installed and there is a GPU: it takes the same borders."""
    return "flash_attention_2" if torch.cuda.is_available() and is_flash_attn_2_available() else DOCUMENTS

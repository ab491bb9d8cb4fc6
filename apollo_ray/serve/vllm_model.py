"""The ensemble as one vLLM model, so that all that vLLM does for a model is done for the ensemble.

A logits processor in vLLM would see neither prompt log-probabilities nor speculative decoding. A model that holds all
parts has their KV caches in vLLM's own paged cache and combines in `compute_logits`, which every path goes through.

vLLM finds `register` by the entry point group `vllm.general_plugins`, in each of its processes. Folders come from
`apollo_ray.serve.export_ensemble`. vLLM is imported inside functions alone: this package does not need it.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig

from apollo_ray.serve.settings import ROLES

ARCHITECTURE = "ProxyTunedForCausalLM"
"""In `architectures` of an exported folder's config.json."""


def register() -> None:
    """Tell vLLM of the model. By name, since importing models before vLLM has chosen its platform is too early."""
    from vllm import ModelRegistry

    ModelRegistry.register_model(ARCHITECTURE, f"{__name__}:ProxyTunedForCausalLM")


class ProxyTunedForCausalLM(nn.Module):
    """logits = base + alpha * (expert - anti-expert) over the first `proxy_vocabulary` ids, in float32.

    The config is that of the base with `proxy_alpha`, `proxy_vocabulary` and `proxy_parts`: role -> {"config": a whole
    transformers config, and "subfolder" of this folder or "id" and "revision" of a hub model}. With one part alone the
    logits are that part's, cut to the shared ids: vLLM asks for a draft model as wide as its target.

    Each part may have its own architecture, sizes and KV geometry. Tensor parallelism is each part's own; pipeline
    parallelism and LoRA are not offered.
    """

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__()
        self.config = vllm_config.model_config.hf_config
        self.alpha = float(self.config.proxy_alpha)
        self.width = int(self.config.proxy_vocabulary)
        parts = self.config.proxy_parts
        self.roles = tuple(role for role in ROLES if role in parts)  # not in the file's order: writers sort keys
        self.sizes: list[int] = []
        for role in self.roles:
            values = dict(parts[role]["config"])
            config = AutoConfig.for_model(values.pop("model_type"), **values)
            setattr(self, role, _part(vllm_config, config, f"{prefix}.{role}" if prefix else role))
            self.sizes.append(config.hidden_size)
        self.secondary_weights = list(_sources(vllm_config.model_config, parts))

    def embed_input_ids(self, input_ids: Tensor) -> Tensor:
        """The base's embeddings [tokens, hidden]: vLLM asks every model for some. `forward` takes ids alone."""
        embeddings: Tensor = self._parts()[0].embed_input_ids(input_ids)
        return embeddings

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Last hidden states of all parts, one behind the other: [tokens, sum of hidden sizes].

        Raises ValueError for prompts that are given as embeddings, which mean something to one part at most.
        """
        if input_ids is None:
            raise ValueError("an ensemble takes token ids; prompts as embeddings are those of one model")
        return torch.cat([part(input_ids, positions) for part in self._parts()], dim=-1)

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        """float32 [tokens, shared ids]; None on the ranks where vLLM gathers no logits."""
        split = hidden_states.split(self.sizes, dim=-1)
        logits = []
        for part, hidden in zip(self._parts(), split, strict=True):
            found = part.compute_logits(hidden.contiguous())
            if found is None:
                return None
            logits.append(found[..., : self.width].float())
        if len(logits) == 1:
            return logits[0]
        base, expert, anti = logits
        return base + self.alpha * (expert - anti)  # the difference first: where the small models agree, base is exact

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str] | None:
        """Hand each part its tensors, whose names begin with its role; returns the names of the parameters loaded.

        What comes from the folder itself is a stand-in, for the loader insists on a file there.
        """
        loaded: set[str] | None = set()
        for role, group in itertools.groupby(weights, key=lambda pair: pair[0].partition(".")[0]):
            if role not in self.roles:
                continue
            found = getattr(self, role).load_weights((name.partition(".")[2], tensor) for name, tensor in group)
            # Parts that do not say what they loaded switch vLLM's check for missing weights off.
            loaded = None if loaded is None or found is None else loaded | {f"{role}.{name}" for name in found}
        return loaded

    def _parts(self) -> list[Any]:
        return [getattr(self, role) for role in self.roles]


def _part(vllm_config: Any, config: Any, prefix: str) -> nn.Module:
    from vllm.compilation.backends import set_model_tag
    from vllm.model_executor.model_loader.utils import initialize_model

    own = vllm_config.with_hf_config(config, architectures=config.architectures)
    own.model_config.hf_text_config = own.model_config.hf_config
    own.model_config.model_arch_config = own.model_config.get_model_arch_config()
    # Attention layers enter themselves here by name: one register for all parts is one KV-cache manager.
    own.compilation_config = vllm_config.compilation_config
    with set_model_tag(prefix.replace(".", "_")):  # else parts of one class would read each other's compiled code
        model: nn.Module = initialize_model(vllm_config=own, prefix=prefix)
    return model


def _sources(model_config: Any, parts: dict[str, dict[str, Any]]) -> Iterator[Any]:
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    for role, part in parts.items():
        options: dict[str, Any] = {"prefix": f"{role}."}
        if "id" in part:
            place, revision = part["id"], part.get("revision")
        elif os.path.isdir(model_config.model):
            place, revision = os.path.join(model_config.model, part["subfolder"]), None
        else:  # the exported folder itself was uploaded to the hub
            place, revision = model_config.model, model_config.revision
            options["subfolder"] = part["subfolder"]
        yield DefaultModelLoader.Source(place, revision, **options)

"""Proxy tuning (Liu et al., arXiv 2401.08565): one distribution from three models with one vocabulary.

    logits = base + alpha * (expert - anti_expert)

A request asks for any mix of the three by its weights (base, expert, anti-expert).
"""

import math

import torch
from torch import Tensor

from apollo_ray.ensemble import SINGLE, Weights
from apollo_ray.errors import UserError
from apollo_ray.serve.settings import MAX_ALPHA

GREEDY_BELOW = 1e-5
"""Temperatures under this are greedy: dividing by them would overflow float32."""


def parse_model_name(name: str, default_alpha: float, ensemble: str, experts: bool) -> Weights:
    """Weights of `ensemble`, `ensemble@0.5` (alpha for this request), `base`, `expert` or `anti_expert`.

    `ensemble` is the name that the deployment gave it; without `experts` it is the base alone. Raises UserError for
    any other name.
    """
    if name == ensemble:
        return (1.0, default_alpha, -default_alpha) if experts else SINGLE["base"]
    if name == "base" or (experts and name in SINGLE):
        return SINGLE[name]
    head, at, text = name.partition("@")
    if experts and head == ensemble and at:
        try:
            alpha = float(text)
        except ValueError:
            alpha = math.nan
        if not abs(alpha) <= MAX_ALPHA:
            raise UserError(
                f"model {name!r}: alpha must be a number from {-MAX_ALPHA:g} to {MAX_ALPHA:g}, not {text!r}"
            )
        return (1.0, alpha, -alpha)
    known = [ensemble, f"{ensemble}@ALPHA", *SINGLE] if experts else [ensemble, "base"]
    raise UserError(f"model {name!r} does not exist; there are: {', '.join(known)}")


def warp(logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Probabilities [rows, vocabulary] after temperature, top-k and top-p, in the order of transformers' generate.

    The parameters have a value a row and lie on the CPU (so looking at them stalls no GPU). top_k 0 and top_p 1 keep
    everything. Temperature 0 gives all mass to the likeliest token, the lowest id of equals.
    """
    greedy = temperature < GREEDY_BELOW
    device, width = logits.device, logits.shape[-1]
    scaled = logits / torch.where(greedy, 1.0, temperature).to(device)[:, None]
    if bool((top_k > 0).any()) or bool((top_p < 1).any()):
        ordered, order = scaled.sort(dim=-1, descending=True, stable=True)
        kept = torch.where(top_k > 0, top_k, width).to(device)[:, None]
        ordered = ordered.masked_fill(torch.arange(width, device=device) >= kept, -torch.inf)
        shares = ordered.softmax(-1)
        before = shares.cumsum(-1) - shares
        outside = (before >= top_p.to(device)[:, None]) & (top_p < 1).to(device)[:, None]
        outside[:, 0] = False
        scaled = torch.full_like(scaled, -torch.inf).scatter(-1, order, ordered.masked_fill(outside, -torch.inf))
    probabilities = scaled.softmax(-1)
    if bool(greedy.any()):
        likeliest = torch.nn.functional.one_hot(logits.argmax(-1), width).to(probabilities.dtype)
        probabilities = torch.where(greedy.to(device)[:, None], likeliest, probabilities)
    return probabilities


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Token ids [rows]: the inverse of each row's distribution function at its own uniform in [0, 1).

    So a token depends on its row alone. `uniforms` must be float32: its largest value below 1 then stays below 1 in the
    float64 sums, and no token of probability 0 is drawn.
    """
    sums = probabilities.double().cumsum(-1)
    at = uniforms.to(probabilities.device).double() * sums[:, -1]
    return torch.searchsorted(sums, at[:, None], right=True)[:, 0]

"""Calls to models that are loaded here, in batches: transformers, on the GPU if there is one.

Texts are cut into tokens, borders found and logits mixed by the same functions as behind the endpoint, so both give the
same numbers. A text that several models are asked about runs once through each network, whatever it is part of.
"""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, DynamicCache

from apollo_ray.ensemble import combine, shared_vocabulary
from apollo_ray.errors import UserError
from apollo_ray.evaluate import prompts, score
from apollo_ray.evaluate.calls import TOO_LONG, UNUSABLE, Call, Reply, Scored, Tokens
from apollo_ray.step import Folder
from apollo_ray.tokens import Decode, encode_chat, encode_prompt, lead, text_offsets, token_text

PARTS = ("base", "expert", "anti_expert")


@dataclass(frozen=True)
class Spec:
    """A model by name: one folder, or those of base, expert and anti-expert with their alpha."""

    name: str
    folders: tuple[Folder, ...]
    alpha: float | None = None


class _Network:
    """One model's weights."""

    def __init__(self, folder: str, dtype: str, device: str) -> None:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        self.model = model.eval().to(device)
        self.device = device
        takes = inspect.signature(model.forward).parameters
        self._places, self._kept = "position_ids" in takes, "logits_to_keep" in takes

    @torch.inference_mode()
    def run(self, ids: Tensor, mask: Tensor, keep: int, cache: Any = None) -> Tensor:
        """float32 logits [rows, keep, vocabulary] of the last `keep` of `ids` [rows, tokens], padded on the left.

        `mask` [rows, cached and new tokens] is 0 at padding. `cache` is written to.
        """
        places = (mask.cumsum(-1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        given: dict[str, Any] = {"position_ids": places} if self._places else {}
        given |= {"logits_to_keep": keep} if self._kept else {}
        given |= {"past_key_values": cache} if cache is not None else {}
        found: Tensor = self.model(input_ids=ids, attention_mask=mask, use_cache=cache is not None, **given).logits
        return found[:, -keep:].float()


class _Model:
    """A spec with its tokenizer and the width at which its parts' logits may be added."""

    def __init__(self, spec: Spec, places: Sequence[str]) -> None:
        self.alpha, self.places = spec.alpha, tuple(places)
        names = [spec.name] if spec.alpha is None else [f"{spec.name}.{part}" for part in PARTS]
        configs: list[Any] = []
        tokenizers: list[Any] = []
        for name, place in zip(names, places, strict=True):
            try:
                configs.append(AutoConfig.from_pretrained(place))
                tokenizers.append(AutoTokenizer.from_pretrained(place))
            except (OSError, ValueError) as error:
                raise UserError(f"models: {name}: {place!r} is no model folder or Hugging Face id: {error}") from error
        texts = [config.get_text_config(decoder=True) for config in configs]
        self.width = shared_vocabulary(tokenizers, [text.vocab_size for text in texts], names)
        longest = [getattr(text, "max_position_embeddings", None) for text in texts]
        self.longest = min((length for length in longest if length is not None), default=None)
        self.tokenizer = tokenizers[0]
        self.decode: Decode = partial(self.tokenizer.decode, clean_up_tokenization_spaces=False)
        self.visible: Decode = partial(self.decode, skip_special_tokens=True)

    def mix(self, logits: Mapping[str, Tensor]) -> Tensor:
        """float32 [..., width] of the logits [..., vocabulary] of each part."""
        parts = [logits[place][..., : self.width] for place in self.places]
        if self.alpha is None:
            return parts[0]
        weights = torch.tensor([[1.0, self.alpha, -self.alpha]], device=parts[0].device)
        return combine(parts[0][None], parts[1][None], parts[2][None], weights)[0]

    def fits(self, tokens: int) -> bool:
        return self.longest is None or tokens <= self.longest


@dataclass(frozen=True)
class _Text:
    """A continuation after its prompt: ids of both, of which those from `first` on count."""

    ids: tuple[int, ...]
    first: int

    @property
    def kept(self) -> int:
        return len(self.ids) - self.first


class LocalModels:
    """All models of a step in one process. Networks that several models are made of are loaded once."""

    def __init__(self, specs: Sequence[Spec], dtype: str, tokens_per_batch: int) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._size = tokens_per_batch
        self._models = {spec.name: _Model(spec, [folder.local() for folder in spec.folders]) for spec in specs}
        places = dict.fromkeys(place for model in self._models.values() for place in model.places)
        self._networks = {place: _Network(place, dtype, self._device) for place in places}

    def answer(self, calls: Sequence[Call]) -> list[Reply]:
        """In the order of `calls`. A text that a model has no room for is not cut: its reply says so."""
        replies: dict[int, Reply] = {}
        replies |= self._score({at: call for at, call in enumerate(calls) if call.kind == "score"})
        for name in dict.fromkeys(call.model for call in calls):
            writing = {at: call for at, call in enumerate(calls) if call.kind != "score" and call.model == name}
            replies |= self._write(self._models[name], writing)
        return [replies[at] for at in range(len(calls))]

    def _score(self, calls: Mapping[int, Call]) -> dict[int, Reply]:
        cut = {(at, text): self._cut(calls[at], text) for at in calls for text in calls[at].continuations}
        asked: dict[tuple[int, ...], list[tuple[int, str]]] = {}  # what is fed -> who wants to know
        for who, text in cut.items():
            if isinstance(text, _Text):
                asked.setdefault(text.ids[:-1], []).append(who)
        scored: dict[tuple[int, str], Scored] = {}
        for rows in self._batches(asked):
            wanted = [who for row in rows for who in asked[row]]
            keep = max(cut[who].kept for who in wanted)  # type: ignore[union-attr]
            places = dict.fromkeys(place for at, _ in wanted for place in self._models[calls[at].model].places)
            ids, mask = self._padded(rows)
            logits = {place: self._networks[place].run(ids, mask, keep) for place in places}
            for number, row in enumerate(rows):
                for who in asked[row]:
                    text = cut[who]
                    assert isinstance(text, _Text)
                    own = {place: found[number, keep - text.kept :] for place, found in logits.items()}
                    scored[who] = _scored(self._models[calls[who[0]].model], own, text)
        replies = {}
        for at, call in calls.items():
            problem = next((one for text in call.continuations if isinstance(one := cut[at, text], Reply)), None)
            replies[at] = problem or Reply(tuple(scored[at, text] for text in call.continuations))
        return replies

    def _cut(self, call: Call, continuation: str) -> _Text | Reply:
        """Where the continuation starts is found as for an endpoint, from the characters before each token."""
        model = self._models[call.model]
        ids, added = encode_prompt(model.tokenizer, call.prompt + continuation)
        if not model.fits(len(ids)):
            return Reply(problem=TOO_LONG, detail=f"{len(ids)} tokens, and the model has room for {model.longest}")
        if max(ids) >= model.width:
            return Reply(problem=UNUSABLE, detail=f"token {max(ids)} is not in the {model.width} shared ones")
        offsets = [0] * added + text_offsets(model.decode, ids[added:])
        tokens = [token_text(model.decode, token) for token in ids]
        start = score.continuation_start(call.prompt, continuation, tokens, offsets)
        if start is None:
            return Reply(problem=UNUSABLE, detail="the tokenizer does not give the text back")
        first = score.first_counted(offsets, start)
        return _Text(tuple(ids), first) if first else Reply(problem=UNUSABLE, detail="the first token has no score")

    def _write(self, model: _Model, calls: Mapping[int, Call]) -> dict[int, Reply]:
        prompted: dict[int, list[int]] = {}
        replies: dict[int, Reply] = {}
        for at, call in calls.items():
            if call.kind == "chat":
                found = encode_chat(model.tokenizer, prompts.messages(call.prompt))
            else:
                found, _ = encode_prompt(model.tokenizer, call.prompt)
            if model.fits(len(found) + call.max_tokens):
                prompted[at] = found
            else:
                detail = f"{len(found)} tokens and {call.max_tokens} to write; the model has room for {model.longest}"
                replies[at] = Reply(problem=TOO_LONG, detail=detail)
        for rows in self._batches(prompted, length=lambda at: len(prompted[at])):
            written = self._greedy(model, [prompted[at] for at in rows], [calls[at] for at in rows])
            replies |= dict(zip(rows, written, strict=True))
        return replies

    @torch.inference_mode()
    def _greedy(self, model: _Model, rows: list[list[int]], calls: list[Call]) -> list[Reply]:
        """The likeliest tokens one by one, up to an end token, a stop string or the limit."""
        ids, mask = self._padded(rows)
        caches = {place: self._cache(place) for place in model.places}
        ends = self._ends(model)
        tokens: list[list[int]] = [[] for _ in rows]
        told: list[list[tuple[float, float | None]]] = [[] for _ in rows]
        going = set(range(len(rows)))
        for step in range(max(call.max_tokens for call in calls)):
            parts = {place: self._networks[place].run(ids, mask, 1, caches[place])[:, 0] for place in model.places}
            mixed = model.mix(parts)
            ids = mixed.argmax(-1)[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], -1)
            entropy, divergence = _spread(model, mixed, parts)
            for row in sorted(going):
                tokens[row].append(int(ids[row, 0]))
                told[row].append((float(entropy[row]), None if divergence is None else float(divergence[row])))
                _, stopped = _text(model, rows[row], tokens[row], ends, calls[row].stop)
                if stopped or step + 1 >= calls[row].max_tokens:
                    going.discard(row)
            if not going:
                break
        texts = [_text(model, row, one, ends, call.stop)[0] for row, one, call in zip(rows, tokens, calls, strict=True)]
        return [Reply(text=text, tokens=_means(one)) for text, one in zip(texts, told, strict=True)]

    def _cache(self, place: str) -> Any:
        return DynamicCache(config=self._networks[place].model.config)

    def _ends(self, model: _Model) -> set[int]:
        """Ids that end an answer: the tokenizer's, and those that any part's generation settings name."""
        found = {model.tokenizer.eos_token_id}
        for place in model.places:
            config = self._networks[place].model.generation_config
            named = config.eos_token_id if config else None
            found |= set(named if isinstance(named, list) else [named])
        return found - {None}

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """(ids, mask), both int64 [rows, tokens] with the padding on the left."""
        width = max(map(len, rows))
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self._device), mask.to(self._device)

    def _batches(self, rows: Mapping[Any, Any], length: Any = len) -> Iterator[list[Any]]:
        """Keys of `rows`, the shortest first, in groups of at most `tokens_per_batch` tokens with their padding."""
        batch: list[Any] = []
        for row in sorted(rows, key=length):
            if batch and length(row) * (len(batch) + 1) > self._size:
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch


def _scored(model: _Model, logits: Mapping[str, Tensor], text: _Text) -> Scored:
    """`logits` [kept, vocabulary] of each part stand before the tokens that count."""
    mixed = model.mix(logits)
    logprobs = mixed.log_softmax(-1)
    targets = torch.tensor(text.ids[text.first :], device=mixed.device)
    chosen = logprobs.gather(-1, targets[:, None])[:, 0].tolist()
    entropy, divergence = _spread(model, mixed, logits)
    mean = None if divergence is None else float(divergence.mean())
    return Scored(math.fsum(chosen), Tokens(len(chosen), tuple(mixed.argmax(-1).tolist()), float(entropy.mean()), mean))


def _spread(model: _Model, mixed: Tensor, logits: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """float64 [...]: entropy of the next token and, of an ensemble, KL(mix || base), both in nats."""
    own = mixed.double().log_softmax(-1)
    entropy = -(own.exp() * own).sum(-1)
    if model.alpha is None:
        return entropy, None
    base = logits[model.places[0]][..., : model.width].double().log_softmax(-1)
    return entropy, (own.exp() * (own - base)).sum(-1).clamp_min(0)


def _text(
    model: _Model, prompt: Sequence[int], tokens: Sequence[int], ends: set[int], stops: Sequence[str]
) -> tuple[str, bool]:
    """(the text of `tokens` before an end token or a stop string, whether there was one)."""
    ended = tokens[-1:] and tokens[-1] in ends
    before = lead(model.visible, prompt)
    text = model.visible([*before, *(tokens[:-1] if ended else tokens)])[len(model.visible(before)) :]
    found = [text.index(stop) for stop in stops if stop in text]
    return text[: min(found)] if found else text, bool(found or ended)


def _means(told: Sequence[tuple[float, float | None]]) -> Tokens:
    divergences = [divergence for _, divergence in told if divergence is not None]
    return Tokens(len(told), (), fmean(entropy for entropy, _ in told), fmean(divergences) if divergences else None)

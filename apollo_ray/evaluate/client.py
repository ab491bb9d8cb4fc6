"""Calls to an OpenAI-compatible endpoint.

The client of the openai package paces retries (back-off with jitter, Retry-After) for 408, 409, 429, 5xx and lost
connections. What is left after that stops the step. A request that the endpoint refuses for what it asks (400, 413 or
422, as for a prompt that is too long) costs that reply alone.
"""

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import openai

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.evaluate import prompts, score
from apollo_ray.evaluate.calls import REFUSED, UNUSABLE, Call, Reply, Scored, Tokens
from apollo_ray.evaluate.settings import StageSettings

TEXTS_PER_REQUEST = 8  # prompts of reference answers that share a request
PASSING = ("created", "permission", "notice")
"""Of an entry of /v1/models: what says nothing of the model itself."""

OnReply = Callable[[str, Reply], None]


@dataclass(frozen=True)
class Models:
    """What an endpoint lists: name -> entry. Empty where it lists nothing."""

    entries: Mapping[str, Mapping[str, Any]]

    def can_attribute(self, name: str) -> bool:
        """Whether `name` is an ensemble of this package's own server, which tells where each token came from."""
        mixed = {one for one, entry in self.entries.items() if "alpha" in entry}
        return name.partition("@")[0] in mixed

    def identity(self, name: str) -> dict[str, Any]:
        """Of what answers under `name`; that of the ensemble says nothing of an alpha in the name."""
        entry = self.entries.get(name) or self.entries.get(name.partition("@")[0], {})
        return {key: value for key, value in entry.items() if key not in PASSING} | {"model": name}


def models_of(address: str, settings: StageSettings) -> Models:
    """Asks /v1/models. An endpoint without that route, or that fails there, lists nothing: asking it will tell why."""
    with openai.OpenAI(
        api_key=_key(), base_url=address, timeout=settings.timeout_s, max_retries=settings.retries
    ) as client:
        try:
            listed = client.get("/models", cast_to=object)
        except (openai.APIError, ValueError):
            return Models({})
    entries = listed.get("data") if isinstance(listed, dict) else None
    named = {entry["id"]: entry for entry in entries or () if isinstance(entry, dict) and "id" in entry}
    return Models(json.loads(json.dumps(named, default=str)))


def answer(
    calls: Sequence[tuple[str, Call]], address: str, settings: StageSettings, models: Models, on_reply: OnReply
) -> None:
    """Hands `on_reply` the reply to each call with the call's key as soon as it is there, in a thread.

    Raises UserError where the endpoint refuses the key or a model, ServiceError where it stays out of reach or does not
    answer as an OpenAI endpoint does.
    """
    asyncio.run(_answer(calls, address, settings, models, on_reply))


async def _answer(
    calls: Sequence[tuple[str, Call]], address: str, settings: StageSettings, models: Models, on_reply: OnReply
) -> None:
    waiting = _packs(calls)

    async def work(endpoint: _Endpoint) -> None:
        for pack in waiting:  # shared, so each goes to one worker
            replies = await endpoint.answer([call for _, call in pack])
            for (key, _), reply in zip(pack, replies, strict=True):
                await asyncio.shield(asyncio.to_thread(on_reply, key, reply))  # kept even if another worker fails now

    async with openai.AsyncOpenAI(
        api_key=_key(), base_url=address, timeout=settings.timeout_s, max_retries=settings.retries
    ) as client:
        endpoint = _Endpoint(client, address, settings, models)
        try:
            async with asyncio.TaskGroup() as group:  # the first failure ends all workers
                for _ in range(min(settings.concurrency, len(calls))):
                    group.create_task(work(endpoint))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__


def _key() -> str:
    # A server of one's own may want no key, but the client wants a string.
    return os.environ.get("APOLLO_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"


def _packs(calls: Sequence[tuple[str, Call]]) -> Iterator[Sequence[tuple[str, Call]]]:
    """Calls that share a request: neighbours with one text each to score under one model, others alone."""
    for name, group in itertools.groupby(calls, key=lambda pair: pair[1].model if _alone(pair[1]) else None):
        found = list(group)
        size = 1 if name is None else TEXTS_PER_REQUEST
        for at in range(0, len(found), size):
            yield found[at : at + size]


def _alone(call: Call) -> bool:
    return call.kind == "score" and len(call.continuations) == 1


class _RefusedError(Exception):
    """The endpoint answered, and will not take this request."""


class _Endpoint:
    def __init__(self, client: openai.AsyncOpenAI, address: str, settings: StageSettings, models: Models) -> None:
        self.client, self.address, self.settings, self.models = client, address, settings, models

    async def answer(self, calls: Sequence[Call]) -> list[Reply]:
        """To calls that share a request."""
        try:
            if calls[0].kind == "score":
                return await self._score(calls)
            (call,) = calls
            return [await (self._generate if call.kind == "generate" else self._chat)(call)]
        except _RefusedError as refusal:
            if len(calls) > 1:  # which of them is at fault shows when each is asked alone
                return [reply for call in calls for reply in await self.answer([call])]
            return [Reply(problem=REFUSED, detail=str(refusal)[:500])]

    async def _score(self, calls: Sequence[Call]) -> list[Reply]:
        pairs = [(call.prompt, continuation) for call in calls for continuation in call.continuations]
        texts = [prompt + continuation for prompt, continuation in pairs]
        choices = await self._complete(calls[0].model, texts, max_tokens=0, echo=True, logprobs=1)
        scored = iter(_score(*pair, choice.logprobs) for pair, choice in zip(pairs, choices, strict=True))
        replies = []
        for call in calls:
            found = [next(scored) for _ in call.continuations]
            unusable = next((one for one in found if isinstance(one, str)), None)
            scores = tuple(one for one in found if not isinstance(one, str))
            replies.append(Reply(problem=UNUSABLE, detail=unusable) if unusable else Reply(scores))
        return replies

    async def _generate(self, call: Call) -> Reply:
        stop = list(call.stop) or openai.omit
        told = self._told(call.model)
        choices = await self._complete(call.model, [call.prompt], max_tokens=call.max_tokens, stop=stop, **told)
        return Reply(text=choices[0].text or "", tokens=_attributed(choices[0]))

    async def _chat(self, call: Call) -> Reply:
        response = await self._send(
            call.model,
            self.client.chat.completions.create,
            messages=prompts.messages(call.prompt),
            max_tokens=call.max_tokens,
            **self._told(call.model),
        )
        (choice,) = self._choices(response, 1)
        return Reply(text=choice.message.content or "", tokens=_attributed(choice))

    def _told(self, model: str) -> dict[str, Any]:
        """Where the server can tell how far each token is from the base, it is asked to; no answer changes by it."""
        return {"extra_body": {"proxy": {"attribution": True}}} if self.models.can_attribute(model) else {}

    async def _complete(self, model: str, texts: list[str], **arguments: Any) -> list[Any]:
        """The choices of one request, in the order of `texts`."""
        response = await self._send(model, self.client.completions.create, prompt=texts, **arguments)
        return self._choices(response, len(texts))

    def _choices(self, response: Any, number: int) -> list[Any]:
        choices = getattr(response, "choices", None) or []
        places = {getattr(choice, "index", None): choice for choice in choices}
        if len(choices) != number or set(places) != set(range(number)):
            raise ServiceError(
                f"{self.address} does not answer as an OpenAI endpoint: {len(choices)} choices, not the {number} asked "
                "for. Check that the address ends in /v1"
            )
        return [places[index] for index in range(number)]

    async def _send(self, model: str, create: Any, **arguments: Any) -> Any:
        try:
            return await create(model=model, temperature=0, **arguments)
        except openai.APIStatusError as error:
            status, message = error.status_code, _short(error)
            if status in (400, 413, 422):
                raise _RefusedError(f"{status}: {message}") from error
            if status in (401, 403):
                raise UserError(
                    f"{self.address} refuses the key for model {model!r}: {message}. Check the environment variable "
                    "APOLLO_API_KEY or OPENAI_API_KEY"
                ) from error
            if status == 404:
                raise UserError(
                    f"{self.address} has no model {model!r}: {message}. Check steps.*.models and the address"
                ) from error
            if status in (408, 409, 429) or status >= 500:
                raise self._unreachable(model, f"{status}: {message}") from error
            raise UserError(f"{self.address} refuses model {model!r}: {status}: {message}") from error
        except (openai.APIError, ValueError) as error:  # ValueError: a body that is no JSON
            raise self._unreachable(model, _short(error)) from error

    def _unreachable(self, model: str, message: str) -> ServiceError:
        return ServiceError(
            f"{self.address} did not answer for model {model!r} after {self.settings.retries} retries: {message}. What "
            "was answered is kept; run the same command again once it does"
        )


def _score(prompt: str, continuation: str, logprobs: Any) -> Scored | str:
    if logprobs is None or not logprobs.text_offset or not logprobs.token_logprobs:
        return "the endpoint gives no log probabilities of the prompt (echo with logprobs)"
    start = score.continuation_start(prompt, continuation, logprobs.tokens or [], logprobs.text_offset)
    if start is None:
        return "the endpoint's text_offset does not count the characters of the prompt"
    try:
        first = score.first_counted(logprobs.text_offset, start)
        logprob, number = score.continuation_logprob(logprobs.token_logprobs, logprobs.text_offset, start)
    except ValueError as error:
        return str(error)
    return Scored(logprob, Tokens(number, _likeliest(logprobs.top_logprobs, first)))


def _likeliest(top: Sequence[Mapping[str, float] | None] | None, first: int) -> tuple[str, ...]:
    """The likeliest token at each place from `first` on; none where the server did not list them."""
    listed = list(top or ())[first:]
    found = [max(one, key=lambda token: one[token]) for one in listed if one]
    return tuple(found) if len(found) == len(listed) else ()


def _attributed(choice: Any) -> Tokens | None:
    told = getattr(choice, "proxy", None)
    entries = told.get("attribution") if isinstance(told, dict) else None
    if not entries:
        return None
    divergence = fmean(entry["divergence"] for entry in entries)
    entropies = [entry["entropy"] for entry in entries if "entropy" in entry]
    return Tokens(len(entries), (), fmean(entropies) if len(entropies) == len(entries) else None, divergence)


def _short(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]

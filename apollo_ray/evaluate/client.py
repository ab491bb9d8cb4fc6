"""Questions to an OpenAI-compatible endpoint, and its answers as EVAL_ANSWER rows.

The client of the openai package paces retries (back-off with jitter, Retry-After) for 408, 409, 429, 5xx and lost
connections. What is left after that stops the step. A request that the endpoint refuses for what it asks (400, 413 or
422, as for a prompt that is too long) costs that answer alone, which becomes a refusal.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import openai

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.evaluate import prompts, protocols, score
from apollo_ray.evaluate.settings import Method, StageSettings

TEXTS_PER_REQUEST = 8  # prompts of reference answers that share a request
LOGPROB_DIGITS = 4
"""Decimals that a row keeps: float32 sums move by some 1e-6 nats with the requests that share a batch."""
REFUSED = "refused_by_endpoint"
UNUSABLE = "unusable_logprobs"

Item = Mapping[str, Any]
"""A row of EVAL_ITEM."""


@dataclass(frozen=True)
class Job:
    """What one request asks of one model: one item in one rotation after its shots, or several texts."""

    model: str
    method: Method
    items: tuple[Item, ...]
    shots: tuple[Item, ...] = ()
    rotation: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of one item, model and method: an EVAL_ANSWER row, or the reason why there is none."""

    item: Item
    model: str
    method: Method
    answer: dict[str, Any] | None = None
    reason: str | None = None  # REFUSED or UNUSABLE
    detail: str | None = None


class _RefusedError(Exception):
    """The endpoint answered, and will not take this request."""


def plan_jobs(
    items: Sequence[Item], settings: StageSettings, shots_of: Callable[[Item], Sequence[Item]] = lambda item: ()
) -> list[Job]:
    """All requests in order of model, then item, method and rotation. Texts of one benchmark and language share some.

    An item has no more rotations than options: the next one would be the first again.
    """
    jobs = []
    for model in settings.models:
        texts: dict[tuple[str, str], list[Item]] = {}
        for item in items:
            for method in settings.methods_of(item["task"]):
                if method == "perplexity":
                    texts.setdefault((item["benchmark"], item["lang"]), []).append(item)
                elif method == "ask":
                    jobs.append(Job(model, method, (item,)))
                else:
                    shots = tuple(shots_of(item))
                    rotations = range(min(settings.rotations, len(item["letters"])))
                    jobs += [Job(model, method, (item,), shots, rotation) for rotation in rotations]
        for group in texts.values():
            for at in range(0, len(group), TEXTS_PER_REQUEST):
                jobs.append(Job(model, "perplexity", tuple(group[at : at + TEXTS_PER_REQUEST])))
    return jobs


def answer_jobs(
    jobs: Sequence[Job], address: str, settings: StageSettings, on_answers: Callable[[int], None]
) -> list[Outcome]:
    """An outcome for each item of each job, in order of the jobs, whatever the concurrency.

    `on_answers` is told how many outcomes each finished job brought. Raises UserError where the endpoint refuses the
    key or a model, ServiceError where it stays out of reach or does not answer as an OpenAI endpoint does.
    """
    return asyncio.run(_answer_jobs(jobs, address, settings, on_answers))


async def _answer_jobs(
    jobs: Sequence[Job], address: str, settings: StageSettings, on_answers: Callable[[int], None]
) -> list[Outcome]:
    outcomes: list[list[Outcome]] = [[] for _ in jobs]
    waiting = iter(enumerate(jobs))

    async def work(endpoint: _Endpoint) -> None:
        for index, job in waiting:  # shared, so each job goes to one worker
            outcomes[index] = await endpoint.answer(job)
            on_answers(len(outcomes[index]))

    # A server of one's own may want no key, but the client wants a string.
    key = os.environ.get("APOLLO_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
    async with openai.AsyncOpenAI(
        api_key=key, base_url=address, timeout=settings.timeout_s, max_retries=settings.retries
    ) as client:
        endpoint = _Endpoint(client, address, settings)
        try:
            async with asyncio.TaskGroup() as group:  # the first failure ends all workers
                for _ in range(min(settings.concurrency, len(jobs))):
                    group.create_task(work(endpoint))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
    return [outcome for job in outcomes for outcome in job]


class _Endpoint:
    def __init__(self, client: openai.AsyncOpenAI, address: str, settings: StageSettings) -> None:
        self.client = client
        self.address = address
        self.settings = settings

    async def answer(self, job: Job) -> list[Outcome]:
        try:
            if job.method == "perplexity":
                return await self._perplexity(job)
            ask = {"loglikelihood": self._loglikelihood, "generation": self._generation, "ask": self._ask}[job.method]
            return [await ask(job)]
        except _RefusedError as refusal:
            if len(job.items) > 1:  # which of them is at fault shows when each is asked alone
                alone = [await self.answer(replace(job, items=(item,))) for item in job.items]
                return [outcome for outcomes in alone for outcome in outcomes]
            return [Outcome(job.items[0], job.model, job.method, reason=REFUSED, detail=str(refusal)[:500])]

    async def _loglikelihood(self, job: Job) -> Outcome:
        item, model = job.items[0], job.model
        ask = self._choice_ask(job)
        pairs = [(ask.prompt, continuation) for continuation in ask.continuations]
        scores = await self._scores(model, pairs)
        unusable = next((one for one in scores if isinstance(one, str)), None)
        if unusable:
            return Outcome(item, model, "loglikelihood", reason=UNUSABLE, detail=unusable)
        letters = [item["letters"][place] for place in ask.order]  # the item's own, in displayed order
        found = {letter: one for letter, one in zip(letters, scores, strict=True) if not isinstance(one, str)}
        letter = score.choose([found[name][0] for name in item["letters"]], item["letters"])
        answer = _row(item, model, "loglikelihood", job.rotation) | {
            "prediction": letter,
            "correct": letter == item["answer"],
            "logprob": round(found[letter][0], LOGPROB_DIGITS),
            "num_tokens": found[letter][1],
        }
        return Outcome(item, model, "loglikelihood", answer)

    def _choice_ask(self, job: Job) -> protocols.ChoiceAsk:
        settings = self.settings
        return protocols.choice_ask(
            job.items[0], settings.protocol, job.shots, job.rotation, end_of_shot=settings.end_of_shot
        )

    async def _generation(self, job: Job) -> Outcome:
        item, model = job.items[0], job.model
        ask = self._choice_ask(job)
        stop = list(ask.stop) or openai.omit
        choices = await self._complete(model, [ask.prompt], max_tokens=ask.max_tokens, stop=stop)
        text = choices[0].text or ""
        letter = protocols.read_letter(text, ask, item, self.settings.protocol)
        answer = {"prediction": letter, "output": text, "correct": letter == item["answer"]}
        return Outcome(item, model, "generation", _row(item, model, "generation", job.rotation) | answer)

    async def _perplexity(self, job: Job) -> list[Outcome]:
        pairs = [(protocols.text_prompt(item), item["answer"]) for item in job.items]
        outcomes = []
        for item, one in zip(job.items, await self._scores(job.model, pairs), strict=True):
            if isinstance(one, str):
                outcomes.append(Outcome(item, job.model, "perplexity", reason=UNUSABLE, detail=one))
            else:
                answer = _row(item, job.model, "perplexity") | {
                    "logprob": round(one[0], LOGPROB_DIGITS),
                    "num_tokens": one[1],
                }
                outcomes.append(Outcome(item, job.model, "perplexity", answer))
        return outcomes

    async def _ask(self, job: Job) -> Outcome:
        item, model = job.items[0], job.model
        response = await self._send(
            model,
            self.client.chat.completions.create,
            messages=prompts.messages(item["question"]),
            max_tokens=self.settings.max_new_tokens,
        )
        text = self._choices(response, 1)[0].message.content or ""
        return Outcome(
            item, model, "ask", _row(item, model, "ask") | {"prediction": text.strip() or None, "output": text}
        )

    async def _scores(self, model: str, pairs: list[tuple[str, str]]) -> list[tuple[float, int] | str]:
        """(log probability, tokens) of each continuation after its prompt, or why it cannot be told; one request."""
        texts = [prompt + continuation for prompt, continuation in pairs]
        choices = await self._complete(model, texts, max_tokens=0, echo=True, logprobs=1)
        return [_score(*pair, choice.logprobs) for pair, choice in zip(pairs, choices, strict=True)]

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
            f"{self.address} did not answer for model {model!r} after {self.settings.retries} retries: {message}. Run "
            "the same command again once it does"
        )


def _row(item: Item, model: str, method: Method, rotation: int = 0) -> dict[str, Any]:
    """An EVAL_ANSWER row without its answer."""
    return {
        "id": item["id"],
        "benchmark": item["benchmark"],
        "lang": item["lang"],
        "model": model,
        "method": method,
        "rotation": rotation,
        "question": item["question"],
        "gold": item["answer"],
        "prediction": None,
        "output": None,
        "correct": None,
        "logprob": None,
        "num_tokens": None,
    }


def _score(prompt: str, continuation: str, logprobs: Any) -> tuple[float, int] | str:
    if logprobs is None or not logprobs.text_offset or not logprobs.token_logprobs:
        return "the endpoint gives no log probabilities of the prompt (echo with logprobs)"
    start = score.continuation_start(prompt, continuation, logprobs.tokens or [], logprobs.text_offset)
    if start is None:
        return "the endpoint's text_offset does not count the characters of the prompt"
    try:
        return score.continuation_logprob(logprobs.token_logprobs, logprobs.text_offset, start)
    except ValueError as error:
        return str(error)


def _short(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]

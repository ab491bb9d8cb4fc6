"""Question, then answer, from any OpenAI-compatible endpoint (the paper's two calls), each kept when it is paid for.

The client of the openai package paces retries (back-off with jitter, Retry-After) for 408, 409, 429 and 5xx. What
is left after that stops the step: running it again asks only for what the ledger does not hold.
"""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.rewrite import prompts, verify
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine
from apollo_ray.store import Store, fingerprint


@dataclass(frozen=True)
class Written:
    """What an engine made of a passage: a pair, or why there is none."""

    question: str = ""
    answer: str = ""
    refusal: verify.Refusal | None = None


class Ledger:
    """Answers by hash of (prompt, model, sampling), one small object each, shared by all runs of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _path(self, key: str) -> str:
        return self.store.path("ledger", key[:2], f"{key}.json")

    def get(self, key: str) -> dict[str, Any] | None:
        data = self.store.read(self._path(key))
        return None if data is None else json.loads(data)

    def put(self, key: str, answer: dict[str, Any]) -> None:
        self.store.write(self._path(key), json.dumps(answer, ensure_ascii=False).encode())


def write_pairs(passages: list[Passage], engine: OpenAIEngine, ledger: Ledger) -> list[Written]:
    """A pair or a refusal for each passage, in order.

    Raises UserError where the endpoint refuses the key or the model, ServiceError where it stays out of reach.
    """
    return asyncio.run(_write_all(passages, engine, ledger))


async def _write_all(passages: list[Passage], engine: OpenAIEngine, ledger: Ledger) -> list[Written]:
    key = os.environ.get("OPENAI_API_KEY", "none")  # a server of one's own may want no key; the client wants a string
    gate = asyncio.Semaphore(engine.concurrency)
    async with openai.AsyncOpenAI(
        api_key=key, base_url=engine.base_url, timeout=engine.timeout_s, max_retries=engine.retries
    ) as client:

        async def write(passage: Passage) -> Written:
            async with gate:
                return await _write_pair(passage, engine, ledger, client)

        return await asyncio.gather(*(write(passage) for passage in passages))


async def _write_pair(passage: Passage, engine: OpenAIEngine, ledger: Ledger, client: Any) -> Written:
    found: list[str] = []
    steps: list[tuple[str, Callable[[], str]]] = [
        ("question", lambda: prompts.question_prompt(passage)),
        ("answer", lambda: prompts.answer_prompt(passage, found[0])),
    ]
    for what, prompt in steps:
        try:
            reply = await _ask(prompt(), engine, ledger, client)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return Written(refusal=verify.Refusal("refused_by_endpoint", f"{what}: {error}"[:300]))
        refusal = verify.check_finish(reply["finish_reason"], what)
        if refusal:
            return Written(refusal=refusal)
        found.append((reply["text"] or "").strip())
    return Written(question=found[0], answer=found[1])


async def _ask(prompt: str, engine: OpenAIEngine, ledger: Ledger, client: Any) -> dict[str, Any]:
    sampling = {
        name: getattr(engine, name)
        for name in ("model", "temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "seed")
    }
    key = fingerprint([prompt, sampling])
    kept = await asyncio.to_thread(ledger.get, key)
    if kept is not None:
        return kept
    try:
        response = await client.chat.completions.create(messages=[{"role": "user", "content": prompt}], **sampling)
    except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
        raise UserError(
            f"{engine.base_url} refuses model {engine.model!r}: {error}. Check engine.base_url, engine.model and the "
            "environment variable OPENAI_API_KEY"
        ) from error
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise ServiceError(
            f"{engine.base_url} did not answer after {engine.retries} retries: {error}. What was answered is kept; "
            "run the same command again to go on"
        ) from error
    choice = response.choices[0]
    usage = response.usage
    answer = {
        "text": choice.message.content,
        "finish_reason": choice.finish_reason,
        "model": response.model,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
    }
    await asyncio.to_thread(ledger.put, key, answer)
    return answer

"""Asks any OpenAI-compatible endpoint for what the ledger lacks: paced, retried, and never twice.

What goes wrong, and what follows:

    408 409 429 5xx, time-outs, lost connections, bodies that are no answer   tried again after a growing delay
    401 403 404                                                               UserError: key, model or address are wrong
    other 4xx                                                                 that passage is refused (too long ...)
    every request for `patience_s`                                            ServiceError; the ledger keeps the rest
"""

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import openai

from apollo_ray import metrics
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.kept import READERS
from apollo_ray.rewrite import ledger, pacing
from apollo_ray.rewrite.ledger import Ledger, Reply, Spending
from apollo_ray.rewrite.script import Call, Script
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine
from apollo_ray.rewrite.turns import Form

WORKERS_PER_CONNECTION = 2
"""Passages worked on for each request under way: while one reads or writes the ledger another one asks."""
FAILURES_THAT_OPEN = 10  # in a row, or as many as there are connections
_END = object()

Todo = tuple[Passage, Form]


@dataclass
class Progress:
    """Numbers of an asking run, for whoever watches."""

    passages: int = 0  # that have all their replies
    kept: int = 0  # replies that were in the ledger already
    retries: int = 0
    spent: Spending = field(default_factory=Spending)
    busy_s: float = 0.0  # sum over connections of the time in requests


def ask_all(
    todo: Iterable[Todo], script: Script, engine: OpenAIEngine, kept: Ledger, watch: Callable[[Progress], None]
) -> Progress:
    """Fills the ledger for all passages; holds a bounded number of them at a time.

    `watch` is told now and then. Raises UserError where the endpoint refuses the key or the model, ServiceError where
    it stays out of reach or the budget is spent.
    """
    return asyncio.run(_Asking(script, engine, kept, watch).run(todo))


class _Asking:
    def __init__(self, script: Script, engine: OpenAIEngine, kept: Ledger, watch: Callable[[Progress], None]) -> None:
        self.script, self.engine, self.ledger, self.watch = script, engine, kept, watch
        self.progress = Progress(spent=Spending(engine.input_price, engine.output_price))
        self.reserved = 0.0  # money of requests under way
        self.out_of_money = False
        self.under_way: dict[str, asyncio.Event] = {}  # by key of the ledger

    async def run(self, todo: Iterable[Todo]) -> Progress:
        engine, loop = self.engine, asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(READERS, "ledger"))
        self.gate = asyncio.Semaphore(engine.concurrency)
        self.requests = pacing.Quota(engine.requests_per_minute, loop.time)
        self.tokens = pacing.Quota(engine.tokens_per_minute, loop.time)
        threshold = max(FAILURES_THAT_OPEN, engine.concurrency)
        self.breaker = pacing.Breaker(threshold, engine.patience_s, engine.base_url, loop.time)
        key = os.environ.get(engine.key) or "none"  # a server of one's own may want no key; the client wants a string
        queue: asyncio.Queue[Any] = asyncio.Queue(2 * engine.concurrency)
        feeder = _Feeder(todo, queue, loop)
        client = openai.AsyncOpenAI(api_key=key, base_url=engine.base_url, timeout=engine.timeout_s, max_retries=0)
        try:
            async with client, asyncio.TaskGroup() as group:  # the first failure ends all workers
                watcher = group.create_task(self._tell())
                workers = [
                    group.create_task(self._work(queue, client))
                    for _ in range(WORKERS_PER_CONNECTION * engine.concurrency)
                ]
                await asyncio.gather(*workers)
                watcher.cancel()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
        finally:
            feeder.stop()
        if self.out_of_money:
            spent = self.progress.spent
            raise ServiceError(
                f"the budget of {engine.budget} is used up: {spent.money:.4f} for {spent.calls} calls. All answers are "
                "kept; raise engine.budget and run the same command again to go on"
            )
        return self.progress

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(10)
            self.watch(self.progress)

    async def _work(self, queue: "asyncio.Queue[Any]", client: openai.AsyncOpenAI) -> None:
        while not self.out_of_money:
            item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            if item is _END:
                queue.put_nowait(_END)  # for the next worker
                return
            passage, form = item
            replies: list[Reply] = []
            while call := self.script.next(passage, form, replies):
                reply = await self._reply(call, client)
                if reply is None:
                    return
                replies.append(reply)
            self.progress.passages += 1

    async def _reply(self, call: Call, client: openai.AsyncOpenAI) -> Reply | None:
        """From the ledger, or from the endpoint; None where the budget does not allow it.

        Two passages may have the same prompt: the second waits for what the first one pays.
        """
        while (other := self.under_way.get(call.key)) is not None:
            await other.wait()
        self.under_way[call.key] = asyncio.Event()
        try:
            return await self._paid_for(call, client)
        finally:
            self.under_way.pop(call.key).set()

    async def _paid_for(self, call: Call, client: openai.AsyncOpenAI) -> Reply | None:
        # A look at a local file takes a tenth of what a thread does.
        known = (
            self.ledger.get(call.key) if self.ledger.is_local else await asyncio.to_thread(self.ledger.get, call.key)
        )
        if known is not None and known.error != ledger.FAILED:
            self.progress.kept += 1
            self.progress.spent.add(known)
            return known
        async with self.gate:
            reserve = self._cost_at_most(call)
            if self.engine.budget is not None and self.progress.spent.money + self.reserved + reserve > (
                self.engine.budget
            ):
                self.out_of_money = True
                return None
            self.reserved += reserve
            try:
                reply = await self._ask(call, client)
                self.progress.spent.add(reply)
                self._count(reply)
            finally:
                self.reserved -= reserve
        # Shielded: what was paid for is kept even if another worker fails now.
        await asyncio.shield(asyncio.to_thread(self.ledger.put, call.key, reply))
        return reply

    def _count(self, reply: Reply) -> None:
        model, price = self.engine.model, Spending(self.engine.input_price, self.engine.output_price)
        price.add(reply)
        metrics.count("apollo_llm_calls", model=model)
        metrics.count("apollo_llm_tokens", reply.prompt_tokens, model=model, kind="prompt")
        metrics.count("apollo_llm_tokens", reply.completion_tokens, model=model, kind="completion")
        metrics.count("apollo_llm_cost", price.money, model=model)

    def _cost_at_most(self, call: Call) -> float:
        most = Spending(self.engine.input_price, self.engine.output_price)
        most.add(Reply("", None, "", len(call.prompt.encode()) // 2, self.engine.max_tokens))
        return most.money

    async def _ask(self, call: Call, client: openai.AsyncOpenAI) -> Reply:
        loop = asyncio.get_running_loop()
        expected = len(call.prompt.encode()) / 4 + self.engine.max_tokens / 4
        for attempt in range(self.engine.retries + 1):
            await self.breaker.ready()
            await self.requests.take()
            await self.tokens.take(expected)
            begun = loop.time()
            try:
                reply, waited = await self._once(call, client), None
            except _TryAgainError as failure:
                reply, waited = failure.reply, failure.retry_after
                self.breaker.failed(reply.detail or "", waited or 0.0)
                self.progress.retries += 1
            except BaseException:
                self.breaker.abandoned()
                raise
            finally:
                self.progress.busy_s += loop.time() - begun
            if reply.error in (None, ledger.REFUSED):
                self.breaker.succeeded()
                self.tokens.correct(reply.prompt_tokens + reply.completion_tokens - expected)
                return reply
            if attempt < self.engine.retries:
                await asyncio.sleep(pacing.delay(attempt, waited))
        if self.breaker.is_open:  # nobody gets through: that says nothing of this prompt
            return await self._ask(call, client)
        return reply

    async def _once(self, call: Call, client: openai.AsyncOpenAI) -> Reply:
        engine = self.engine
        body = {"model": engine.model, "messages": [{"role": "user", "content": call.prompt}], **call.sampling}
        try:
            # By the address and not by chat.completions.create, whose pydantic models of an answer cost 0.5 ms a call.
            answer = await client.post("/chat/completions", body=body, cast_to=object)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise UserError(
                f"{engine.base_url} refuses model {engine.model!r}: {error}. Check engine.base_url, engine.model and "
                f"the environment variable {engine.key}"
            ) from error
        except openai.APIStatusError as error:
            detail = f"{call.kind}: {error}"[:300]
            if error.status_code in (408, 409, 429) or error.status_code >= 500:
                after = pacing.retry_after_s(error.response.headers.get("retry-after"))
                raise _TryAgainError(ledger.FAILED, detail, after) from error
            return Reply("", None, engine.model, error=ledger.REFUSED, detail=detail)
        except (openai.APIError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise _TryAgainError(ledger.FAILED, f"{call.kind}: {type(error).__name__}: {error}"[:300]) from error
        reply = read_answer(answer, engine.model)
        if reply is None:
            shown = str(answer)[:200]
            raise _TryAgainError(ledger.UNUSABLE, f"{call.kind}: not the answer of an OpenAI endpoint: {shown}")
        return reply


class _TryAgainError(Exception):
    def __init__(self, error: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.reply = Reply("", None, "", error=error, detail=detail)
        self.retry_after = retry_after


def read_answer(answer: Any, model: str) -> Reply | None:
    """The reply in the JSON of a chat completion; None where it has not that form."""
    try:
        choice, usage = answer["choices"][0], answer.get("usage") or {}
        text = choice["message"]["content"]
        finish = choice.get("finish_reason")
        read, wrote = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
        if not isinstance(text, str | None) or not isinstance(finish, str | None):
            return None
        return Reply(text or "", finish, str(answer.get("model") or model), read, wrote)
    except (TypeError, KeyError, IndexError, AttributeError, ValueError):
        return None


class _Feeder:
    """Takes passages from a blocking iterator in a thread of its own, as many as the queue has room for."""

    def __init__(self, todo: Iterable[Todo], queue: "asyncio.Queue[Any]", loop: asyncio.AbstractEventLoop) -> None:
        self._todo: Iterator[Todo] = iter(todo)
        self._queue, self._loop = queue, loop
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True, name="passages")
        self._thread.start()

    def _feed(self) -> None:
        last: Any = _END
        try:
            for item in self._todo:
                if self._stopped.is_set():
                    return
                asyncio.run_coroutine_threadsafe(self._queue.put(item), self._loop).result()
        except BaseException as error:  # raised again by the worker that takes it
            last = error
        with contextlib.suppress(RuntimeError, asyncio.CancelledError):  # the loop has ended
            asyncio.run_coroutine_threadsafe(self._queue.put(last), self._loop).result()

    def stop(self) -> None:
        self._stopped.set()

"""From a request's body to the engine and back to text. One for each replica; knows neither routes nor Ray."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from secrets import randbits
from typing import Any

from apollo_ray.ensemble import Weights
from apollo_ray.errors import UserError
from apollo_ray.serve import api, text
from apollo_ray.serve.alphas import Alphas
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.choices import ChatChoice, CompletionChoice
from apollo_ray.serve.engine import Request
from apollo_ray.serve.proxy import parse_model_name
from apollo_ray.serve.sampling import Shaping
from apollo_ray.serve.settings import EndpointSettings
from apollo_ray.tokens import encode_chat, encode_prompt, lead

RETRY_AFTER = 2.0
"""Seconds after which a client may try again where there is no room."""


@dataclass
class Answer:
    """A request with what is known of its answer so far; tokens past a stop string do not count."""

    request: Request
    added: int = 0  # tokens that the tokenizer put before the prompt's own
    language: str | None = None  # that its alpha was chosen by
    text: str = ""
    tokens: int = 0
    finish: str | None = None


class Answers:
    """Admits prompts and follows their answers."""

    def __init__(self, settings: EndpointSettings, tokenizer: Any, engine: AsyncEngine, eos: frozenset[int]) -> None:
        self._settings, self._tokenizer, self._engine, self._eos = settings, tokenizer, engine, eos
        self.decode = partial(tokenizer.decode, clean_up_tokenization_spaces=False)
        self.alphas = Alphas(settings.alpha, settings.alpha_by_language)  # of requests to come
        self._active = 0
        self._longest = max(map(len, tokenizer.get_vocab()))  # characters that one token can stand for
        self._visible = partial(self.decode, skip_special_tokens=True)

    def encode(self, prompt: str | list[int]) -> tuple[list[int], int]:
        """(ids, how many of the first ones the tokenizer added). Raises ApiError for a text that is too long."""
        if isinstance(prompt, str):
            self._check_text(prompt, "prompt")
        return encode_prompt(self._tokenizer, prompt) if isinstance(prompt, str) else (prompt, 0)

    def encode_chat(self, messages: list[api.Message]) -> list[int]:
        """Raises ApiError for messages that the chat template refuses."""
        self._check_text("".join(message.plain()["content"] for message in messages), "messages")
        try:
            return encode_chat(self._tokenizer, [message.plain() for message in messages])
        except UserError as error:
            raise api.from_user_error(error, "messages") from error

    def _check_text(self, content: str, param: str) -> None:
        """Cheaply, since all other requests wait while megabytes are cut into tokens."""
        most = self._settings.max_length
        if len(content) > most * self._longest:
            message = f"{len(content)} characters are more than the maximum context length of {most} tokens"
            raise api.ApiError(400, message, param, "context_length_exceeded")
        api.check_unicode(content, param)

    def for_completion(self, body: api.CompletionRequest) -> list[Answer]:
        """`n` answers to come for every prompt. Raises ApiError for a model or prompt that cannot be."""
        answers = []
        scored = body.echo and body.logprobs is not None
        for prompt in body.prompts:
            ids, added = self.encode(prompt)
            texts = partial(self._texts, prompt)
            answers += self._admit(body, ids, texts, body.max_tokens, "prompt", body.logprobs, scored, added)
        return answers

    def for_chat(self, body: api.ChatRequest) -> list[Answer]:
        """`n` answers to come. Raises ApiError for a model or chat that cannot be."""
        ids = self.encode_chat(body.messages)
        limit = body.limit or max(1, self._settings.max_length - len(ids))
        logprobs = body.top_logprobs if body.logprobs else None
        asked = [message.plain()["content"] for message in body.messages if message.role == "user"]
        return self._admit(body, ids, lambda: [*asked[-1:], "\n".join(asked)], limit, "messages", logprobs)

    def _texts(self, prompt: str | list[int]) -> list[str]:
        if isinstance(prompt, str):
            return [prompt]
        width = self._engine.width  # other ids, and too many, are refused once the request is whole
        return [self._visible([token for token in prompt[: self._settings.max_length] if token < width])]

    def _admit(
        self,
        body: api.CompletionRequest | api.ChatRequest,
        ids: list[int],
        texts: Callable[[], list[str]],
        limit: int,
        param: str,
        logprobs: int | None,
        scored: bool = False,
        added: int = 0,
    ) -> list[Answer]:
        self._check_room()
        weights, language = self._weights(body, texts)
        seed = randbits(62) if body.seed is None else body.seed
        ends = frozenset() if body.ignore_eos else self._eos
        requests = [
            Request(
                ids=ids,
                max_new_tokens=limit,
                weights=weights,
                temperature=body.temperature,
                top_k=max(0, body.top_k),
                top_p=body.top_p,
                seed=(seed + index) % 2**63,
                eos=ends | frozenset(self._known("stop_token_ids", body.stop_token_ids)),
                shaping=self._shaping(body),
                logprobs=logprobs,
                prompt_logprobs=scored,
                attribution=body.proxy.attribution,
            )
            for index in range(body.n)
        ]
        if body.proxy.attribution and self._settings.expert is None:
            raise api.ApiError(400, "proxy.attribution: this deployment has no expert", "proxy.attribution")
        try:
            self._engine.check(requests[0])
        except UserError as error:
            raise api.from_user_error(error, param) from error
        return [Answer(request, added, language) for request in requests]

    def _check_room(self) -> None:
        most = self._settings.slots + self._settings.max_waiting
        if self._active >= most:
            message = f"{self._active} answers are running or waiting, and {most} may; try again later"
            raise api.ApiError(503, message, code="overloaded", retry_after=RETRY_AFTER)

    def _weights(
        self, body: api.CompletionRequest | api.ChatRequest, texts: Callable[[], list[str]]
    ) -> tuple[Weights, str | None]:
        """The mix that is asked for, as of this moment, and the language that chose its alpha.

        `proxy.alpha` and the model's name come first, then the language of `texts`, then the deployment's alpha.
        """
        settings, alpha = self._settings, body.proxy.alpha
        name = settings.model_name if body.model is None else body.model
        try:
            weights = parse_model_name(name, self.alphas.default, settings.model_name, settings.expert is not None)
        except UserError as error:
            raise api.ApiError(404, str(error), "model", "model_not_found") from error
        if name == settings.model_name and settings.expert is not None:
            alpha, language = self.alphas.choose(texts) if alpha is None else (alpha, None)
            return (1.0, alpha, -alpha), language
        if alpha is not None:
            allowed = f"goes with model {settings.model_name!r}" if settings.expert else "needs an expert"
            raise api.ApiError(400, f"proxy.alpha {allowed}", "proxy.alpha")
        return weights, None

    def _shaping(self, body: api.CompletionRequest | api.ChatRequest) -> Shaping:
        self._known("logit_bias", list(body.logit_bias))
        return Shaping(
            bias=body.logit_bias,
            repetition=body.repetition_penalty,
            frequency=body.frequency_penalty,
            presence=body.presence_penalty,
            min_p=body.min_p,
        )

    def _known(self, field: str, ids: list[int]) -> list[int]:
        width = self._engine.width
        if unknown := [token for token in ids if token >= width]:
            raise api.ApiError(400, f"{field}: token id {unknown[0]} is not in the vocabulary: 0 to {width - 1}", field)
        return ids

    async def pieces(self, answer: Answer, stops: list[str]) -> AsyncGenerator[str, None]:
        """The answer's text as it comes; `answer` is up to date whenever a piece is out."""
        self._active += 1
        try:
            async with aclosing(self._pieces(answer, stops)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._active -= 1

    async def _pieces(self, answer: Answer, stops: list[str]) -> AsyncGenerator[str, None]:
        request = answer.request
        stream = text.TextStream(self._visible, stops, lead(self._visible, request.ids))
        async with aclosing(self._engine.stream(request)) as lengths:
            async for length in lengths:
                piece = ""
                for token in request.output[answer.tokens : length]:
                    answer.tokens += 1
                    piece += "" if token in request.eos else stream.push(token)
                    if stream.stopped:
                        break
                if not stream.stopped and request.finish is not None and answer.tokens == len(request.output):
                    piece += stream.finish()
                    answer.finish = request.finish
                if stream.stopped:
                    answer.finish = "stop"
                answer.text += piece
                if piece or answer.finish:
                    yield piece
                if answer.finish:
                    return

    async def events(
        self, answers: list[Answer], stops: list[str], takes: list[Callable[[str], dict[str, Any]]]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Chunks of all answers as they come, each made by its answer's own `takes`; closing it early ends them all."""
        chunks: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()

        async def one(answer: Answer, take: Callable[[str], dict[str, Any]]) -> None:
            try:
                async with aclosing(self.pieces(answer, stops)) as pieces:
                    async for piece in pieces:
                        chunks.put_nowait(take(piece))  # at once: the answer is up to date only now
                chunks.put_nowait(None)
            except Exception as error:
                chunks.put_nowait(error)

        tasks = [asyncio.create_task(one(*pair)) for pair in zip(answers, takes, strict=True)]
        running = len(tasks)
        try:
            while running:
                chunk = await chunks.get()
                if isinstance(chunk, BaseException):
                    raise chunk
                if chunk is None:
                    running -= 1
                else:
                    yield chunk
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def finish(self, answers: list[Answer], stops: list[str]) -> None:
        """Wait until all are whole."""

        async def one(answer: Answer) -> None:
            async with aclosing(self.pieces(answer, stops)) as pieces:
                async for _ in pieces:
                    pass

        await asyncio.gather(*(one(answer) for answer in answers))

    @property
    def active(self) -> int:
        """Answers that run or wait."""
        return self._active

    def completion_choice(self, index: int, answer: Answer, body: api.CompletionRequest) -> CompletionChoice:
        """One of a completion's `choices`, of which nothing is out yet."""
        return CompletionChoice(index, answer, body, self.decode, self._visible)

    def chat_choice(self, index: int, answer: Answer, body: api.ChatRequest) -> ChatChoice:
        """One of a chat's `choices`, of which nothing is out yet."""
        return ChatChoice(index, answer, body, self.decode)

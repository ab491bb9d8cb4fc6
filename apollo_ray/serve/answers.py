"""From a request's body to the engine and back to text. One for each replica; knows neither routes nor Ray."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from secrets import randbits
from typing import Any

from apollo_ray.errors import UserError
from apollo_ray.serve import api, text
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.engine import Request, Score
from apollo_ray.serve.proxy import parse_model_name
from apollo_ray.serve.settings import EndpointSettings


@dataclass
class Answer:
    """A request with what is known of its answer so far; tokens past a stop string do not count."""

    request: Request
    added: int = 0  # tokens that the tokenizer put before the prompt's own
    text: str = ""
    tokens: int = 0
    finish: str | None = None


class Answers:
    """Admits prompts and follows their answers."""

    def __init__(self, settings: EndpointSettings, tokenizer: Any, engine: AsyncEngine, eos: frozenset[int]) -> None:
        self._settings, self._tokenizer, self._engine, self._eos = settings, tokenizer, engine, eos
        self.decode = partial(tokenizer.decode, clean_up_tokenization_spaces=False)
        self._visible = partial(self.decode, skip_special_tokens=True)

    def encode(self, prompt: str | list[int]) -> tuple[list[int], int]:
        """(ids, how many of the first ones the tokenizer added)."""
        return text.encode_prompt(self._tokenizer, prompt) if isinstance(prompt, str) else (prompt, 0)

    def encode_chat(self, messages: list[api.Message]) -> list[int]:
        """Raises ApiError for messages that the chat template refuses."""
        try:
            return text.encode_chat(self._tokenizer, [message.plain() for message in messages])
        except UserError as error:
            raise api.from_user_error(error, "messages") from error

    def for_completion(self, body: api.CompletionRequest) -> list[Answer]:
        """`n` answers to come for every prompt. Raises ApiError for a model or prompt that cannot be."""
        answers = []
        scored = body.echo and body.logprobs is not None
        for prompt in body.prompts:
            ids, added = self.encode(prompt)
            answers += self._admit(body, ids, body.max_tokens, "prompt", body.logprobs, scored, added)
        return answers

    def for_chat(self, body: api.ChatRequest) -> list[Answer]:
        """`n` answers to come. Raises ApiError for a model or chat that cannot be."""
        ids = self.encode_chat(body.messages)
        limit = body.limit or max(1, self._settings.max_length - len(ids))
        return self._admit(body, ids, limit, "messages", body.top_logprobs if body.logprobs else None)

    def _admit(
        self,
        body: api.CompletionRequest | api.ChatRequest,
        ids: list[int],
        limit: int,
        param: str,
        logprobs: int | None,
        scored: bool = False,
        added: int = 0,
    ) -> list[Answer]:
        settings = self._settings
        name = settings.model_name if body.model is None else body.model
        try:
            weights = parse_model_name(name, settings.alpha, settings.model_name, settings.expert is not None)
        except UserError as error:
            raise api.ApiError(404, str(error), "model", "model_not_found") from error
        seed = randbits(62) if body.seed is None else body.seed
        requests = [
            Request(
                ids=ids,
                max_new_tokens=limit,
                weights=weights,
                temperature=body.temperature,
                top_k=max(0, body.top_k),
                top_p=body.top_p,
                seed=(seed + index) % 2**63,
                eos=frozenset() if body.ignore_eos else self._eos,
                logprobs=logprobs,
                prompt_logprobs=scored,
            )
            for index in range(body.n)
        ]
        try:
            self._engine.check(requests[0])
        except UserError as error:
            raise api.from_user_error(error, param) from error
        return [Answer(request, added) for request in requests]

    async def pieces(self, answer: Answer, stops: list[str]) -> AsyncGenerator[str, None]:
        """The answer's text as it comes; `answer` is up to date whenever a piece is out."""
        request = answer.request
        stream = text.TextStream(self._visible, stops, text.lead(self._visible, request.ids))
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

    async def finish(self, answers: list[Answer], stops: list[str]) -> None:
        """Wait until all are whole."""

        async def one(answer: Answer) -> None:
            async with aclosing(self.pieces(answer, stops)) as pieces:
                async for _ in pieces:
                    pass

        await asyncio.gather(*(one(answer) for answer in answers))

    def completion_choice(self, index: int, answer: Answer, body: api.CompletionRequest) -> dict[str, Any]:
        """One of a completion's `choices`. Offsets count from the start of its text, so from the prompt's if echoed."""
        request = answer.request
        shown = self.decode(request.ids[answer.added :]) if body.echo else ""
        logprobs = None
        if body.logprobs is not None:
            before = text.lead(self._visible, request.ids)
            tokens = request.output[: answer.tokens]
            scores: list[Score | None] = [*request.output_scores[: answer.tokens]]
            start = len(shown) - len(self._visible(before))
            offsets = text.text_offsets(self._visible, [*before, *tokens], start)[len(before) :]
            if body.echo:
                prompt_offsets = text.text_offsets(self.decode, request.ids[answer.added :])
                offsets = [0] * answer.added + prompt_offsets + offsets
                tokens = request.ids + tokens
                scores = [None, *request.prompt_scores, *scores]
            logprobs = api.completion_logprobs(tokens, scores, offsets, body.logprobs, self.decode)
        return {"index": index, "text": shown + answer.text, "logprobs": logprobs, "finish_reason": answer.finish}

    def chat_choice(self, index: int, answer: Answer, body: api.ChatRequest) -> dict[str, Any]:
        """One of a chat's `choices`."""
        logprobs = None
        if body.logprobs:
            output, scores = answer.request.output[: answer.tokens], answer.request.output_scores[: answer.tokens]
            logprobs = api.chat_logprobs(output, scores, body.top_logprobs, self.decode)
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": answer.finish}

"""The endpoint on Ray Serve: one deployment whose replicas each hold all models.

`build` makes the application from EndpointSettings, for `serve run apollo_ray.serve.app:build base=...` and for Serve's
YAML files. No prompt and no answer is logged. This module keeps its annotations as objects: FastAPI cannot resolve
strings after Ray has pickled the routes.
"""

import hmac
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import torch
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from ray import serve
from ray.serve.config import BackpressureConfig

from apollo_ray.serve import api
from apollo_ray.serve.answers import Answer, Answers
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.engine import Engine
from apollo_ray.serve.models import check_models, end_tokens, load_models, resolve_model
from apollo_ray.serve.settings import EndpointSettings

API_KEY = "APOLLO_API_KEY"
"""Environment variable with the key that clients must send. Without it the endpoint is open."""

app = FastAPI(title="Apollo Ray", description=f"Proxy-tuned models. {api.NOTICE.capitalize()}.")


@app.exception_handler(api.ApiError)
async def _refused(_: Request, error: api.ApiError) -> JSONResponse:
    return JSONResponse(error.body(), error.status)


@app.exception_handler(RequestValidationError)
async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    refusal = api.explain(error.errors())
    return JSONResponse(refusal.body(), refusal.status)


async def _authorize(request: Request) -> None:
    expected = os.environ.get(API_KEY)
    given = request.headers.get("authorization", "")
    if expected and not hmac.compare_digest(given.encode(), f"Bearer {expected}".encode()):
        raise api.ApiError(401, "the API key is missing or wrong", code="invalid_api_key")


PROTECTED = [Depends(_authorize)]


class Endpoint:
    """A replica: models, engine and routes."""

    def __init__(self, settings: EndpointSettings, api_key: str | None) -> None:
        if api_key:
            os.environ[API_KEY] = api_key
        torch.set_num_threads(max(1, int(settings.cpus_per_replica)))
        folders = {role: resolve_model(reference) for role, reference in settings.models.items()}
        self._settings = settings
        self._tokenizer, self._width = check_models(folders, settings.max_length)
        models = load_models(folders, settings.dtype, "cuda" if settings.gpus_per_replica > 0 else "cpu")
        engine = Engine(models, self._width, settings.slots, settings.max_length, drafts=settings.drafts)
        self._engine = AsyncEngine(engine)
        self._answers = Answers(settings, self._tokenizer, self._engine, end_tokens(self._tokenizer, models))

    async def check_health(self) -> None:
        """Raises where the engine has died, so that Serve replaces the replica."""
        self._engine.raise_if_dead()

    @app.get("/health")
    async def health(self) -> Response:
        dead = self._engine.failure is not None
        return JSONResponse({"status": "engine died" if dead else "ok"}, 503 if dead else 200)

    @app.get("/v1/models", dependencies=PROTECTED)
    async def models(self) -> Response:
        names = [self._settings.model_name, *self._settings.models]
        return JSONResponse(api.model_list(names, self._settings.max_length, self._settings.alpha))

    @app.post("/tokenize", dependencies=PROTECTED)
    async def tokenize(self, body: api.TokenizeRequest) -> Response:
        if body.messages is not None:
            ids = self._answers.encode_chat(body.messages)
        else:
            ids = list(self._tokenizer(body.prompt, add_special_tokens=body.add_special_tokens)["input_ids"])
        return JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": self._settings.max_length})

    @app.post("/detokenize", dependencies=PROTECTED)
    async def detokenize(self, body: api.DetokenizeRequest) -> Response:
        if max(body.tokens, default=0) >= self._width:
            raise api.ApiError(400, f"tokens: ids go from 0 to {self._width - 1}", "tokens")
        return JSONResponse({"prompt": self._answers.decode(body.tokens)})

    @app.post("/v1/completions", dependencies=PROTECTED)
    async def completions(self, body: api.CompletionRequest) -> Response:
        body.check_supported()
        answers = self._answers.for_completion(body)
        head = self._head("cmpl", "text_completion", body)
        if body.stream:

            def choice(piece: str, finish: str | None) -> dict[str, Any]:
                return {"index": 0, "text": piece, "logprobs": None, "finish_reason": finish}

            return self._stream(head, body, answers[0], [], choice)
        await self._answers.finish(answers, body.stop)
        choices = [self._answers.completion_choice(index, answer, body) for index, answer in enumerate(answers)]
        return JSONResponse(head | {"choices": choices, "usage": _usage(answers, body.n)})

    @app.post("/v1/chat/completions", dependencies=PROTECTED)
    async def chat(self, body: api.ChatRequest) -> Response:
        body.check_supported()
        answers = self._answers.for_chat(body)
        if body.stream:

            def choice(piece: str, finish: str | None) -> dict[str, Any]:
                return {"index": 0, "delta": {"content": piece} if piece else {}, "finish_reason": finish}

            first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            head = self._head("chatcmpl", "chat.completion.chunk", body)
            return self._stream(head, body, answers[0], [first], choice)
        await self._answers.finish(answers, body.stop)
        choices = [self._answers.chat_choice(index, answer, body) for index, answer in enumerate(answers)]
        head = self._head("chatcmpl", "chat.completion", body)
        return JSONResponse(head | {"choices": choices, "usage": _usage(answers, body.n)})

    def _stream(
        self,
        head: dict[str, Any],
        body: api.CompletionRequest | api.ChatRequest,
        answer: Answer,
        opening: list[dict[str, Any]],
        choice: Callable[[str, str | None], dict[str, Any]],
    ) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            for first in opening:
                yield _event(head | {"choices": [first]})
            async with aclosing(self._answers.pieces(answer, body.stop)) as pieces:
                async for piece in pieces:
                    yield _event(head | {"choices": [choice(piece, answer.finish)]})
            if body.include_usage:
                yield _event(head | {"choices": [], "usage": _usage([answer], 1)})
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    def _head(self, prefix: str, kind: str, body: api.CompletionRequest | api.ChatRequest) -> dict[str, Any]:
        name = body.model or self._settings.model_name
        return {"id": f"{prefix}-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": name}


def _usage(answers: list[Answer], n: int) -> dict[str, int]:
    """`n` answers in a row share a prompt, which counts once."""
    return api.usage(sum(len(one.request.ids) for one in answers[::n]), sum(one.tokens for one in answers))


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


_DEPLOYMENT: Any = serve.deployment(name="Endpoint")(serve.ingress(app)(Endpoint))


def build(args: EndpointSettings) -> serve.Application:
    """The application; its models are folders, hub ids or `store::step/fingerprint`.

    The API key is read from the environment of whoever builds, and goes to the replicas beside the settings.
    """
    deployment = _DEPLOYMENT.options(
        num_replicas=args.replicas,
        max_ongoing_requests=2 * args.slots,  # those without a slot wait in the engine, so no step runs half empty
        max_queued_requests=args.max_queued,
        ray_actor_options={"num_cpus": args.cpus_per_replica, "num_gpus": args.gpus_per_replica},
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=2),
        health_check_period_s=5,
        graceful_shutdown_timeout_s=30,
    )
    return deployment.bind(args, os.environ.get(API_KEY))

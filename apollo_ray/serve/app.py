"""The endpoint on Ray Serve: one deployment whose replicas each hold all models.

`build` makes the application from EndpointSettings, for `serve run apollo_ray.serve.app:build base=...` and for Serve's
YAML files. No prompt and no answer is logged unless `audit_text` asks for it. This module keeps its annotations as
objects: FastAPI cannot resolve strings after Ray has pickled the routes.
"""

import json
import os
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import torch
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from ray import serve
from ray.serve.config import BackpressureConfig
from starlette.exceptions import HTTPException

from apollo_ray.serve import api, text
from apollo_ray.serve.access import API_KEY, Gate, load_keys
from apollo_ray.serve.alphas import Alphas, told
from apollo_ray.serve.answers import Answer, Answers
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.audit import AuditLog
from apollo_ray.serve.engine import Engine
from apollo_ray.serve.event_stream import EventStream
from apollo_ray.serve.guard import Guard, path_of, refusal
from apollo_ray.serve.metrics import Metrics
from apollo_ray.serve.models import check_models, end_tokens, load_models, resolve_model
from apollo_ray.serve.page import chat_page
from apollo_ray.serve.settings import ROLES, EndpointSettings, LiveSettings

__all__ = ["API_KEY", "Endpoint", "app", "build"]

Body = api.CompletionRequest | api.ChatRequest

app = FastAPI(title="Apollo Ray", description=f"Proxy-tuned models. {api.NOTICE.capitalize()}.")


def _endpoint() -> Any:
    return serve.get_replica_context().servable_object


app.add_middleware(Guard, find=_endpoint)


@app.exception_handler(api.ApiError)
async def _refused(request: Request, error: api.ApiError) -> Response:
    _endpoint().refused(request.scope, error)
    return refusal(error)


@app.exception_handler(RequestValidationError)
async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return await _refused(request, api.explain(error.errors()))


@app.exception_handler(HTTPException)
async def _unknown(request: Request, error: HTTPException) -> Response:
    return await _refused(request, api.ApiError(error.status_code, str(error.detail)))


@app.exception_handler(Exception)
async def _failed(_: Request, error: Exception) -> Response:
    return refusal(api.ApiError(500, f"the server failed: {type(error).__name__}"))  # its message may hold a text


class Endpoint:
    """A replica: models, engine and routes."""

    def __init__(self, settings: EndpointSettings, keys: Mapping[str, str]) -> None:
        """`keys` are name by SHA-256; none: the endpoint is open."""
        torch.set_num_threads(max(1, int(settings.cpus_per_replica)))
        folders = {role: resolve_model(reference) for role, reference in settings.models.items()}
        self._settings = settings
        self._tokenizer, self._width = check_models(folders, settings.max_length)
        models = load_models(folders, settings.dtype, "cuda" if settings.gpus_per_replica > 0 else "cpu")
        engine = Engine(models, self._width, settings.slots, settings.max_length, drafts=settings.drafts)
        self._engine = AsyncEngine(engine)
        self._answers = Answers(settings, self._tokenizer, self._engine, end_tokens(self._tokenizer, models))
        self.gate, self.max_body_bytes = Gate(keys, settings.most_replicas), settings.max_body_bytes
        self._audit = AuditLog(settings.audit_log, settings.audit_text)
        self._metrics = Metrics()
        self.reconfigure({})

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take alphas and quotas, or what is given of them, for requests to come; the rest is the deployment's own.

        Serve calls this at the start and whenever `user_config` changes. Raises ValueError for what cannot be.
        """
        live = LiveSettings.model_validate(self._settings.live.model_dump() | (user_config or {}))
        self.gate.set_quotas(live.quotas)
        self._answers.alphas = Alphas(live.alpha, live.alpha_by_language)

    async def check_health(self) -> None:
        """Raises where the engine has died, so that Serve replaces the replica."""
        self._engine.raise_if_dead()

    @app.get("/health")
    async def health(self) -> Response:
        dead = self._engine.failure is not None
        return JSONResponse({"status": "engine died" if dead else "ok"}, 503 if dead else 200)

    @app.get("/", include_in_schema=False)
    async def root(self, request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/chat")

    @app.get("/chat", include_in_schema=False)
    async def page(self) -> Response:
        html, headers = chat_page()
        return HTMLResponse(html, headers=headers)

    @app.get("/metrics")
    async def metrics(self) -> Response:
        replica = serve.get_replica_context().replica_tag
        return PlainTextResponse(self._metrics.text(replica, self._answers.active))

    @app.get("/v1/models")
    async def models(self) -> Response:
        names = [self._settings.model_name, *self._settings.models]
        mix = self._answers.alphas.listed if self._settings.expert else {}
        return JSONResponse(api.model_list(names, self._settings.max_length, mix))

    @app.get("/tokenizer_info")
    async def tokenizer_info(self) -> Response:
        return JSONResponse(text.tokenizer_info(self._tokenizer, self._width, self._settings.max_length))

    @app.post("/tokenize")
    async def tokenize(self, body: api.TokenizeRequest) -> Response:
        if body.messages is not None:
            ids = self._answers.encode_chat(body.messages)
        else:
            api.check_unicode(body.prompt or "", "prompt")
            ids = list(self._tokenizer(body.prompt or "", add_special_tokens=body.add_special_tokens)["input_ids"])
        strings = {"token_strs": self._tokenizer.convert_ids_to_tokens(ids)} if body.return_token_strs else {}
        return JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": self._settings.max_length, **strings})

    @app.post("/detokenize")
    async def detokenize(self, body: api.DetokenizeRequest) -> Response:
        if max(body.tokens, default=0) >= self._width:
            raise api.ApiError(400, f"tokens: ids go from 0 to {self._width - 1}", "tokens")
        return JSONResponse({"prompt": self._answers.decode(body.tokens)})

    @app.post("/v1/completions")
    async def completions(self, request: Request, body: api.CompletionRequest) -> Response:
        head = self._head("cmpl", "text_completion", body)
        answers, close = self._open(request, body, head["id"], body.prompts, lambda: self._answers.for_completion(body))
        head |= self._alphas(head, answers, body.n)
        choices = [self._answers.completion_choice(index, answer, body) for index, answer in enumerate(answers)]
        if body.stream:
            return self._stream(head, body, answers, [], [choice.take for choice in choices], close)
        await self._finish(answers, body, close)
        found = [choice.take(answer.text) for choice, answer in zip(choices, answers, strict=True)]
        return JSONResponse(head | {"choices": found, "usage": _usage(answers, body.n)})

    @app.post("/v1/chat/completions")
    async def chat(self, request: Request, body: api.ChatRequest) -> Response:
        head = self._head("chatcmpl", "chat.completion.chunk" if body.stream else "chat.completion", body)
        asked = [[message.plain() for message in body.messages]]
        answers, close = self._open(request, body, head["id"], asked, lambda: self._answers.for_chat(body))
        head |= self._alphas(head, answers, body.n)
        choices = [self._answers.chat_choice(index, answer, body) for index, answer in enumerate(answers)]
        if body.stream:
            opening = [choice.opening() for choice in choices]
            return self._stream(head, body, answers, opening, [choice.delta for choice in choices], close)
        await self._finish(answers, body, close)
        found = [choice.whole(answer.text) for choice, answer in zip(choices, answers, strict=True)]
        return JSONResponse(head | {"choices": found, "usage": _usage(answers, body.n)})

    def _open(
        self, request: Request, body: Body, number: str, prompts: list[Any], make: Callable[[], list[Answer]]
    ) -> tuple[list[Answer], Callable[[int], None]]:
        """(answers to come, what to call with the status when they are over). Raises ApiError."""
        key, route = request.state.key, _route(request.scope)
        started, model = time.monotonic(), body.model or self._settings.model_name
        fields: dict[str, Any] = {"id": number, "key": key, "route": route, "model": model}
        try:
            body.check_supported()
            answers = make()
            reserved = sum(len(one.request.ids) for one in answers[:: body.n])
            reserved += sum(one.request.max_new_tokens for one in answers)
            self.gate.admit(key, reserved, started)
        except api.ApiError:
            request.state.asked = fields, prompts
            raise
        series = model.partition("@")[0]  # with alpha, clients could make any number of series
        fields |= self._alphas(fields, answers, body.n).get("proxy", {})

        closed = False

        def close(status: int) -> None:
            nonlocal closed
            if closed:
                return
            closed = True
            used = _usage(answers, body.n)
            self.gate.settle(key, reserved - used["total_tokens"])
            counts = {name: used[name] for name in ("prompt_tokens", "completion_tokens")}
            drafts = {name: sum(getattr(one.request, name) for one in answers) for name in ("drafted", "accepted")}
            self._metrics.count(route, series, status, **counts, **drafts)
            ends = [one.finish for one in answers]
            seconds = round(time.monotonic() - started, 3)
            texts = [one.text for one in answers]
            self._audit.write(prompts, texts, **fields, status=status, finish=ends, seconds=seconds, **counts)

        return answers, close

    def refused(self, scope: Any, error: api.ApiError) -> None:
        """Count and log a request that is answered with an error before any work, also one that was never read."""
        state, route = scope.get("state", {}), _route(scope)
        fields, prompts = state.get("asked", ({"key": state.get("key"), "route": route}, []))
        self._metrics.count(route, "", error.status)
        self._audit.write(prompts, [], **fields, status=error.status, code=error.code, param=error.param)

    async def _finish(self, answers: list[Answer], body: Body, close: Callable[[int], None]) -> None:
        status = 499  # the client hung up, if nothing else is known at the end
        try:
            await self._answers.finish(answers, body.stop)
            status = 200
        except Exception:
            status = 500
            raise
        finally:
            close(status)

    def _stream(
        self,
        head: dict[str, Any],
        body: Body,
        answers: list[Answer],
        opening: list[dict[str, Any]],
        takes: list[Callable[[str], dict[str, Any]]],
        close: Callable[[int], None],
    ) -> EventStream:
        shared = head | ({"usage": None} if body.include_usage else {})

        async def events() -> AsyncGenerator[str, None]:
            status = 499
            try:
                for first in opening:
                    yield _event(shared | {"choices": [first]})
                async with aclosing(self._answers.events(answers, body.stop, takes)) as chunks:
                    async for chunk in chunks:
                        yield _event(shared | {"choices": [chunk]})
                if body.include_usage:
                    yield _event(head | {"choices": [], "usage": _usage(answers, body.n)})
                yield "data: [DONE]\n\n"
                status = 200
            except Exception as error:  # the headers are out, so the status can no longer say it
                status = 500
                yield _event(api.ApiError(500, f"the server failed: {type(error).__name__}").body())
            finally:
                close(status)

        return EventStream(events(), lambda: close(499))  # counts only where `events` never began

    def _head(self, prefix: str, kind: str, body: Body) -> dict[str, Any]:
        name = body.model or self._settings.model_name
        return {"id": f"{prefix}-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": name}

    def _alphas(self, head: dict[str, Any], answers: list[Answer], n: int) -> dict[str, Any]:
        """The strengths that answers were admitted with, `n` to a prompt; none for a single model."""
        single = self._settings.expert is None or head["model"] in ROLES
        return {} if single else {"proxy": told([(one.request.weights[1], one.language) for one in answers[::n]])}


def _route(scope: Any) -> str:
    """As counters and the audit log name it; clients cannot add names."""
    path = path_of(scope)
    known = path in scope["app"].openapi()["paths"]  # made once and kept
    return path.removeprefix("/v1/").removeprefix("/") if known else "unknown"


def _usage(answers: list[Answer], n: int) -> dict[str, int]:
    """`n` answers in a row share a prompt, which counts once."""
    return api.usage(sum(len(one.request.ids) for one in answers[::n]), sum(one.tokens for one in answers))


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


_DEPLOYMENT: Any = serve.deployment(name="Endpoint")(serve.ingress(app)(Endpoint))


def build(args: EndpointSettings) -> serve.Application:
    """The application; its models are folders, hub ids or `store::step/fingerprint`.

    Keys are read from the file and the environment of whoever builds; their hashes go to the replicas.
    """
    keys = load_keys(args.keys_file, os.environ)
    Gate(keys).set_quotas(args.quotas)  # a wrong name is told before any replica starts
    scale: dict[str, Any] = {"num_replicas": args.replicas}
    if args.max_replicas is not None:
        scale = {
            "autoscaling_config": {
                "min_replicas": args.replicas,
                "max_replicas": args.max_replicas,
                "target_ongoing_requests": args.slots,  # beyond them requests wait for a slot
            }
        }
    deployment = _DEPLOYMENT.options(
        **scale,
        # Those without a slot wait in the engine, so no step runs half empty; bodies that come slowly hold places too.
        max_ongoing_requests=2 * args.slots + args.max_queued,
        max_queued_requests=args.max_queued,
        user_config=args.live.model_dump(),
        ray_actor_options=args.actor_options,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=2),
        health_check_period_s=5,
        graceful_shutdown_timeout_s=args.drain_s,
    )
    return deployment.bind(args, keys)

"""Bodies of the OpenAI API: what is accepted, what is answered. Pure.

Unknown fields are accepted and ignored, as clients send many; a known one that would change the answer and is not
implemented is refused.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from apollo_ray.errors import UserError
from apollo_ray.serve.engine import Score
from apollo_ray.serve.text import Decode, token_text

NOTICE = "not a medical device"

MAX_CHOICES = 128
"""Prompts times n in one request."""

UNSUPPORTED: dict[str, Any] = {
    "best_of": 1,
    "frequency_penalty": 0,
    "functions": [],
    "guided_choice": [],
    "guided_json": None,
    "guided_regex": None,
    "logit_bias": {},
    "min_p": 0,
    "min_tokens": 0,
    "presence_penalty": 0,
    "prompt_logprobs": None,
    "repetition_penalty": 1,
    "response_format": {"type": "text"},
    "stop_token_ids": [],
    "structured_outputs": None,
    "suffix": "",
    "tools": [],
}
"""Parameters that would change the answer -> the value at which they do not."""


class ApiError(Exception):
    """An answer other than 200, in OpenAI's shape."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    def body(self) -> dict[str, Any]:
        """{"error": {...}}"""
        kind = {401: "authentication_error", 404: "not_found_error"}.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def _as_list(value: Any) -> Any:
    values = [value] if isinstance(value, str) else value
    return [item for item in values if item] if isinstance(values, list) else values


class _Sampling(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=-1)] = 0  # 0 and -1: off
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] = 1
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[list[str], BeforeValidator(_as_list), Field(max_length=16)] = []
    stream: bool = False
    stream_options: dict[str, Any] = {}
    ignore_eos: bool = False

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options.get("include_usage"))

    def check_supported(self) -> None:
        """Raises ApiError 400 naming the first parameter that is not implemented."""
        for name, value in (self.model_extra or {}).items():
            if name in UNSUPPORTED and value not in (None, False, "", [], {}) and value != UNSUPPORTED[name]:
                raise ApiError(400, f"parameter {name!r} is not supported", name, "unsupported_parameter")
        if self.stream and self.n > 1:
            raise ApiError(400, "parameter 'n' above 1 is not supported with stream", "n", "unsupported_parameter")


class CompletionRequest(_Sampling):
    """POST /v1/completions"""

    prompt: str | list[int] | list[str] | list[list[int]]
    max_tokens: Annotated[int, Field(ge=0)] = 16
    logprobs: Annotated[int, Field(ge=0, le=100)] | None = None
    echo: bool = False

    @property
    def prompts(self) -> list[str | list[int]]:
        """One or more prompts, each a text or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        numbers = [item for item in self.prompt if isinstance(item, int)]
        return [numbers] if numbers else [item for item in self.prompt if not isinstance(item, int)]

    def check_supported(self) -> None:
        super().check_supported()
        if not self.prompts or len(self.prompts) * self.n > MAX_CHOICES:
            raise ApiError(400, f"prompt: 1 to {MAX_CHOICES} prompts times n in one request", "prompt")
        if self.max_tokens == 0 and not self.echo:
            raise ApiError(400, "max_tokens 0 needs echo", "max_tokens")
        if self.stream:
            for name, given in (("echo", self.echo), ("logprobs", self.logprobs is not None)):
                if given:
                    raise ApiError(
                        400, f"parameter {name!r} is not supported with stream", name, "unsupported_parameter"
                    )
            if len(self.prompts) > 1:
                raise ApiError(400, "more than one prompt is not supported with stream", "prompt")


class Message(BaseModel):
    """One turn; content in parts is joined, and only text parts are taken."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[dict[str, Any]]

    def plain(self) -> dict[str, str]:
        """{"role", "content"} as chat templates take them. Raises ApiError for a part that is no text."""
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, str):
            return {"role": role, "content": self.content}
        for part in self.content:
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise ApiError(400, "messages: only text content is supported", "messages", "unsupported_parameter")
        return {"role": role, "content": "".join(part["text"] for part in self.content)}


class ChatRequest(_Sampling):
    """POST /v1/chat/completions"""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0

    def check_supported(self) -> None:
        super().check_supported()
        if self.stream and self.logprobs:
            raise ApiError(
                400, "parameter 'logprobs' is not supported with stream", "logprobs", "unsupported_parameter"
            )

    @property
    def limit(self) -> int | None:
        """Tokens to generate at most; None: as many as there is room for."""
        return self.max_completion_tokens or self.max_tokens


class TokenizeRequest(BaseModel):
    """POST /tokenize: ids of a text or of a chat's prompt."""

    prompt: str | None = None
    messages: list[Message] | None = None
    add_special_tokens: bool = True

    @model_validator(mode="after")
    def _check(self) -> "TokenizeRequest":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class DetokenizeRequest(BaseModel):
    """POST /detokenize: text of ids."""

    tokens: list[Annotated[int, Field(ge=0)]]


def explain(errors: Sequence[Any]) -> ApiError:
    """400 for a body that pydantic refused. Values stay out of it: they can hold a prompt."""
    places = [".".join(str(part) for part in error["loc"] if part != "body") for error in errors]
    lines = [f"{place}: {error['msg']}" for place, error in zip(places, errors, strict=True)]
    return ApiError(400, "; ".join(lines[:5]), places[0].split(".")[0] or None)


def from_user_error(error: UserError, param: str) -> ApiError:
    """400 with the message that OpenAI clients recognise where a prompt is too long."""
    code = "context_length_exceeded" if "maximum context length" in str(error) else None
    return ApiError(400, str(error), param, code)


def completion_logprobs(
    tokens: Sequence[int], scores: Sequence[Score | None], offsets: Sequence[int], alternatives: int, decode: Decode
) -> dict[str, Any]:
    """`logprobs` of a completion: four lists, an entry a token; the first token of a prompt has no score (null)."""
    top: list[dict[str, float] | None] = []
    for token, score in zip(tokens, scores, strict=True):
        if score is None:
            top.append(None)
            continue
        named: dict[str, float] = {}
        for other, logprob in [*score.top[:alternatives], *_chosen(token, score, alternatives)]:
            text = token_text(decode, other)
            named[f"token_id:{other}" if text in named else text] = logprob
        top.append(named)
    return {
        "tokens": [token_text(decode, token) for token in tokens],
        "token_logprobs": [None if score is None else score.logprob for score in scores],
        "top_logprobs": top if alternatives else None,
        "text_offset": list(offsets),
    }


def chat_logprobs(tokens: Sequence[int], scores: Sequence[Score], alternatives: int, decode: Decode) -> dict[str, Any]:
    """`logprobs` of a chat choice."""

    def entry(token: int, logprob: float) -> dict[str, Any]:
        text = decode([token])
        whole = token_text(decode, token) == text
        return {"token": token_text(decode, token), "logprob": logprob, "bytes": list(text.encode()) if whole else None}

    content = [
        entry(token, score.logprob) | {"top_logprobs": [entry(*pair) for pair in score.top[:alternatives]]}
        for token, score in zip(tokens, scores, strict=True)
    ]
    return {"content": content, "refusal": None}


def _chosen(token: int, score: Score, alternatives: int) -> list[tuple[int, float]]:
    return [] if any(token == other for other, _ in score.top[:alternatives]) else [(token, score.logprob)]


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Tokens in and out; an end token counts."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def model_list(names: Sequence[str], max_length: int, alpha: float) -> dict[str, Any]:
    """GET /v1/models; the first name is the ensemble's."""
    entries = [
        {"id": name, "object": "model", "created": 0, "owned_by": "apollo_ray", "max_model_len": max_length}
        for name in names
    ]
    entries[0] |= {"alpha": alpha}
    return {"object": "list", "data": [entry | {"notice": NOTICE} for entry in entries]}

"""Bodies of the OpenAI API: what is accepted and what is refused. Pure.

No field is ignored in silence: one that is neither known, nor harmless, nor at a value that changes nothing is refused
by name.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from apollo_ray.errors import UserError
from apollo_ray.serve.settings import MAX_ALPHA

NOTICE = "not a medical device"

MAX_CHOICES = 128
"""Prompts times n in one request."""

MAX_BIASES = 1024
"""Tokens in one logit_bias."""

HARMLESS = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prediction",
        "priority",
        "prompt_cache_key",
        "prompt_cache_retention",
        "request_id",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
"""Fields that say nothing about the answer; any value is accepted."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "add_generation_prompt": (True,),
    "add_special_tokens": (True,),
    "allowed_token_ids": ([],),
    "bad_words": ([],),
    "best_of": (1,),
    "chat_template_kwargs": ({},),
    "continue_final_message": (False,),
    "detokenize": (True,),
    "early_stopping": (False,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "guided_choice": ([],),
    "guided_json": (),
    "guided_regex": ("",),
    "include_stop_str_in_output": (False,),
    "length_penalty": (1,),
    "min_tokens": (0,),
    "modalities": (["text"],),
    "prompt_logprobs": (),
    "response_format": ({"type": "text"},),
    "return_tokens_as_token_ids": (False,),
    "skip_special_tokens": (True,),
    "spaces_between_special_tokens": (True,),
    "structured_outputs": ({},),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "truncate_prompt_tokens": (),
    "typical_p": (1,),
    "use_beam_search": (False,),
}
"""Known fields that are not implemented -> the values, besides null, at which they change nothing."""


class ApiError(Exception):
    """An answer other than 200, in OpenAI's shape. `retry_after` is in seconds."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """{"error": {...}}"""
        kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = "server_error" if self.status >= 500 else kinds.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def _as_list(value: Any) -> Any:
    values = [value] if isinstance(value, str) else value
    return [item for item in values if item] if isinstance(values, list) else values


class Proxy(BaseModel):
    """The one extension of OpenAI's bodies, under the key `proxy`."""

    model_config = ConfigDict(extra="forbid")

    alpha: Annotated[float, Field(ge=-MAX_ALPHA, le=MAX_ALPHA)] | None = None  # instead of the deployment's
    attribution: bool = False  # of each new token: what base, expert and anti-expert alone made of it


class StreamOptions(BaseModel):
    """What a stream carries besides text."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    include_obfuscation: bool = False  # accepted: padding against listeners is TLS's business here


class _Sampling(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=-1)] = 0  # 0 and -1: off
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] = 1
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10)] = 1.0  # far below, logits overflow
    logit_bias: Annotated[
        dict[Annotated[int, Field(ge=0)], Annotated[float, Field(ge=-100, le=100)]], Field(max_length=MAX_BIASES)
    ] = {}
    stop: Annotated[list[str], BeforeValidator(_as_list), Field(max_length=16)] = []
    stop_token_ids: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=64)] = []
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    ignore_eos: bool = False
    proxy: Proxy = Proxy()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    @property
    def include_usage(self) -> bool:
        return self.stream_options.include_usage

    def check_supported(self) -> None:
        """Raises ApiError 400 naming the first field that could not be honoured."""
        for name, value in (self.model_extra or {}).items():
            if name in HARMLESS or any(type(value) is type(one) and value == one for one in NEUTRAL.get(name, ())):
                continue
            if name in NEUTRAL:
                raise ApiError(400, f"parameter {name!r} is not supported", name, "unsupported_parameter")
            near = difflib.get_close_matches(name, type(self).model_fields, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ApiError(400, f"parameter {name[:100]!r} is unknown{hint}", name[:100], "unknown_parameter")


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
        if self.top_logprobs and not self.logprobs:
            raise ApiError(400, "top_logprobs needs logprobs: true", "top_logprobs")
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            raise ApiError(400, "give either max_tokens or max_completion_tokens", "max_tokens")

    @property
    def limit(self) -> int | None:
        """Tokens to generate at most; None: as many as there is room for."""
        return self.max_completion_tokens or self.max_tokens


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str | None = None  # all share one tokenizer


class TokenizeRequest(_Strict):
    """POST /tokenize: ids of a text or of a chat's prompt."""

    prompt: str | None = None
    messages: list[Message] | None = None
    add_special_tokens: bool = True
    add_generation_prompt: Literal[True] = True
    return_token_strs: bool = False

    @model_validator(mode="after")
    def _check(self) -> "TokenizeRequest":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class DetokenizeRequest(_Strict):
    """POST /detokenize: text of ids."""

    tokens: list[Annotated[int, Field(ge=0)]]


def explain(errors: Sequence[Any]) -> ApiError:
    """400 for a body that pydantic refused. Values stay out of it: they can hold a prompt."""
    places = [".".join(str(part) for part in error["loc"] if part != "body") for error in errors]
    lines = [f"{place}: {error['msg']}" for place, error in zip(places, errors, strict=True)]
    param = places[0] if places[0].startswith("proxy.") else places[0].split(".")[0]
    return ApiError(400, "; ".join(lines[:5]), param or None)


def check_unicode(content: str, param: str) -> None:
    """Raises ApiError 400 for half of a surrogate pair, which JSON can hold and tokenizers cannot."""
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise ApiError(400, f"{param}: character {error.start} is half of a surrogate pair", param) from None


def from_user_error(error: UserError, param: str) -> ApiError:
    """400 with the message that OpenAI clients recognise where a prompt is too long."""
    code = "context_length_exceeded" if "maximum context length" in str(error) else None
    return ApiError(400, str(error), param, code)


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Tokens in and out; an end token counts."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def model_list(names: Sequence[str], max_length: int, mix: Mapping[str, Any]) -> dict[str, Any]:
    """GET /v1/models; the first name is the ensemble's, with its `mix`: alphas, where there is an expert."""
    entries = [
        {"id": name, "object": "model", "created": 0, "owned_by": "apollo_ray", "max_model_len": max_length}
        for name in names
    ]
    entries[0] |= mix
    return {"object": "list", "data": [entry | {"notice": NOTICE} for entry in entries]}

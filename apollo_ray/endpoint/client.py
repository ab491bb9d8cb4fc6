"""An OpenAI-compatible endpoint by its address, for the commands that talk to one. Knows nothing of what serves it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import openai

from apollo_ray.errors import ServiceError

KEY_VARIABLES = ("APOLLO_API_KEY", "OPENAI_API_KEY")
"""Environment variables of the key, the first that is set."""


def is_address(text: str) -> bool:
    """Whether a word of the command line is an endpoint rather than a file."""
    return text.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Reply:
    """A status and what came with it as JSON, or as text where it was none."""

    status: int
    body: Any

    @property
    def message(self) -> str:
        """What an error says."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        told = error.get("message") if isinstance(error, dict) else error or self.body
        return str(told)[:300]


class Endpoint:
    """`address` with or without /v1 at its end. Lost connections, 429 and 5xx are tried again by openai's client."""

    def __init__(self, address: str, key: str | None = None, timeout_s: float = 120.0, retries: int = 2) -> None:
        """`key`: else that of the environment, else none."""
        self.root = address.rstrip("/").removesuffix("/v1")
        found = key or next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)
        self.has_key = found is not None
        self._client = openai.OpenAI(
            base_url=self.root, api_key=found or "none", timeout=timeout_s, max_retries=retries
        )

    def ask(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Reply:
        """The reply to a POST of `body`, or to a GET; `key` instead of the endpoint's own.

        Raises ServiceError where nothing answers.
        """
        client = self._client if key is None else self._client.with_options(api_key=key, max_retries=0)
        try:
            if body is None:
                return Reply(200, client.get(path, cast_to=object))
            return Reply(200, client.post(path, body=dict(body), cast_to=object))
        except openai.APIStatusError as error:
            return _refused(error)
        except openai.APIConnectionError as error:
            raise ServiceError(f"{self.root} does not answer: {error.__cause__ or error}") from error

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[Any]:
        """The chunks of a streamed answer as they come; closing it early ends the answer.

        Raises RefusedError for any other status than 200 and for an error within the stream, ServiceError where the
        connection is lost.
        """
        sent, trouble = {**body, "stream": True}, "does not answer"
        try:
            with closing(
                self._client.post(path, body=sent, cast_to=object, stream=True, stream_cls=openai.Stream[object])
            ) as chunks:
                trouble = "broke the answer off"
                yield from chunks
        except openai.APIStatusError as error:
            raise RefusedError(_refused(error)) from error
        except openai.APIConnectionError as error:
            raise ServiceError(f"{self.root} {trouble}: {error.__cause__ or error}") from error
        except openai.APIError as error:  # openai's class for an error that arrives as a chunk
            raise RefusedError(Reply(500, {"error": {"message": error.message}})) from error
        except Exception as error:  # within a stream openai 2 lets through what its HTTP library raises
            if not type(error).__module__.startswith("httpx"):
                raise
            raise ServiceError(f"{self.root} {trouble}: {error}") from error


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status}: {reply.message}")
        self.reply = reply


def _refused(error: openai.APIStatusError) -> Reply:
    try:
        return Reply(error.status_code, error.response.json())
    except ValueError:
        return Reply(error.status_code, error.response.text)

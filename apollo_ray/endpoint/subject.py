"""What the checks of an endpoint ask, and how: one model by name, texts in six languages, answers whole or streamed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from apollo_ray.endpoint.client import RefusedError, Reply

TEXTS = {
    "en": "The child has had a fever of 39.5 °C for three days and drinks little.",
    "zh": "孩子发热三天，体温39.5℃，饮水很少，应当注意脱水。",
    "hi": "बच्चे को तीन दिन से 39.5 °C बुखार है और वह कम पानी पीता है।",
    "es": "El niño tiene fiebre de 39,5 °C desde hace tres días y bebe poca agua.",
    "fr": "L'enfant a de la fièvre à 39,5 °C depuis trois jours et boit très peu.",
    "ar": "يعاني الطفل من حمى 39.5 درجة منذ ثلاثة أيام ويشرب القليل من الماء.",
}
"""A sentence in each language, written for this."""

MARK = "\ufffd"
"""What stands for bytes that are no whole character."""

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"


class SkipError(Exception):
    """A check that does not apply here, and why."""


class FaultError(Exception):
    """What a check found wrong."""


def demand(holds: bool, found: str) -> None:
    """Raises FaultError with what was found, unless it `holds`."""
    if not holds:
        raise FaultError(found)


class Asked(Protocol):
    """What is needed of an endpoint."""

    has_key: bool

    def ask(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Reply:
        """The reply, whatever its status."""

    def stream(self, path: str, body: Mapping[str, Any]) -> Iterator[Any]:
        """Chunks as they come; raises RefusedError."""


@dataclass
class Subject:
    """One model of an endpoint."""

    endpoint: Asked
    model: str
    listed: list[dict[str, Any]] = field(default_factory=list)  # of /v1/models

    @property
    def entry(self) -> dict[str, Any]:
        """What the list says of the model; "ensemble@0.5" stands there as "ensemble"."""
        name = self.model.partition("@")[0]
        return next((one for one in self.listed if one.get("id") in (self.model, name)), {})

    @property
    def ours(self) -> bool:
        """Whether `apollo serve` is behind it, whose promises go beyond OpenAI's."""
        return self.entry.get("owned_by") == "apollo_ray"

    @property
    def mixed(self) -> bool:
        """Whether the model is an ensemble of ours: a deployment of a base alone lists no alpha."""
        return self.ours and "alpha" in self.entry

    def get(self, path: str) -> Any:
        """JSON of a route that servers may lack. Raises SkipError, or RefusedError for any other trouble."""
        return self._optional(path, self.endpoint.ask(path))

    def post(self, path: str, **body: Any) -> Any:
        """As `get`."""
        return self._optional(path, self.endpoint.ask(path, {"model": self.model, **body}))

    @staticmethod
    def _optional(path: str, reply: Reply) -> Any:
        if reply.status in (404, 405, 501):
            raise SkipError(f"the server has no {path}")
        if reply.status != 200:
            raise RefusedError(reply)
        return reply.body

    def tokens(self, text: str, special: bool = False) -> list[int]:
        """Ids of a text by the server's own /tokenize. Raises SkipError."""
        found: list[int] = self.post("/tokenize", prompt=text, add_special_tokens=special)["tokens"]
        return found

    @cached_property
    def prompt(self) -> str | list[list[int]]:
        """Of a few dozen tokens: as ids in a list of one, as lm-eval sends them, or as text where nothing tokenises."""
        try:
            return [[token for lang in ("en", "zh", "es") for token in self.tokens(TEXTS[lang])]]
        except SkipError:
            return " ".join(TEXTS[lang] for lang in ("en", "zh", "es"))

    @property
    def ids(self) -> list[int]:
        """`prompt` as ids. Raises SkipError."""
        if isinstance(self.prompt, str):
            raise SkipError("the server has no /tokenize")
        return self.prompt[0]

    def complete(self, prompt: Any = None, **body: Any) -> dict[str, Any]:
        """A completion's body. Raises RefusedError."""
        return self._ask(COMPLETIONS, {"prompt": self.prompt if prompt is None else prompt, **body})

    def chat(self, text: str, **body: Any) -> dict[str, Any]:
        """A chat answer's body. Raises RefusedError, or SkipError where the server has no chat for this model."""
        try:
            return self._ask(CHAT, {"messages": [{"role": "user", "content": text}], **body})
        except RefusedError as error:
            if not self.ours and error.reply.status in (400, 404):
                raise SkipError(f"the server does not chat with this model: {error}") from error
            raise

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = self.endpoint.ask(path, {"model": self.model, **body})
        if reply.status != 200:
            raise RefusedError(reply)
        found: dict[str, Any] = reply.body
        return found

    def echoed(self, prompt: Any = None, top: int = 1, model: str | None = None) -> dict[str, list[Any]]:
        """`logprobs` of a prompt and one greedy token after it, in the very words of lm-eval."""
        asked = {"max_tokens": 1, "temperature": 0, "logprobs": top, "echo": True, "seed": 1234}
        body = self.complete(prompt, **asked, **({"model": model} if model else {}))
        found: dict[str, list[Any]] = body["choices"][0]["logprobs"]
        return found

    def stream(self, prompt: Any = None, **body: Any) -> tuple[list[str], dict[str, Any]]:
        """(pieces of text, the last choice with the usage) of a streamed completion."""
        asked = {"model": self.model, "prompt": self.prompt if prompt is None else prompt, **body}
        return self._joined(COMPLETIONS, asked, lambda choice: choice.get("text"))

    def stream_chat(self, text: str, **body: Any) -> tuple[list[str], dict[str, Any]]:
        """The same of a chat."""
        asked = {"model": self.model, "messages": [{"role": "user", "content": text}], **body}
        return self._joined(CHAT, asked, lambda choice: choice.get("delta", {}).get("content"))

    def _joined(self, path: str, body: dict[str, Any], text: Any) -> tuple[list[str], dict[str, Any]]:
        pieces: list[str] = []
        last: dict[str, Any] = {}
        for chunk in self.endpoint.stream(path, body | {"stream_options": {"include_usage": True}}):
            for choice in chunk["choices"]:
                pieces.append(text(choice) or "")
                last["finish_reason"] = choice.get("finish_reason") or last.get("finish_reason")
            last["usage"] = chunk.get("usage") or last.get("usage")
        return pieces, last

    def forced(self, lang: str, **body: Any) -> dict[str, Any]:
        """Fields with which a model writes in the letters of a language, whatever it knows: a bias to those tokens."""
        bias = {str(token): 100 for token in self.tokens(TEXTS[lang])}
        return {"logit_bias": bias, "max_tokens": 32, "temperature": 1, "seed": 11, **body}

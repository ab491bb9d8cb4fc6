"""A conversation with one model of an endpoint, and the commands that steer it. Neither reads nor prints anything."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from apollo_ray.endpoint.client import Endpoint, RefusedError
from apollo_ray.errors import UserError

HELP = """/model [NAME]   the models, or another one; the conversation goes on with it
/alpha [X|off]  strength of the expert from here on; off: the server's own
/attribution    on or off: how far each token is from the base alone
/reset          forget the conversation
/quit           end, as Ctrl-D does; Ctrl-C ends an answer"""

SWITCH = {"": None, "on": True, "off": False}


@dataclass(frozen=True)
class Part:
    """A piece of an answer and the tokens that it settled, with attribution if that was asked for."""

    text: str
    tokens: Sequence[dict[str, Any]] = ()

    @property
    def divergence(self) -> float:
        """Largest of its tokens' distances from the base, KL in nats."""
        return max((token["divergence"] for token in self.tokens), default=0.0)


@dataclass
class Conversation:
    """What was said so far. A question counts once its answer is whole: one that failed or was ended is forgotten."""

    endpoint: Endpoint
    model: str = ""
    alpha: float | None = None  # None: the server's own
    attribution: bool = False
    messages: list[dict[str, str]] = field(default_factory=list)
    made_with: dict[str, Any] = field(default_factory=dict)  # alpha and language of the last answer, if told

    def __post_init__(self) -> None:
        """Raises UserError where the endpoint has no such model or refuses the key."""
        reply = self.endpoint.ask("/v1/models")
        if reply.status != 200:
            raise UserError(f"{self.endpoint.root}: {reply.status}: {reply.message}")
        self._listed = {entry["id"]: entry for entry in reply.body["data"]}
        self.model = self.model or next(iter(self._listed))
        self._check(self.model)

    @property
    def models(self) -> list[str]:
        """Names that the endpoint lists."""
        return list(self._listed)

    @property
    def mixed(self) -> bool:
        """Whether the model has an alpha: an ensemble of `apollo serve`."""
        return "alpha" in self._listed.get(self.model, {})

    def ask(self, question: str) -> Generator[Part]:
        """The answer as it comes; closing the iterator early ends it at the server.

        Raises UserError where the server refuses the question, ServiceError where it is gone.
        """
        messages = [*self.messages, {"role": "user", "content": question}]
        body: dict[str, Any] = {"model": self.model, "messages": messages, "temperature": 0}
        if self.mixed:
            body["proxy"] = {"alpha": self.alpha, "attribution": self.attribution}
        whole = ""
        try:
            for chunk in self.endpoint.stream("/v1/chat/completions", body):
                self.made_with = chunk.get("proxy") or {}
                for choice in chunk["choices"]:
                    part = Part(choice["delta"].get("content") or "", choice.get("proxy", {}).get("attribution", ()))
                    whole += part.text
                    if part.text or part.tokens:
                        yield part
        except RefusedError as error:
            hint = "; /reset forgets what was said before" if self.messages else ""
            raise UserError(f"the server refuses: {error.reply.message}{hint}") from error
        self.messages = [*messages, {"role": "assistant", "content": whole}]

    def command(self, line: str) -> str | None:
        """Do what a line that starts with / says; what to tell the user, or None: to end. Raises UserError."""
        name, _, value = line.strip().partition(" ")
        value = value.strip()
        match name:
            case "/quit" | "/exit":
                return None
            case "/help":
                return HELP
            case "/reset":
                self.messages = []
                return "forgotten"
            case "/model":
                return self._set_model(value)
            case "/alpha":
                return self._set_alpha(value)
            case "/attribution":
                return self._set_attribution(value)
        raise UserError(f"no command {name!r}; /help lists them")

    def _check(self, name: str) -> None:
        head, _, alpha = name.partition("@")
        if name not in self._listed and not (alpha and "alpha" in self._listed.get(head, {})):
            raise UserError(f"no model {name!r}; there are: {', '.join(self._listed)}")

    def _set_model(self, value: str) -> str:
        if value:
            self._check(value)
            self.model = value
        return ", ".join(
            f"[{name}]" if name == self.model else name for name in dict.fromkeys([*self._listed, self.model])
        )

    def _set_alpha(self, value: str) -> str:
        if not self.mixed:
            raise UserError(f"model {self.model!r} has no alpha of its own to change")
        if value == "off":
            self.alpha = None
        elif value:
            try:
                self.alpha = float(value)
            except ValueError:
                raise UserError(f"/alpha takes a number or off, not {value!r}") from None
        entry = self._listed[self.model]
        if self.alpha is not None:
            return f"alpha {self.alpha:g}"
        by_language = "".join(f", {lang} {alpha:g}" for lang, alpha in entry.get("alpha_by_language", {}).items())
        return f"alpha {entry['alpha']:g}, the server's own{by_language}"

    def _set_attribution(self, value: str) -> str:
        if value not in SWITCH:
            raise UserError(f"/attribution takes on or off, not {value!r}")
        if not self.mixed:
            raise UserError(f"model {self.model!r} has no parts to tell of")
        wanted = SWITCH[value]
        self.attribution = not self.attribution if wanted is None else wanted
        return f"attribution {'on' if self.attribution else 'off'}"

"""What is asked of a model and what comes back, wherever it runs: an endpoint or this run's own workers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from apollo_ray.kept import Kept, key_of

REFUSED = "refused_by_endpoint"
TOO_LONG = "too_long"
UNUSABLE = "unusable_logprobs"

FOLDER = "answers"
"""Of the store, where replies are kept."""


@dataclass(frozen=True)
class Call:
    """One thing to ask of one model: to score texts that follow a prompt, or to go on from it."""

    model: str
    kind: Literal["score", "generate", "chat"]
    prompt: str  # of chat: the user's turn alone
    continuations: tuple[str, ...] = ()  # of score
    stop: tuple[str, ...] = ()
    max_tokens: int = 0

    def key(self, identity: Any) -> str:
        """`identity` tells what answers under the model's name."""
        return key_of(identity, self.kind, self.prompt, self.continuations, self.stop, self.max_tokens)


class Tokens(NamedTuple):
    """Of a text's tokens under a model. Means are null where nobody told."""

    number: int
    choices: tuple[str | int, ...] = ()  # the likeliest token at each place, by its text or id; empty: nobody told
    entropy: float | None = None  # mean over places, nats
    divergence: float | None = None  # mean over places of KL(ensemble || its base), nats


class Scored(NamedTuple):
    """A continuation: natural log of its probability, summed over its tokens."""

    logprob: float
    tokens: Tokens


@dataclass(frozen=True)
class Reply:
    """To a call: `scores` of its continuations in order, or `text`; or the reason (`problem`) why there is neither."""

    scores: tuple[Scored, ...] = ()
    text: str | None = None
    tokens: Tokens | None = None  # of `text`
    problem: str | None = None
    detail: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


def reply_of(value: dict[str, Any]) -> Reply:
    """What `as_json` wrote, after JSON has made lists of tuples."""
    scores = tuple(Scored(logprob, _tokens(tokens)) for logprob, tokens in value.get("scores", ()))
    return Reply(**(value | {"scores": scores, "tokens": _tokens(value["tokens"]) if "tokens" in value else None}))


def _tokens(values: Sequence[Any]) -> Tokens:
    number, choices, *means = values
    return Tokens(number, tuple(choices), *means)


class Answers:
    """Replies in the store. A refusal is none: it is asked again, since what refused may have been mended."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def known(self, keys: Sequence[str]) -> dict[str, Reply]:
        """Those of `keys` that there is a reply for."""
        found = zip(keys, self._kept.get_many(keys), strict=True)
        return {key: reply_of(value) for key, value in found if value is not None}

    def keep(self, key: str, reply: Reply) -> None:
        if reply.problem is None:
            self._kept.put(key, reply.as_json())

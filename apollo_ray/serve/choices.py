"""What an answer looks like in a body: a choice with its text, log-probabilities and attribution. Pure.

A choice is taken in one piece or, in a stream, in many: a piece has what is new since the last one, so the pieces of a
stream join to the whole by construction.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from apollo_ray.serve import api
from apollo_ray.serve.engine import Request, Score
from apollo_ray.serve.sampling import Source
from apollo_ray.tokens import Decode, Offsets, lead, text_offsets, token_text


class Answering(Protocol):
    """What a choice is made of."""

    request: Request
    added: int
    tokens: int
    finish: str | None


class _Choice:
    """Keeps how many of the answer's tokens are out."""

    def __init__(self, index: int, answer: Answering, decode: Decode) -> None:
        self._index, self._answer, self._decode = index, answer, decode
        self._out = 0

    def _fresh(self) -> slice:
        """The tokens that count by now and are not out yet."""
        start, self._out = self._out, self._answer.tokens
        return slice(start, self._out)

    def _with_sources(self, choice: dict[str, Any], fresh: slice) -> dict[str, Any]:
        request = self._answer.request
        if not request.attribution:
            return choice
        entries = attribution(request.output[fresh], request.output_sources[fresh], self._decode)
        return choice | {"proxy": {"attribution": entries}}


class CompletionChoice(_Choice):
    """One of a completion's `choices`. Offsets count from the start of its text, so from the prompt's if echoed."""

    def __init__(
        self, index: int, answer: Answering, body: api.CompletionRequest, decode: Decode, visible: Decode
    ) -> None:
        super().__init__(index, answer, decode)
        self._logprobs = body.logprobs
        prompt = answer.request.ids[answer.added :]
        self._echo: str | None = decode(prompt) if body.echo else None
        before = lead(visible, answer.request.ids)
        self._offsets = Offsets(visible, len(self._echo or "") - len(visible(before)))
        for token in before:
            self._offsets.push(token)

    def take(self, piece: str) -> dict[str, Any]:
        """The answer's next piece of text and all that belongs to it; the prompt is in the first one."""
        answer, echo = self._answer, self._echo
        request, self._echo = answer.request, None
        fresh = self._fresh()
        logprobs = None
        if self._logprobs is not None:
            tokens = request.output[fresh]
            scores: list[Score | None] = [*request.output_scores[fresh]]
            offsets = [self._offsets.push(token) for token in tokens]
            if echo is not None:
                offsets = [0] * answer.added + text_offsets(self._decode, request.ids[answer.added :]) + offsets
                tokens = request.ids + tokens
                scores = [None, *request.prompt_scores, *scores]
            logprobs = completion_logprobs(tokens, scores, offsets, self._logprobs, self._decode)
        whole = (echo or "") + piece
        choice = {"index": self._index, "text": whole, "logprobs": logprobs, "finish_reason": answer.finish}
        return self._with_sources(choice, fresh)


class ChatChoice(_Choice):
    """One of a chat's `choices`."""

    def __init__(self, index: int, answer: Answering, body: api.ChatRequest, decode: Decode) -> None:
        super().__init__(index, answer, decode)
        self._top = body.top_logprobs if body.logprobs else None

    def opening(self) -> dict[str, Any]:
        """The first chunk of a stream: who speaks."""
        delta = {"role": "assistant", "content": "", "refusal": None}
        return {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": None}

    def delta(self, piece: str) -> dict[str, Any]:
        """A chunk of a stream."""
        return self._take({"delta": {"content": piece} if piece else {}})

    def whole(self, content: str) -> dict[str, Any]:
        """The answer in one piece."""
        return self._take({"message": {"role": "assistant", "content": content, "refusal": None}})

    def _take(self, said: dict[str, Any]) -> dict[str, Any]:
        request, fresh = self._answer.request, self._fresh()
        logprobs = None
        if self._top is not None:
            logprobs = chat_logprobs(request.output[fresh], request.output_scores[fresh], self._top, self._decode)
        choice = {"index": self._index, **said, "logprobs": logprobs, "finish_reason": self._answer.finish}
        return self._with_sources(choice, fresh)


def attribution(tokens: Sequence[int], sources: Sequence[Source], decode: Decode) -> list[dict[str, Any]]:
    """An entry a token: natural log-probabilities under each model alone, and at its place KL(mix || base), entropy."""
    return [
        {"token": token_text(decode, token), "token_id": token, **found._asdict()}
        for token, found in zip(tokens, sources, strict=True)
    ]


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

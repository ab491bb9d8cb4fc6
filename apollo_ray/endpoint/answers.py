"""Checks of how an endpoint's answers come and end: streams, stops, seeds, whole characters."""

from typing import Any

from apollo_ray.endpoint.client import RefusedError
from apollo_ray.endpoint.scores import end
from apollo_ray.endpoint.subject import MARK, TEXTS, SkipError, Subject, demand


def end_token(subject: Subject) -> str:
    """A token that ends answers ends one at once: the model's own, and one that the request names."""
    own = "the server names no end token;"
    try:
        token, number = end(subject)
    except SkipError:
        pass
    else:
        _ends_at_once(subject, f"the end token {token!r}", {str(number): 100})
        own = f"{token!r} ends an answer;"
    named = subject.tokens(TEXTS["en"])[0]
    try:
        _ends_at_once(subject, f"stop_token_ids [{named}]", {str(named): 100}, stop_token_ids=[named])
    except RefusedError as error:
        if subject.ours or error.reply.status not in (400, 422):
            raise
        return f"{own} stop_token_ids are refused"
    return f"{own} so does a token of stop_token_ids, with finish_reason stop"


def _ends_at_once(subject: Subject, what: str, bias: dict[str, int], **body: Any) -> None:
    answer = subject.complete(logit_bias=bias, max_tokens=8, temperature=0, **body)
    reason, used = answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]
    demand(reason == "stop" and used <= 1, f"{what} did not end an answer: {used} tokens, finish_reason {reason!r}")


def stop_strings(subject: Subject) -> str:
    """An answer ends before a stop string, whole and as a stream."""
    asked = subject.forced("en", temperature=0)
    text = subject.complete(**asked)["choices"][0]["text"]
    places = [at for at in range(1, len(text) - 1) if text.index(text[at : at + 2]) == at and text[at : at + 2].strip()]
    places = [at for at in places if MARK not in text[at : at + 2]]
    if not places:
        raise SkipError(f"the answer {text[:20]!r} has no place for a stop string")
    at = places[len(places) // 2]
    stop = text[at : at + 2]
    choice = subject.complete(**asked, stop=[stop])["choices"][0]
    demand(choice["text"] == text[:at], f"stop {stop!r} should leave {text[:at]!r}, and {choice['text']!r} came")
    demand(choice["finish_reason"] == "stop", f"finish_reason after a stop string is {choice['finish_reason']!r}")
    pieces, _ = subject.stream(**asked, stop=[stop])
    demand("".join(pieces) == text[:at], f"stop {stop!r} should leave {text[:at]!r}, and the stream is {pieces}")
    return f"{stop!r} ended an answer after {at} characters"


def streams(subject: Subject) -> str:
    """A stream's pieces join to the answer that comes in one piece, of a completion and of a chat."""
    asked: dict[str, Any] = {"max_tokens": 24, "temperature": 0, "seed": 7}
    whole = subject.complete(**asked)
    _compare("completion", whole, whole["choices"][0]["text"], *subject.stream(**asked))
    try:
        talk = subject.chat(TEXTS["en"], **asked)
    except SkipError as error:
        return f"a completion comes the same in pieces; {error}"
    _compare("chat", talk, talk["choices"][0]["message"]["content"] or "", *subject.stream_chat(TEXTS["en"], **asked))
    return "completions and chats come the same in pieces, with usage"


def _compare(what: str, whole: dict[str, Any], text: str, pieces: list[str], last: dict[str, Any]) -> None:
    demand("".join(pieces) == text, f"{what}: {text!r} in one piece, {''.join(pieces)!r} as a stream")
    reason = whole["choices"][0]["finish_reason"]
    demand(last["finish_reason"] == reason, f"{what}: finish_reason {last['finish_reason']!r} as a stream, {reason!r}")
    used = [(found or {}).get("total_tokens") for found in (last["usage"], whole["usage"])]
    demand(used[0] == used[1], f"{what}: usage counts {used[0]} tokens as a stream, {used[1]} in one piece")


def characters(subject: Subject) -> str:
    """In six languages no piece of a stream breaks a character that the whole answer has."""
    number = 0
    for lang, text in TEXTS.items():
        asked = subject.forced(lang)
        whole = subject.complete(text, **asked)["choices"][0]["text"].rstrip(MARK)
        pieces, _ = subject.stream(text, **asked)
        joined = "".join(pieces).rstrip(MARK)  # a server may keep back or show half a character at the end
        demand(joined == whole, f"{lang}: {whole!r} in one piece, {joined!r} as a stream of {len(pieces)}")
        number += len(pieces)
    return f"{number} pieces in {len(TEXTS)} languages, no character broken"


def seeds(subject: Subject) -> str:
    """A seed repeats an answer, and other seeds give other ones."""
    asked: dict[str, Any] = {"max_tokens": 16, "temperature": 2}
    one, again, *others = [subject.complete(**asked, seed=seed)["choices"][0]["text"] for seed in (5, 5, 6, 7, 8)]
    demand(one == again, f"seed 5 gave {one!r} and then {again!r}")
    demand(set(others) != {one}, "four seeds gave one answer at temperature 2")
    return f"a seed repeats its answer; 4 seeds gave {len({one, *others})} answers at temperature 2"

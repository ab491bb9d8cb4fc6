"""Checks that an endpoint refuses what it cannot do, in the form that OpenAI's clients understand."""

import secrets
from typing import Any

from apollo_ray.endpoint.client import Reply
from apollo_ray.endpoint.subject import COMPLETIONS, SkipError, Subject, demand


def _refused(reply: Reply, statuses: tuple[int, ...], what: str) -> str:
    """What the refusal says; it must be one of OpenAI's errors."""
    demand(reply.status in statuses, f"{what} is answered with {reply.status}, not {' or '.join(map(str, statuses))}")
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    demand(
        isinstance(error, dict) and isinstance(error.get("message"), str) and "type" in error,
        f"the refusal of {what} is not in OpenAI's form: {str(reply.body)[:100]}",
    )
    return reply.message


def long_prompts(subject: Subject) -> str:
    """One token more than the model takes is refused; a prompt is never cut in silence."""
    most = subject.entry.get("max_model_len")
    if not isinstance(most, int):
        raise SkipError("/v1/models tells no max_model_len")
    ids = subject.ids
    sent = (ids * (most // len(ids) + 1))[: most + 1]
    message = _refused(_post(subject, prompt=[sent], max_tokens=1), (400, 413), f"a prompt of {most + 1} tokens")
    fits = subject.complete([sent[: most - 1]], max_tokens=1)["usage"]["prompt_tokens"]
    demand(fits == most - 1, f"a prompt of {most - 1} tokens and 1 of answer counts as {fits}")
    return f"{most - 1} tokens are taken, {most + 1} refused: {message}"


def unknown_fields(subject: Subject) -> str:
    """A misspelt field is refused instead of ignored."""
    reply = _post(subject, prompt="a", max_tokens=1, temprature=0)
    if reply.status == 200 and not subject.ours:
        raise SkipError("the server ignores fields that it does not know, so misspelt ones go unnoticed")
    return _refused(reply, (400, 422), "a body with the field 'temprature'")


def unknown_models(subject: Subject) -> str:
    """A model that is not there is 404."""
    reply = _post(subject, model="no-such-model", prompt="a", max_tokens=1)
    return _refused(reply, (404,), "the model 'no-such-model'")


def wrong_keys(subject: Subject) -> str:
    """Where keys are asked for, a wrong one is 401."""
    wrong = f"wrong-{secrets.token_hex(8)}"
    reply = subject.endpoint.ask(COMPLETIONS, {"model": subject.model, "prompt": "a", "max_tokens": 1}, key=wrong)
    if reply.status == 200:
        given = ", and the key in your environment means nothing to it" if subject.endpoint.has_key else ""
        raise SkipError(f"the endpoint is open to anybody{given}")
    return _refused(reply, (401, 403), "a wrong key")


def _post(subject: Subject, **body: Any) -> Reply:
    return subject.endpoint.ask(COMPLETIONS, {"model": subject.model, **body})

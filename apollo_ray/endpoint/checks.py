"""`apollo doctor URL`: is an endpoint fit for evaluation, for chats and for programs? Each check asks and compares.

A check that cannot apply to a server, say of a route that it lacks, is skipped and says why; that is no failure.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from apollo_ray.checks import Check
from apollo_ray.endpoint import answers, limits, scores
from apollo_ray.endpoint.client import KEY_VARIABLES, RefusedError
from apollo_ray.endpoint.subject import Asked, FaultError, SkipError, Subject
from apollo_ray.errors import ServiceError

SCORING = "lm-eval and 'apollo run' need scores of the prompt: serve with an engine that gives echo with logprobs"
PAIR = "client and server must cut text alike: give the server the tokenizer that the model was trained with"

CHECKS: tuple[tuple[str, Callable[[Subject], str], str], ...] = (
    ("echo", scores.echo, SCORING),
    ("probabilities", scores.probabilities, "log-probabilities must be those of one softmax, before temperature"),
    ("scores", scores.scores, "prompts must be scored by the model that answers: no logits processor, no cut prompt"),
    ("tokenizer", scores.tokenizer, PAIR),
    ("tokenizer info", scores.tokenizer_info, PAIR),
    ("alpha 0", scores.alpha_zero, "the mix is wrong: compare versions of this package, here and at the server"),
    ("attribution", scores.attribution, "the mix is wrong: compare versions of this package, here and at the server"),
    ("end token", answers.end_token, "set eos_token_id in the model's generation_config.json"),
    ("stop strings", answers.stop_strings, "use another version of the server: answers would run on"),
    ("streams", answers.streams, "take answers without stream, or another version of the server"),
    ("characters", answers.characters, "take answers without stream, or another version of the server"),
    ("seeds", answers.seeds, "do not count on seeds: greedy answers (temperature 0) are what repeats"),
    ("long prompts", limits.long_prompts, "set the server's maximum length, and no truncation of prompts"),
    ("unknown fields", limits.unknown_fields, "use another version of the server: misspelt settings would go unseen"),
    ("unknown models", limits.unknown_models, "look at what stands before the server: it answers for any model"),
    ("wrong keys", limits.wrong_keys, "look at what stands before the server: its refusal must reach the client"),
)
"""Name, what it does (raises FaultError, SkipError or RefusedError; else says what it found), what helps."""


def check_endpoint(endpoint: Asked, model: str | None = None) -> Iterator[Check]:
    """One check at a time, as soon as it is known; of the first model that is listed, or `model`."""
    first, subject = _models(endpoint, model)
    yield first
    if subject is None:
        return
    for name, run, remedy in CHECKS:
        yield _judged(name, run, remedy, subject)


def _models(endpoint: Asked, model: str | None) -> tuple[Check, Subject | None]:
    check = Check("models", False, "", "give the address of an OpenAI-compatible server, as http://host:8000/v1")
    try:
        reply = endpoint.ask("/v1/models")
    except ServiceError as error:
        return replace(check, found=str(error)), None
    if reply.status in (401, 403):
        advice = f"set {' or '.join(KEY_VARIABLES)} in the environment"
        return replace(check, found=reply.message, remedy=advice), None
    listed = reply.body.get("data") if isinstance(reply.body, dict) else None
    names = [str(one.get("id")) for one in listed or [] if isinstance(one, dict)]
    if reply.status != 200 or not names:
        return replace(check, found=f"/v1/models lists none: {reply.status}, {reply.message}"), None
    subject = Subject(endpoint, model or names[0], listed or [])
    if not subject.entry:
        return replace(
            check, found=f"{model!r} is not among {', '.join(names)}", remedy="give --model one of them"
        ), None
    if subject.entry.get("alpha_by_language") and subject.model == subject.entry["id"]:
        # Parts of a text may be taken for other languages than the whole, and get other alphas.
        subject.model += f"@{subject.entry['alpha']}"
    return Check("models", True, f"{', '.join(names)}; the checks are of {subject.model!r}"), subject


def _judged(name: str, run: Callable[[Subject], str], remedy: str, subject: Subject) -> Check:
    try:
        return Check(name, True, run(subject))
    except SkipError as error:
        return Check(name, None, str(error))
    except FaultError as error:
        return Check(name, False, str(error), remedy)
    except RefusedError as error:
        return Check(name, False, f"the server refuses what the check asks: {error}", remedy)
    except ServiceError as error:
        return Check(name, False, str(error), "see the server's log")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # Of a body that is not what OpenAI's API has: a field is missing or of another type.
        return Check(name, False, f"the answer is not of OpenAI's form: {type(error).__name__}: {error}", remedy)

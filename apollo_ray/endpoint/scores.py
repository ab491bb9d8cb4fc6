"""Checks of an endpoint's log-probabilities and tokens: what scoring harnesses such as lm-eval rest on."""

import math
from typing import Any

from apollo_ray.endpoint.subject import MARK, TEXTS, SkipError, Subject, demand

CLOSE = 0.1
"""Nats between two computations of one log-probability: bfloat16 logits of 16 and more lie 0.0625 apart. A server that
scores prompts with another distribution than it generates with is off by whole nats."""

EXACT = 1e-3
"""Nats that float32 keeps well within, however requests are batched."""

LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def echo(subject: Subject) -> str:
    """Every token of the prompt and the one after it has a score, but for the first token."""
    body = subject.complete(max_tokens=1, temperature=0, logprobs=1, echo=True, seed=1234)
    found = body["choices"][0].get("logprobs")
    demand(found is not None, "logprobs is null")
    asked = body["usage"]["prompt_tokens"]
    if not isinstance(subject.prompt, str):
        demand(asked == len(subject.ids), f"{len(subject.ids)} ids were sent, and usage.prompt_tokens is {asked}")
    for name in LISTS:
        entries = len(found.get(name) or [])
        demand(entries == asked + 1, f"{asked} tokens of prompt and 1 of answer, and {name} has {entries} entries")
    first, *rest = found["token_logprobs"]
    demand(first is None and found["top_logprobs"][0] is None, f"the first token has a score: {first}")
    wrong = [score for score in rest if not isinstance(score, int | float) or not math.isfinite(score) or score > 0]
    demand(not wrong, f"{len(wrong)} scores are no finite log-probabilities, as {wrong[:1]}")
    return f"{asked} tokens of prompt and 1 of answer have {asked + 1} entries; the total is {sum(rest):.3f}"


def probabilities(subject: Subject) -> str:
    """Alternatives are one distribution: no more than 1 in all, none under the chosen one; greedy is the maximum."""
    found = subject.echoed(top=5)
    largest = 0.0
    for position, (score, top) in enumerate(zip(found["token_logprobs"], found["top_logprobs"], strict=True)):
        if top is None:
            continue
        whole = sum(map(math.exp, top.values()))
        largest = max(largest, whole)
        demand(whole <= 1.001, f"at token {position} the likeliest {len(top)} have {whole:.4f} of all probability")
        demand(score <= max(top.values()), f"at token {position} the chosen token is likelier than the likeliest")
    score, top = found["token_logprobs"][-1], found["top_logprobs"][-1]
    demand(
        score == max(top.values()),
        f"the greedy token has {score}, the likeliest {max(top.values())}: lm-eval's is_greedy compares exactly",
    )
    return f"5 alternatives add up to {largest:.4f} at most; the greedy token is exactly the likeliest"


def scores(subject: Subject) -> str:
    """A prompt is scored by the distribution that answers come from, and the total is the sum of its parts."""
    ids = subject.ids
    cut = len(ids) // 2
    whole, half = subject.echoed([ids], top=5), subject.echoed([ids[:cut]], top=5)
    pairs = list(zip(whole["token_logprobs"][1:cut], half["token_logprobs"][1:cut], strict=True))
    off = max(abs(one - other) for one, other in pairs)
    demand(off <= CLOSE, f"the same tokens are scored up to {off:.3f} nats apart when more follows them")
    body = subject.complete([ids[:cut]], max_tokens=1, temperature=0, logprobs=5)
    answered, scored = body["choices"][0]["logprobs"]["top_logprobs"][0], whole["top_logprobs"][cut]
    shared = [name for name in answered.keys() & scored.keys() if MARK not in name]  # others may share a name
    demand(bool(shared), "the likeliest tokens after a prompt are not those that echo shows at its place")
    apart = max(abs(answered[name] - scored[name]) for name in shared)
    demand(
        apart <= CLOSE,
        f"answers and scores of prompts come from two distributions, {apart:.3f} nats apart",
    )
    return f"prompts in two parts differ by {off:.1e} nats, generation and scoring by {apart:.1e}"


def tokenizer(subject: Subject) -> str:
    """/tokenize and /detokenize are each other's inverse in six languages and count as completions do."""
    total = 0
    for lang, text in TEXTS.items():
        found = subject.post("/tokenize", prompt=text, add_special_tokens=False)
        ids = found["tokens"]
        demand(found["count"] == len(ids), f"{lang}: count is {found['count']}, and there are {len(ids)} tokens")
        again = subject.post("/detokenize", tokens=ids)["prompt"]
        demand(again.strip() == text, f"{lang}: {text!r} comes back as {again!r}")
        counted = subject.complete(text, max_tokens=1)["usage"]["prompt_tokens"]
        special = len(subject.tokens(text, special=True))
        demand(counted == special, f"{lang}: /tokenize makes {special} tokens of a text, a completion {counted}")
        total += len(ids)
    return f"{len(TEXTS)} languages come back as they went, in {total} tokens"


def tokenizer_info(subject: Subject) -> str:
    """/tokenizer_info names an end token, which /tokenize knows as one."""
    token, number = end(subject)
    return f"the end token is {token!r}, id {number}"


def end(subject: Subject) -> tuple[str, int]:
    """(end token, its id). Raises SkipError where the server does not tell."""
    told = subject.get("/tokenizer_info").get("eos_token")
    token = str((told.get("content") if isinstance(told, dict) else told) or "")
    demand(bool(token), "/tokenizer_info names no eos_token")
    ids = subject.tokens(token)
    demand(len(ids) == 1, f"the end token {token!r} becomes {len(ids)} tokens")
    return token, ids[0]


def alpha_zero(subject: Subject) -> str:
    """With alpha 0 the ensemble is its base, and an answer names its alpha."""
    if not subject.mixed:
        raise SkipError("the server offers no base beside an ensemble")
    name = subject.model.partition("@")[0]
    zero, base = (subject.echoed(model=one)["token_logprobs"][1:] for one in (f"{name}@0", "base"))
    off = max(abs(one - other) for one, other in zip(zero, base, strict=True))
    demand(off <= CLOSE, f"{name}@0 and base score a prompt up to {off:.3f} nats apart")
    asked: dict[str, Any] = {"max_tokens": 16, "temperature": 0}
    answers = [subject.complete(model=one, **asked) for one in (f"{name}@0", "base")]
    texts = [answer["choices"][0]["text"] for answer in answers]
    # In low precision two tokens can be as good as alike, and requests in other company round otherwise.
    demand(texts[0] == texts[1] or off > EXACT, f"{name}@0 answers {texts[0]!r}, base {texts[1]!r}")
    half = subject.complete(model=f"{name}@0.5", **asked)
    told = [answer.get("proxy", {}).get("alpha") for answer in (answers[0], half)]
    demand(told == [0, 0.5], f"answers made with alpha 0 and 0.5 say {told}")
    return f"{name}@0 answers as base, with scores {off:.1e} nats apart"


def attribution(subject: Subject) -> str:
    """Each token's parts are told: the base's is its own log-probability, and without alpha nothing diverges."""
    if not subject.mixed:
        raise SkipError("the model is no ensemble of this package")
    name = subject.model.partition("@")[0]
    asked: dict[str, Any] = {"model": name, "max_tokens": 8, "temperature": 0, "logprobs": 1}
    zero, one = [
        subject.complete(**asked, proxy={"alpha": alpha, "attribution": True})["choices"][0] for alpha in (0, 1)
    ]
    entries = zero.get("proxy", {}).get("attribution", [])
    own = zero["logprobs"]["token_logprobs"]
    demand(len(entries) == len(own), f"{len(own)} tokens have {len(entries)} entries of attribution")
    apart = max(abs(entry["base"] - score) for entry, score in zip(entries, own, strict=True))
    demand(apart <= CLOSE, f"with alpha 0 a token's log-probability and its base's are {apart:.3f} nats apart")
    drift = max(entry["divergence"] for entry in entries)
    demand(drift <= 1e-6, f"with alpha 0 the mix diverges from the base by {drift:.1e} nats")
    steered = max(entry["divergence"] for entry in one["proxy"]["attribution"])
    return f"{len(entries)} of {len(own)} tokens; with alpha 1 the mix is up to {steered:.3f} nats from the base"

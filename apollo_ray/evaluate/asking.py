"""From items to calls, and from replies to EVAL_ANSWER rows. Pure: knows neither endpoints nor weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apollo_ray.evaluate import protocols, score
from apollo_ray.evaluate.calls import Call, Reply, Scored, Tokens
from apollo_ray.evaluate.settings import Method, StageSettings

LOGPROB_DIGITS = 4
"""Decimals that a row keeps: float32 sums move by some 1e-6 nats with the texts that share a batch."""

Item = Mapping[str, Any]
"""A row of EVAL_ITEM."""


@dataclass(frozen=True)
class Job:
    """What is asked of one model: one item by one method, in one rotation after its shots if it is a choice."""

    model: str
    method: Method
    item: Item
    shots: tuple[Item, ...] = ()
    rotation: int = 0

    def ask(self, settings: StageSettings) -> protocols.ChoiceAsk:
        """Of a choice."""
        return protocols.choice_ask(self.item, settings.protocol, self.shots, self.rotation, settings.end_of_shot)

    def call(self, settings: StageSettings) -> Call:
        question = self.item["question"]
        if self.method == "ask":
            return Call(self.model, "chat", question, max_tokens=settings.max_new_tokens)
        if self.method == "perplexity":
            return Call(self.model, "score", protocols.text_prompt(self.item), (self.item["answer"],))
        ask = self.ask(settings)
        if self.method == "loglikelihood":
            return Call(self.model, "score", ask.prompt, ask.continuations)
        return Call(self.model, "generate", ask.prompt, stop=ask.stop, max_tokens=ask.max_tokens)


@dataclass(frozen=True)
class Outcome:
    """What came of a job: an EVAL_ANSWER row, or the reason why there is none."""

    job: Job
    answer: dict[str, Any] | None = None
    reason: str | None = None
    detail: str | None = None


def plan_jobs(
    items: Sequence[Item], settings: StageSettings, shots_of: Callable[[Item], Sequence[Item]] = lambda item: ()
) -> list[Job]:
    """In order of model, item, method and rotation. An item has no more rotations than options: the next one would be
    the first again."""
    jobs = []
    for model in settings.names:
        for item in items:
            for method in settings.methods_of(item["task"]):
                if item["task"] != "choice":
                    jobs.append(Job(model, method, item))
                    continue
                shots = tuple(shots_of(item))
                rotations = range(min(settings.rotations, len(item["letters"])))
                jobs += [Job(model, method, item, shots, rotation) for rotation in rotations]
    return jobs


def outcomes(jobs: Sequence[Job], replies: Sequence[Reply], settings: StageSettings, base: str) -> list[Outcome]:
    """An outcome for each job. Tokens that a model chooses otherwise than `base` are counted where both were asked."""
    chosen = {
        _place(job): reply.scores[0].tokens.choices
        for job, reply in zip(jobs, replies, strict=True)
        if job.model == base and job.method == "perplexity" and reply.scores
    }
    found = []
    for job, reply in zip(jobs, replies, strict=True):
        if reply.problem:
            found.append(Outcome(job, reason=reply.problem, detail=reply.detail))
            continue
        answer = _row(job) | _answered(job, reply, settings)
        if job.method == "perplexity" and job.model != base:
            answer["flipped"] = _flipped(chosen.get(_place(job), ()), reply.scores[0].tokens.choices)
        found.append(Outcome(job, answer))
    return found


def _place(job: Job) -> tuple[str, str, str]:
    return job.item["benchmark"], job.item["lang"], job.item["id"]


def _flipped(base: Sequence[str | int], own: Sequence[str | int]) -> int | None:
    if not base or len(base) != len(own):
        return None
    return sum(one != other for one, other in zip(base, own, strict=True))


def _answered(job: Job, reply: Reply, settings: StageSettings) -> dict[str, Any]:
    if job.method == "loglikelihood":
        return _likeliest(job, job.ask(settings), reply.scores)
    if job.method == "perplexity":
        (scored,) = reply.scores
        return {"logprob": round(scored.logprob, LOGPROB_DIGITS)} | _told(scored.tokens)
    text = reply.text or ""
    told = _told(reply.tokens) if reply.tokens else {}
    if job.method == "ask":
        return {"prediction": text.strip() or None, "output": text} | told
    letter = protocols.read_letter(text, job.ask(settings), job.item, settings.protocol)
    return {"prediction": letter, "output": text, "correct": letter == job.item["answer"]} | told


def _likeliest(job: Job, ask: protocols.ChoiceAsk, scores: Sequence[Scored]) -> dict[str, Any]:
    letters = job.item["letters"]
    own = [letters[place] for place in ask.order]  # the item's own, in displayed order
    found = dict(zip(own, scores, strict=True))
    letter = score.choose([found[name].logprob for name in letters], letters)
    return {
        "prediction": letter,
        "correct": letter == job.item["answer"],
        "logprob": round(found[letter].logprob, LOGPROB_DIGITS),
        "num_tokens": found[letter].tokens.number,
    }


def _told(tokens: Tokens) -> dict[str, Any]:
    return {"num_tokens": tokens.number, "entropy": tokens.entropy, "divergence": tokens.divergence}


def _row(job: Job) -> dict[str, Any]:
    """An EVAL_ANSWER row without its answer."""
    return {
        "id": job.item["id"],
        "benchmark": job.item["benchmark"],
        "lang": job.item["lang"],
        "model": job.model,
        "method": job.method,
        "rotation": job.rotation,
        "question": job.item["question"],
        "gold": job.item["answer"],
        "prediction": None,
        "output": None,
        "correct": None,
        "logprob": None,
        "num_tokens": None,
        "entropy": None,
        "divergence": None,
        "flipped": None,
    }

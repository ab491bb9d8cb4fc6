"""Which prompts a passage needs, one after the other: the same for every engine, for estimates and for checks.

A pair takes two calls, a question and then its answer (Apollo's procedure); a dialogue takes one. A judge is one more.
Nobody pays for the answer of a question that is refused (but where its facts are), or for a judge of what rules refuse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apollo_ray.kept import key_of
from apollo_ray.rewrite.ledger import Reply
from apollo_ray.rewrite.prompts import Kind, Prompts
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings, Verification, VLLMEngine
from apollo_ray.rewrite.turns import KINDS, Form, check_turns, written_by_llm

GREEDY = {"temperature": 0.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}
"""How a judge is sampled: its likeliest word."""


@dataclass(frozen=True)
class Call:
    """One prompt for an LLM. `key` is that of the ledger."""

    kind: Kind
    lang: str
    prompt: str
    sampling: dict[str, Any]
    key: str


@dataclass(frozen=True)
class Script:
    """What to ask, and of whom; everything that decides a reply is in here."""

    prompts: Prompts
    model: str
    sampling: dict[str, Any]
    checks: Verification

    @classmethod
    def of(cls, settings: StageSettings, prompts: Prompts, model: str) -> "Script":
        """`model` may be another name than the settings' (the identity of a step that they name)."""
        engine = settings.engine
        assert isinstance(engine, OpenAIEngine | VLLMEngine), "a template engine asks nobody"
        return cls(prompts, model, engine.sampling(), settings.verify)

    def next(self, passage: Passage, form: Form, replies: Sequence[Reply]) -> Call | None:
        """The prompt that comes after `replies`, or None where there is nothing more to ask."""
        if len(replies) == len(KINDS[form]):
            return None
        kind = KINDS[form][len(replies)]
        if kind == "question":
            return self._call(kind, passage, self.prompts.question(passage))
        if kind == "dialogue":
            return self._call(kind, passage, self.prompts.dialogue(passage))
        if kind == "check" and not self.checks.judge:
            return None
        # To look for facts in every question would cost the driver more than the answers of the few that it refuses.
        written = written_by_llm(form, passage, replies, self.checks, facts=kind == "check")
        if written.refusal:
            return None
        if kind == "answer":
            return self._call(kind, passage, self.prompts.answer(passage, written.turns[0]))
        # Rules cost less than a call; a model of inference costs more than they do and waits for the last pass.
        rules = self.checks.model_copy(update={"entailment": None})
        if check_turns(form, written.turns, passage, rules).refusal:
            return None
        question = written.turns[0] if form == "pair" else passage.subject
        answer = written.turns[1] if form == "pair" else "\n".join(written.turns)
        return self._call(kind, passage, self.prompts.check(passage, question, answer))

    def _call(self, kind: Kind, passage: Passage, prompt: str) -> Call:
        sampling = self.sampling | GREEDY if kind == "check" else self.sampling
        return Call(kind, passage.lang, prompt, sampling, key_of(prompt, self.model, sampling))

    def replay(
        self, passage: Passage, form: Form, get: Callable[[str], Reply | None]
    ) -> tuple[list[Reply], Call | None]:
        """(replies that `get` knows, the call that is still missing or None)."""
        replies: list[Reply] = []
        while call := self.next(passage, form, replies):
            reply = get(call.key)
            if reply is None:
                return replies, call
            replies.append(reply)
        return replies, None

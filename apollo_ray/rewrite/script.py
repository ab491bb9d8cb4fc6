"""Which prompts a passage needs, one after the other: the same for every engine, for estimates and for checks.

A pair takes two calls, a question and then its answer (Apollo's procedure); a dialogue takes one. Nobody pays for the
answer of a question that is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from apollo_ray.kept import key_of
from apollo_ray.rewrite import verify
from apollo_ray.rewrite.ledger import Reply
from apollo_ray.rewrite.prompts import Kind, Prompts
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings, Verification, VLLMEngine

Form = Literal["pair", "dialogue"]


@dataclass(frozen=True)
class Call:
    """One prompt for an LLM. `key` is that of the ledger."""

    kind: Kind
    lang: str
    prompt: str
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
        if not replies:
            if form == "dialogue":
                return self._call("dialogue", passage, self.prompts.dialogue(passage))
            return self._call("question", passage, self.prompts.question(passage))
        if form == "dialogue" or len(replies) > 1:
            return None
        question = verify.tidy(replies[0].text)
        refused = verify.check_reply(replies[0], "question") or verify.check_question(question, passage, self.checks)
        return None if refused else self._call("answer", passage, self.prompts.answer(passage, question))

    def _call(self, kind: Kind, passage: Passage, prompt: str) -> Call:
        return Call(kind, passage.lang, prompt, key_of(prompt, self.model, self.sampling))

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

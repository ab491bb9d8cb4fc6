"""What an engine's replies to a passage's prompts make: the turns of a conversation, or why there are none.

pair       question, answer [, check]
dialogue   dialogue [, check]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from apollo_ray.rewrite import verify
from apollo_ray.rewrite.dialogue import dialogue_turns
from apollo_ray.rewrite.ledger import Reply
from apollo_ray.rewrite.prompts import Kind
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import Verification
from apollo_ray.rewrite.verify import Refusal, Verdict

Form = Literal["pair", "dialogue"]
KINDS: Mapping[Form, tuple[Kind, ...]] = {"pair": ("question", "answer", "check"), "dialogue": ("dialogue", "check")}
"""What is asked for, one after the other. A check only where `verify.judge` is on."""


@dataclass(frozen=True)
class Written:
    """What an engine made of a passage: turns, or why there are none; the calls that it took."""

    turns: list[str]
    refusal: Refusal | None = None
    calls: tuple[tuple[Kind, Reply], ...] = ()
    judgement: Refusal | None = None  # of turns that the engine's model did not find borne out


def written_by_llm(
    form: Form, passage: Passage, replies: Sequence[Reply], checks: Verification, *, facts: bool = True
) -> Written:
    """The turns in a passage's replies so far. Without `facts` a question may bring some of its own."""
    calls = tuple(zip(KINDS[form], replies, strict=False))
    texts: list[str] = []
    for what, reply in calls:
        if refusal := verify.check_reply(reply, what):
            return Written(texts, refusal, calls)
        if what == "check":
            return Written(texts, None, calls, verify.check_judgement(reply, passage.lang))
        text = verify.tidy(reply.text)
        texts.append(verify.without_question(text, texts[0]) if what == "answer" else text)
        if what == "question" and (refusal := verify.check_question(texts[0], passage, checks, facts=facts)):
            return Written(texts, refusal, calls)
        if what == "dialogue":
            turns = dialogue_turns(texts[0], passage.lang)
            if not turns or len(turns) < 4 or not all(turns):
                found = f"{len(turns or []) // 2} exchanges of patient and doctor, at least 2"
                return Written([passage.subject, texts[0]], Refusal("not_a_dialogue", found), calls)
            texts = turns
    return Written(texts, None, calls)


def check_turns(form: Form, turns: Sequence[str], passage: Passage, checks: Verification) -> Verdict:
    """The checks of a whole conversation. Title, headings and the question bear out facts as the passage does."""
    context = f"{passage.headline}\n{turns[0]}" if form == "pair" else passage.headline
    answers = "\n".join(turns[1::2] if form == "pair" else turns)
    return verify.check_answer(answers, passage, checks, context)


def judged(form: Form, written: Written, passage: Passage, checks: Verification) -> Verdict:
    """The verdict of all checks, that of the engine's model last."""
    if written.refusal:
        return Verdict(written.refusal)
    verdict = check_turns(form, written.turns, passage, checks)
    return replace(verdict, refusal=verdict.refusal or written.judgement)

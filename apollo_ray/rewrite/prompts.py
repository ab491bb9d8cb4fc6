"""The prompts that ask an LLM for a question and for its answer, one plain-text file a language and kind.

prompts/{lang}/question.txt has {title} and {passage}; prompts/{lang}/answer.txt has {question} and {passage}. Anyone
can edit them; the hash of what was used is in every row that they led to.
"""

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Literal

from apollo_ray.records import LANGUAGES
from apollo_ray.rewrite.segment import Passage

Kind = Literal["question", "answer"]
_FIELD = re.compile(r"\{(title|passage|question)\}")


@cache
def _file(lang: str, kind: Kind) -> str:
    name = lang if lang in LANGUAGES else "en"
    return (resources.files("apollo_ray") / "rewrite" / "prompts" / name / f"{kind}.txt").read_text("utf-8").strip()


def prompt_hash(lang: str) -> str:
    """8 hex digits over both prompt files of a language."""
    both = _file(lang, "question") + "\0" + _file(lang, "answer")
    return hashlib.blake2b(both.encode(), digest_size=4).hexdigest()


def question_prompt(passage: Passage) -> str:
    """What is sent first."""
    subject = ": ".join(part for part in (passage.title, passage.heading) if part) or passage.text[:60]
    return _fill(_file(passage.lang, "question"), {"title": subject, "passage": passage.text})


def answer_prompt(passage: Passage, question: str) -> str:
    """What is sent second, with the question that came back."""
    return _fill(_file(passage.lang, "answer"), {"question": question, "passage": passage.text})


def _fill(template: str, values: dict[str, str]) -> str:
    # One pass, and not str.format: medical text has braces of its own, and no value is searched for another's name.
    return _FIELD.sub(lambda match: values[match.group(1)], template)

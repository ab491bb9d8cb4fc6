"""The prompts that ask an LLM for a question, an answer, a dialogue or a verdict: text files that anyone can edit.

    prompts/VERSION              raise it when you change a file
    prompts/{lang}/question.txt  fields {subject} {passage}
    prompts/{lang}/answer.txt    fields {question} {passage}
    prompts/{lang}/dialogue.txt  fields {subject} {passage} {patient} {doctor}
    prompts/{lang}/check.txt     fields {question} {answer} {passage}; a reply begins with yes or no (verify.judge)

Version and hash are in every row that they led to. A language without a folder of its own is asked in English.
"""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from apollo_ray.errors import UserError
from apollo_ray.rewrite.dialogue import speakers
from apollo_ray.rewrite.segment import Passage
from apollo_ray.store import expand, open_fs

Kind = Literal["question", "answer", "dialogue", "check"]
FIELDS: Mapping[str, frozenset[str]] = {
    "question": frozenset({"subject", "passage"}),
    "answer": frozenset({"question", "passage"}),
    "dialogue": frozenset({"subject", "passage", "patient", "doctor"}),
    "check": frozenset({"question", "answer", "passage"}),
}
_FIELD = re.compile(r"\{(\w+)\}")
_NEEDED = {"question": "passage", "answer": "question", "dialogue": "passage", "check": "answer"}
"""The field without which a file makes no sense."""


@dataclass(frozen=True)
class Prompts:
    """All files of a folder: `texts[lang][kind]`."""

    version: str
    texts: Mapping[str, Mapping[str, str]]

    def hash_of(self, lang: str) -> str:
        """8 hex digits over the files that ask in a language."""
        whole = "\0".join(f"{kind}\0{text}" for kind, text in sorted(self._of(lang).items()))
        return hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()

    def _of(self, lang: str) -> Mapping[str, str]:
        return self.texts.get(lang, self.texts["en"])

    def question(self, passage: Passage) -> str:
        """What is sent first."""
        return self._filled(passage, "question", {"subject": passage.subject, "passage": passage.text})

    def answer(self, passage: Passage, question: str) -> str:
        """What is sent second, with the question that came back."""
        return self._filled(passage, "answer", {"question": question, "passage": passage.text})

    def dialogue(self, passage: Passage) -> str:
        """The one prompt of a dialogue; `dialogue.dialogue_turns` reads the answer."""
        patient, doctor = speakers(passage.lang)
        values = {"subject": passage.subject, "passage": passage.text, "patient": patient, "doctor": doctor}
        return self._filled(passage, "dialogue", values)

    def check(self, passage: Passage, question: str, answer: str) -> str:
        """What is sent last where a judge is wanted; `verify.check_judgement` reads the answer."""
        return self._filled(passage, "check", {"question": question, "answer": answer, "passage": passage.text})

    def _filled(self, passage: Passage, kind: Kind, values: dict[str, str]) -> str:
        # One pass, and not str.format: medical text has braces of its own, and no value is searched for another's name.
        return _FIELD.sub(lambda match: values.get(match[1], match[0]), self._of(passage.lang)[kind])


def load(folder: str) -> Prompts:
    """The prompts of a folder at any fsspec address. Raises UserError for missing files or unknown fields."""
    texts: dict[str, dict[str, str]] = {}
    version = ""
    for uri in expand(folder):
        filesystem, path = open_fs(uri)
        parent, name = posixpath.split(path)
        if name == "VERSION":
            version = filesystem.cat_file(path).decode("utf-8").strip()
        elif name.endswith(".txt"):
            kind = name.removesuffix(".txt")
            text = filesystem.cat_file(path).decode("utf-8").strip()
            _check(uri, kind, text)
            texts.setdefault(posixpath.basename(parent), {})[kind] = text
    if not version:
        raise UserError(f"prompts: {folder}: the file VERSION is missing or empty; write a version into it, such as 1")
    for lang in ("en", *texts):
        missing = FIELDS.keys() - texts.get(lang, {}).keys()
        if missing:
            raise UserError(f"prompts: {folder}: {lang}/ lacks {', '.join(f'{kind}.txt' for kind in sorted(missing))}")
    return Prompts(version, texts)


def _check(uri: str, kind: str, text: str) -> None:
    if kind not in FIELDS:
        raise UserError(f"prompts: {uri}: no prompt of this name; allowed: {', '.join(f'{k}.txt' for k in FIELDS)}")
    fields = set(_FIELD.findall(text))
    if unknown := fields - FIELDS[kind]:
        allowed = ", ".join(f"{{{name}}}" for name in sorted(FIELDS[kind]))
        raise UserError(f"prompts: {uri}: unknown field {{{sorted(unknown)[0]}}}; allowed: {allowed}")
    if _NEEDED[kind] not in fields:
        raise UserError(f"prompts: {uri}: the field {{{_NEEDED[kind]}}} is missing")

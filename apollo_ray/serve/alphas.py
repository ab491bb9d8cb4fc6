"""The strength of a request that names none: by the language of its prompt, else the deployment's own."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from apollo_ray.config import Settings, parse
from apollo_ray.errors import UserError
from apollo_ray.language import tag
from apollo_ray.serve.settings import Alpha, AlphaByLanguage
from apollo_ray.store import open_fs

SURE = 0.5
"""The language of a prompt counts from this posterior probability on: likelier than all others together. A word or two
in Latin letters stays under it, and is often called after a neighbour."""

Chosen = tuple[float, str | None]
"""(alpha, the language that the prompt was taken to be in; None where nobody looked or nothing was sure)."""


class AlphasFile(Settings):
    """What `alphas` of a serve step names, as JSON: {"alpha": 1.0, "alpha_by_language": {"en": 0.25}}."""

    alpha: Alpha = 1.0
    alpha_by_language: AlphaByLanguage = Field(default_factory=dict)
    notes: Any = None  # of whoever wrote it: how the numbers were found


@dataclass(frozen=True)
class Alphas:
    """`default`, and what takes its place for prompts in a language."""

    default: float = 1.0
    by_language: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.by_language:
            tag("Profiles take a quarter of a second to load, for which no request should wait.")

    @property
    def listed(self) -> dict[str, Any]:
        """As /v1/models tells them."""
        by_language = {"alpha_by_language": dict(self.by_language)} if self.by_language else {}
        return {"alpha": self.default} | by_language

    def choose(self, texts: Callable[[], Sequence[str]]) -> Chosen:
        """By the first of `texts` whose language is sure; they are asked for only where a language can matter."""
        for text in texts() if self.by_language else ():
            found = tag(text)
            if found.score >= SURE:
                return self.by_language.get(found.lang, self.default), found.lang
        return self.default, None


def read_alphas(path: str) -> AlphasFile:
    """The file at a path or fsspec address. Raises UserError naming it and the key."""
    filesystem, place = open_fs(path)
    try:
        values = json.loads(filesystem.cat_file(place))
    except (OSError, ValueError) as error:
        raise UserError(f"alphas: {path}: cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"alphas: {path}: expected an object with the keys alpha and alpha_by_language")
    return parse(AlphasFile, values, where=f"alphas: {path}")


def told(chosen: Sequence[Chosen]) -> dict[str, Any]:
    """What an answer says of the strengths of its prompts: once where they are alike, else one by one."""
    entries: list[dict[str, Any]] = [
        {"alpha": alpha} | ({"language": language} if language else {}) for alpha, language in chosen
    ]
    return entries[0] if all(entry == entries[0] for entry in entries) else {"by_prompt": entries}

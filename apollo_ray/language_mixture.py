"""Documents in two languages: the tag of a text together with what share of it is in which language."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from apollo_ray.codepoints import Ints
from apollo_ray.language import BATCH, UNDETERMINED, Floats, Tag, judge, normal, script_totals, script_weights, windows

Number = TypeVar("Number", np.int64, np.float64)

PIECE = 160
"""Characters of a piece that is tagged by itself."""
LEAST = 40
"""Letters below which a piece does not count: drug names, headings, references (Han letters weigh 3)."""
PIECES = 48
"""Pieces of a text, evenly spread, that are looked at where its windows do not agree."""


def mixture(text: str) -> dict[str, float]:
    """Share of the letters of a text in each of its languages, greatest first; shares sum to 1, none without letters.

    Lines, cut into pieces, are tagged one by one; those too short to tell do not count, so a list of drug names is no
    second language. The main language is a prior for every piece, so that kin do not show up beside it.
    """
    return survey([text])[0][1]


def survey(texts: Sequence[str], declared: Sequence[str | None] | None = None) -> list[tuple[Tag, dict[str, float]]]:
    """(`tag`, `mixture`) of every text; little more work than the tags alone.

    `declared` is a prior for the tags; the tag of a text is that for its pieces.
    """
    declared = declared or [None] * len(texts)
    result: list[tuple[Tag, dict[str, float]]] = []
    for start in range(0, len(texts), BATCH):
        some = texts[start : start + BATCH]
        pieces = _Pieces([found if len(found := windows(text)) > 1 else list(_cut(text)) for text in some])
        tags = pieces.tags(declared[start : start + BATCH])
        shares = pieces.shares(tags)
        # One language in a few places is one language; who shows two is looked at closely.
        mixed = [index for index, found in enumerate(shares) if len(found) > 1]
        closer = _Pieces([_spread(list(_cut(some[index]))) for index in mixed])
        for index, share in zip(mixed, closer.shares([tags[index] for index in mixed]), strict=True):
            shares[index] = share
        for tag, share in zip(tags, shares, strict=True):
            result.append((tag, share or ({} if tag == UNDETERMINED else {tag.lang: 1.0})))
    return result


def _cut(text: str) -> Iterator[str]:
    """Lines of up to PIECE characters, longer ones cut, at spaces if there are any."""
    for line in text.splitlines():
        while len(line) > PIECE:
            at = line.rfind(" ", PIECE // 2, PIECE + 1)
            at = at if at >= 0 else PIECE
            yield line[:at]
            line = line[at:]
        yield line


def _spread(pieces: list[str]) -> list[str]:
    pieces = [piece for piece in pieces if len(piece) >= LEAST // 3]
    if len(pieces) <= PIECES:
        return pieces
    return [pieces[index] for index in np.linspace(0, len(pieces) - 1, PIECES).astype(int)]


class _Pieces:
    """Pieces of some texts, each a group of its own; what one piece says is worked out once for all uses."""

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        self._groups = len(groups)
        self._pieces = [normal(piece) for group in groups for piece in group]
        self._weights = script_weights(self._pieces)
        self._sizes = np.array([len(group) for group in groups], np.int64)
        self._owner = np.repeat(np.arange(len(groups)), self._sizes)
        self._known: dict[str, tuple[Ints, list[Floats]]] = {}  # script -> (row of each piece or -1, blocks of rows)

    def _totals(self, script: str, members: Sequence[int]) -> Floats:
        """`script_totals` of the pieces of these numbers."""
        rows, blocks = self._known.setdefault(script, (np.full(len(self._pieces), -1, np.int64), []))
        wanted = np.asarray(members, np.int64)
        new = wanted[rows[wanted] < 0]
        if len(new):
            rows[new] = sum(map(len, blocks)) + np.arange(len(new))
            blocks.append(script_totals(script, [self._pieces[piece] for piece in new.tolist()]))
            blocks[:] = [np.concatenate(blocks)]
        return blocks[0][rows[wanted]]

    def tags(self, declared: Sequence[str | None]) -> list[Tag]:
        """The tag of each group."""

        def totals(script: str, members: list[int]) -> Floats:
            chosen = np.zeros(self._groups, np.bool_)
            chosen[members] = True
            pieces = np.flatnonzero(chosen[self._owner])
            return _sums(self._totals(script, pieces.tolist()), self._owner[pieces], self._groups)[members]

        ends = np.cumsum(self._sizes).tolist()
        starts = [0, *ends][: self._groups]
        whole = [" ".join(self._pieces[start:end]) for start, end in zip(starts, ends, strict=True)]
        return judge(whole, _sums(self._weights, self._owner, self._groups), totals, declared)

    def shares(self, tags: Sequence[Tag]) -> list[dict[str, float]]:
        """Of each group the share of its letters in each language, greatest first; pieces that say little are left out.

        `tags`, one a group, are the prior.
        """
        letters = self._weights.sum(axis=1)
        telling = np.flatnonzero(letters >= LEAST).tolist()
        owners = self._owner[telling].tolist()
        found = judge(
            [self._pieces[piece] for piece in telling],
            self._weights[telling],
            lambda script, members: self._totals(script, [telling[member] for member in members]),
            [tags[owner].lang for owner in owners],
        )
        weights: list[dict[str, int]] = [{} for _ in range(self._groups)]
        for owner, count, one in zip(owners, letters[telling].tolist(), found, strict=True):
            if one != UNDETERMINED:
                weights[owner][one.lang] = weights[owner].get(one.lang, 0) + count
        return [_normalised(own) for own in weights]


def _sums(of_pieces: npt.NDArray[Number], owner: Ints, groups: int) -> npt.NDArray[Number]:
    """Sum of the rows of each owner; owners ascend."""
    sums = np.zeros((groups, of_pieces.shape[1]), of_pieces.dtype)
    if len(owner):
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        sums[owner[starts]] = np.add.reduceat(of_pieces, starts, axis=0)
    return sums


def _normalised(weights: dict[str, int]) -> dict[str, float]:
    total = sum(weights.values())
    return {lang: weights[lang] / total for lang in sorted(weights, key=lambda lang: (-weights[lang], lang))}

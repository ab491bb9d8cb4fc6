"""Priority sampling without replacement, as sort keys.

The paper draws the next example with P(x) = pi(x) / sum of pi over what remains. Sorting by -ln(u) / pi(x), with u
uniform, gives exactly that order (Efraimidis and Spirakis, 2006), needs no state, and with u a hash of (seed, id, copy,
piece) the order is the same for any number of workers and any order of files.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from apollo_ray.codepoints import Hashes, scramble

Floats = npt.NDArray[np.float64]

PRETRAINING = "pretraining"
INSTRUCTION = "instruction"
PRETRAINING_KINDS = frozenset({"book", "paper", "encyclopedia", "guideline", "web", "math", "code"})
INSTRUCTION_KINDS = frozenset({"exam", "patient", "general"})

_GAMMA = 0x9E3779B97F4A7C15  # the increment of splitmix64
_ID_DIGITS = 16


def sample_class(kind: str | None, phase: str | None, rewritten: bool) -> str:
    """Class of an example: its phase where a source states one, else by kind, else by whether it was rewritten."""
    if phase is not None:
        return phase
    if kind in PRETRAINING_KINDS:
        return PRETRAINING
    if kind in INSTRUCTION_KINDS:
        return INSTRUCTION
    return PRETRAINING if rewritten else INSTRUCTION


def id_bits(ids: Sequence[str]) -> Hashes:
    """uint64[N] of row ids, which are 16 hex digits each. Raises ValueError for any other."""
    try:
        if all(len(identity) == _ID_DIGITS for identity in ids):
            return np.frombuffer(bytes.fromhex("".join(ids)), ">u8").astype(np.uint64)
    except ValueError:
        pass
    wrong = next(identity for identity in ids if not _is_id(identity))
    raise ValueError(f"id: {wrong!r} is not {_ID_DIGITS} hex digits")


def _is_id(identity: str) -> bool:
    return len(identity) == _ID_DIGITS and set(identity) <= set("0123456789abcdefABCDEF")


def random_bits(seed: int, ids: Hashes, copies: npt.NDArray[np.integer], pieces: npt.NDArray[np.integer]) -> Hashes:
    """uint64[N]: 64 random bits of each example, a function of (seed, id, copy, piece) and of nothing else."""
    salt = scramble(np.array([(seed * _GAMMA + 1) % 2**64], np.uint64))
    bits = scramble(ids ^ salt)
    number = (copies.astype(np.uint64) << np.uint64(32)) + pieces.astype(np.uint64) + np.uint64(1)
    return scramble(bits + number * np.uint64(_GAMMA))


def exponentials(bits: Hashes) -> Floats:
    """float64[N]: -ln(u) for u = 1 - (bits + 1/2) / 2**64, to the last digit at both ends of (0, 1)."""
    low = (bits.astype(np.float64) + 0.5) * 2.0**-64
    high = ((~bits).astype(np.float64) + 0.5) * 2.0**-64
    return np.where(bits >> np.uint64(63) == 0, -np.log1p(-np.minimum(low, 0.5)), -np.log(high))

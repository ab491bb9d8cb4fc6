"""Priority sampling without replacement, as sort keys.

The paper draws the next example with P(x) = pi(x) / sum of pi over what remains. Sorting by -ln(u) / pi(x), with u
uniform, gives exactly that order (Efraimidis and Spirakis, 2006), needs no state, and with u a hash of (seed, id, copy)
the order is the same for any number of workers and any order of files.
"""

import hashlib
import math

PRETRAINING = "pretraining"
INSTRUCTION = "instruction"
PRETRAINING_KINDS = frozenset({"book", "paper", "encyclopedia", "guideline", "web", "math", "code"})
INSTRUCTION_KINDS = frozenset({"exam", "patient", "general"})


def sample_class(kind: str | None, phase: str | None, rewritten: bool) -> str:
    """Class of an example: its phase where a source states one, else by kind, else by whether it was rewritten."""
    if phase is not None:
        return phase
    if kind in PRETRAINING_KINDS:
        return PRETRAINING
    if kind in INSTRUCTION_KINDS:
        return INSTRUCTION
    return PRETRAINING if rewritten else INSTRUCTION


def sort_key(seed: int, identity: str, copy: int, priority: float) -> float:
    """-ln(u) / priority with u in (0, 1) from 64 bits of BLAKE2b over (seed, identity, copy)."""
    digest = hashlib.blake2b(f"{seed}\0{identity}\0{copy}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 0.5) / 2.0**64
    return -math.log(uniform) / priority

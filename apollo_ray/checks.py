"""What `apollo doctor` finds."""

from dataclasses import dataclass

FREE_GIB_NEEDED = 5.0  # Ray stops placing objects on a disk that is 95 % full


@dataclass(frozen=True)
class Check:
    """`passed`: None where it does not apply, which `found` explains. `remedy`: what helps where it failed."""

    name: str
    passed: bool | None
    found: str
    remedy: str = ""

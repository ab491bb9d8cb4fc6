"""What `apollo doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """`passed`: None where it does not apply, which `found` explains. `remedy`: what helps where it failed."""

    name: str
    passed: bool | None
    found: str
    remedy: str = ""

"""Settings of the compare stage."""

from typing import Annotated

from pydantic import Field, model_validator

from apollo_ray.config import INPUT, Settings

Words = Annotated[str, Field(min_length=1)]


class Arm(Settings):
    """One model of the experiment, as an evaluate step has scored it."""

    name: Words  # what the table calls it
    scores: Annotated[str, INPUT]  # an evaluate step
    model: Words  # its name in that step's answers
    against: str | None = None  # name of another arm; None: the experiment's `against`


class StageSettings(Settings):
    """An experiment: its question, its arms in the order of the table, and what the table cannot show."""

    question: Words
    against: Words  # arm that the others are held against, unless they name another
    arms: Annotated[tuple[Arm, ...], Field(min_length=2)]
    limits: Words

    @model_validator(mode="after")
    def _check(self) -> "StageSettings":
        names = [arm.name for arm in self.arms]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"arms: two have the name {name!r}")
        for name in (self.against, *(arm.against for arm in self.arms if arm.against)):
            if name not in names:
                raise ValueError(f"against: {name!r} is no arm; its arms are {', '.join(names)}")
        return self

    def reference(self, arm: Arm) -> str | None:
        """Name of the arm that `arm` is held against; None for one that would be held against itself."""
        name = arm.against or self.against
        return None if name == arm.name else name

"""Settings of the mix stage. The paper's constants stand here, each with its source."""

import itertools
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from apollo_ray.config import INPUT, Settings, how_to_run

CLASSES = ("pretraining", "instruction")
"""Of examples, in the order in which `order: sequential` takes them."""

PRIORITIES = {"pretraining": 16.0, "instruction": 2.0}
"""Sampling weights: rewritten pre-training QA, code and math 16; exam, patient and general 2
(Apollo, src/process/prepare/data_process_train_qwen.py:73-137)."""

EPOCHS = {"pretraining": 1, "instruction": 2}
"""Copies of each example in the stream (same file)."""

SEQUENCE_LENGTH = 4_096
"""Tokens in a packed sequence (same file, max_seq_len)."""

PACKING_WINDOW = 256
"""Examples that wait to be packed (same file, where as many are packed and what is left of a window is padded)."""


class SourceSettings(Settings):
    """What differs for the rows of one source; None: as their class has it."""

    priority: Annotated[float | None, Field(gt=0)] = None
    epochs: Annotated[int | None, Field(ge=1)] = None


class Stretch(Settings):
    """A part of the stream, from where the one before it ends."""

    until: Annotated[float, Field(gt=0, le=1)]  # of the stream's tokens
    weights: dict[str, Annotated[float, Field(ge=0)]]  # class -> share of the stretch's tokens, in proportion

    @field_validator("weights")
    @classmethod
    def _known_classes(cls, weights: dict[str, float]) -> dict[str, float]:
        if not weights.keys() <= set(CLASSES):
            raise ValueError(f"the keys must be among {', '.join(CLASSES)}, not {', '.join(weights)}")
        if not sum(weights.values()):
            raise ValueError("at least one weight must be more than 0")
        return weights


class StageSettings(Settings):
    """What goes into the stream, in which order and in what form."""

    tokenizer: Annotated[str, INPUT]  # a tokenizer or train step, a folder or a Hugging Face id
    conversations: Annotated[tuple[str, ...], INPUT] = ()  # rewrite or corpus steps; loss on answers only
    documents: Annotated[tuple[str, ...], INPUT] = ()  # corpus steps; plain text, loss on every token
    template: Literal["apollo", "chat"] = "apollo"  # User:/Assistant:, or the tokenizer's own chat template
    sequence_length: Annotated[int, Field(ge=16)] = SEQUENCE_LENGTH
    long: Literal["split", "drop"] = "split"  # conversations longer than a sequence: cut at turns, or refused
    order: Literal["priority", "uniform", "sequential", "schedule"] = "priority"  # apollo_ray/mix/order.py defines each
    schedule: tuple[Stretch, ...] = ()  # for order: schedule
    priorities: dict[str, Annotated[float, Field(gt=0)]] = PRIORITIES
    epochs: dict[str, Annotated[int, Field(ge=1)]] = EPOCHS
    sources: dict[str, SourceSettings] = Field(default_factory=dict)  # name of a source -> what differs for its rows
    tokens: Annotated[int, Field(ge=1)] | None = None  # the stream is repeated up to so many, so that mixes compare
    packing_window: Annotated[int, Field(ge=1)] = PACKING_WINDOW  # how far packing may bend the order
    seed: int = 42  # of the published sampler
    sequences_per_part: int = how_to_run(1_024, ge=1)
    bytes_per_task: int = how_to_run(64 * 2**20, ge=1)  # of token ids that a task sorts into parts

    @model_validator(mode="after")
    def _check(self) -> "StageSettings":
        if not self.conversations and not self.documents:
            raise ValueError("conversations, documents: at least one step is needed")
        for name, given in (("priorities", self.priorities), ("epochs", self.epochs)):
            if set(given) != set(CLASSES):
                raise ValueError(f"{name}: the keys must be {', '.join(CLASSES)}, not {', '.join(given)}")
        if (self.order == "schedule") != bool(self.schedule):
            raise ValueError(f"schedule: needed with order: schedule and only there; order is {self.order!r}")
        ends = [stretch.until for stretch in self.schedule]
        if any(after <= before for before, after in itertools.pairwise(ends)) or (ends and ends[-1] != 1):
            raise ValueError(f"schedule: 'until' must rise from stretch to stretch and end at 1.0, not {ends}")
        return self

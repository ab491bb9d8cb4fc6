"""Settings of the mix stage. The paper's constants stand here, each with its source."""

from typing import Annotated

from pydantic import Field, model_validator

from apollo_ray.config import INPUT, Settings, how_to_run

PRIORITIES = {"pretraining": 16.0, "instruction": 2.0}
"""Sampling weights: rewritten pre-training QA, code and math 16; exam, patient and general 2
(Apollo, src/process/prepare/data_process_train_qwen.py:73-137)."""

EPOCHS = {"pretraining": 1, "instruction": 2}
"""Copies of each example in the stream (same file)."""

SEQUENCE_LENGTH = 4_096
"""Tokens in a packed sequence (same file, max_seq_len)."""


class StageSettings(Settings):
    """What goes into the stream and in which order."""

    tokenizer: Annotated[str, INPUT]  # a tokenizer or train step, a folder or a Hugging Face id
    conversations: Annotated[tuple[str, ...], INPUT] = ()  # rewrite or corpus steps; loss on answers only
    documents: Annotated[tuple[str, ...], INPUT] = ()  # corpus steps; plain text, loss on every token
    sequence_length: Annotated[int, Field(ge=16)] = SEQUENCE_LENGTH
    priorities: dict[str, Annotated[float, Field(gt=0)]] = PRIORITIES
    epochs: dict[str, Annotated[int, Field(ge=1)]] = EPOCHS
    packing_window: Annotated[int, Field(ge=1)] = 64  # sequences open at once: how far packing may bend the order
    seed: int = 42  # of the published sampler
    sequences_per_part: int = how_to_run(1_024, ge=1)

    @model_validator(mode="after")
    def _check(self) -> "StageSettings":
        if not self.conversations and not self.documents:
            raise ValueError("conversations, documents: at least one step is needed")
        for name, given in (("priorities", self.priorities), ("epochs", self.epochs)):
            if set(given) != set(PRIORITIES):
                raise ValueError(f"{name}: the keys must be {', '.join(PRIORITIES)}, not {', '.join(given)}")
        return self

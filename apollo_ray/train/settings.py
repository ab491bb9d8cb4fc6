"""Settings of the train stage. Defaults are the paper's, each with its source."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from apollo_ray.config import INPUT, Settings, how_to_run

GLOBAL_BATCH = 256
"""Sequences in an optimizer step (arXiv 2403.03640)."""

LEARNING_RATE = 1e-5
"""Peak (Apollo, 3.single_node_train_gemma.sh); 1e-4 for most small models."""

WARMUP = 0.03
"""Share of the steps over which the rate rises (same script)."""


class Architecture(Settings):
    """A model from nothing: a Qwen2 decoder, the family of Apollo-0.5B."""

    hidden_size: Annotated[int, Field(ge=8)]
    layers: Annotated[int, Field(ge=1)]
    heads: Annotated[int, Field(ge=1)]
    key_value_heads: Annotated[int, Field(ge=1)] | None = None  # None: as many as heads
    intermediate_size: Annotated[int, Field(ge=8)] | None = None  # None: 8/3 of hidden_size, a multiple of 8
    max_position: Annotated[int, Field(ge=16)] = 4_096

    @model_validator(mode="after")
    def _check(self) -> "Architecture":
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            raise ValueError(f"hidden_size {self.hidden_size} must be an even multiple of heads {self.heads}")
        if self.heads % (self.key_value_heads or self.heads):
            raise ValueError(f"heads {self.heads} must be a multiple of key_value_heads {self.key_value_heads}")
        return self


class StageSettings(Settings):
    """What is trained on what, and how."""

    data: Annotated[str, INPUT]  # a mix step
    start: Annotated[str | None, INPUT] = None  # a train step, a folder or a Hugging Face id
    architecture: Architecture | None = None  # instead of start: weights drawn from seed
    epochs: Annotated[int, Field(ge=1)] = 1  # passes over the stream, each in its order
    global_batch: Annotated[int, Field(ge=1)] = GLOBAL_BATCH
    learning_rate: Annotated[float, Field(gt=0)] = LEARNING_RATE
    warmup: Annotated[float, Field(ge=0, lt=1)] = WARMUP
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = (
        0.0  # share of the peak; the published runs ended at 0.166
    )
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = 42
    workers: int = how_to_run(1, ge=1)
    micro_batch: int = how_to_run(1, ge=1)  # sequences a worker holds at once
    zero_stage: Literal[0, 1, 2, 3] = how_to_run(2)
    gpus_per_worker: int = how_to_run(0, ge=0, le=1)
    cpus_per_worker: float = how_to_run(1.0, gt=0)
    gradient_checkpointing: bool = how_to_run(False)
    checkpoint_every: int = how_to_run(100, ge=1)  # steps
    checkpoints_kept: int = how_to_run(2, ge=1)
    max_failures: int = how_to_run(3, ge=0)  # workers lost before the step gives up

    @model_validator(mode="after")
    def _check(self) -> "StageSettings":
        if (self.start is None) == (self.architecture is None):
            raise ValueError("start, architecture: exactly one of the two is needed")
        if self.global_batch % (self.workers * self.micro_batch):
            raise ValueError(
                f"global_batch {self.global_batch} must be a multiple of workers {self.workers} "
                f"x micro_batch {self.micro_batch}"
            )
        if self.precision == "bfloat16" and self.zero_stage == 0:
            raise ValueError("zero_stage 0 with bfloat16 loses precision (loss off by 3e-2, measured); use 1, 2 or 3")
        return self

    @property
    def accumulation(self) -> int:
        """Micro-batches that a worker adds up for one optimizer step."""
        return self.global_batch // (self.workers * self.micro_batch)

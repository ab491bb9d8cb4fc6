"""Settings of the train stage. Defaults are the paper's, each with its source."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from apollo_ray.config import INPUT, NodeLabels, Settings, how_to_run

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


class Lora(Settings):
    """Low-rank adapters (arXiv 2106.09685) on all linear layers but the head; merged into the exported model."""

    rank: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class StageSettings(Settings):
    """What is trained on what, and how."""

    data: Annotated[str, INPUT]  # a mix step
    start: Annotated[str | None, INPUT] = None  # a train step, a folder or a Hugging Face id
    architecture: Architecture | None = None  # instead of start: weights drawn from seed
    held_out: Annotated[str | None, INPUT] = None  # a mix step whose loss is taken by language now and then
    lora: Lora | None = None  # None: all weights are trained
    epochs: Annotated[int, Field(ge=1)] = 1  # passes over the stream, each in its order
    global_batch: Annotated[int, Field(ge=1)] = GLOBAL_BATCH
    learning_rate: Annotated[float, Field(gt=0)] = LEARNING_RATE
    warmup: Annotated[float, Field(ge=0, lt=1)] = WARMUP
    schedule: Literal["cosine", "published"] = "cosine"  # the published runs stopped early, at 16.6 % of the peak
    final_learning_rate: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of the peak that "cosine" ends at
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = 42
    workers: int = how_to_run(1, ge=1)
    fewest_workers: int | None = how_to_run(None, ge=1)  # go on with so few while others are missing
    micro_batch: int = how_to_run(1, ge=1)  # sequences a worker holds at once
    zero_stage: Literal[0, 1, 2, 3] = how_to_run(2)
    offload: Literal["none", "optimizer", "all"] = how_to_run("none")  # to the host's memory; "all" with ZeRO-3
    gpus_per_worker: int = how_to_run(0, ge=0, le=1)
    cpus_per_worker: float = how_to_run(1.0, gt=0)
    node_labels: NodeLabels = how_to_run({})  # of nodes that may hold workers, such as {use: train} of cluster.yaml
    gradient_checkpointing: bool = how_to_run(False)
    evaluate_every: int = how_to_run(100, ge=1)  # steps; at the start and the end too
    checkpoint_every: int = how_to_run(100, ge=1)  # steps
    checkpoints_kept: int = how_to_run(2, ge=1)
    max_failures: int = how_to_run(3, ge=0)  # workers lost before the step gives up
    trackers: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = how_to_run(("tensorboard",))

    @model_validator(mode="after")
    def _check(self) -> "StageSettings":
        if (self.start is None) == (self.architecture is None):
            raise ValueError("start, architecture: exactly one of the two is needed")
        if self.global_batch < self.workers * self.micro_batch:
            raise ValueError(
                f"global_batch {self.global_batch} must be at least workers {self.workers} x micro_batch "
                f"{self.micro_batch}: else some workers have nothing to do"
            )
        if self.fewest_workers and self.fewest_workers > self.workers:
            raise ValueError(f"fewest_workers {self.fewest_workers} must be at most workers {self.workers}")
        if self.offload == "all" and self.zero_stage != 3:
            raise ValueError(f"offload 'all' needs zero_stage 3, not {self.zero_stage}; 'optimizer' needs 1, 2 or 3")
        if self.offload == "optimizer" and self.zero_stage == 0:
            raise ValueError("offload 'optimizer' needs zero_stage 1, 2 or 3, not 0")
        if self.lora and self.start is None:
            raise ValueError("lora needs a start: adapters of random weights learn nothing")
        if self.precision == "bfloat16" and self.zero_stage == 0:
            raise ValueError("zero_stage 0 with bfloat16 loses precision (loss off by 3e-2, measured); use 1, 2 or 3")
        return self

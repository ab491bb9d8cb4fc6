"""Settings of the serve stage."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from apollo_ray.config import FILES, INPUT, NodeLabels, Settings, how_to_run

ROLES = ("base", "expert", "anti_expert")
"""The three models of proxy tuning, in the order of every list and tensor of this package."""

MAX_ALPHA = 100.0
"""Bound on the strength either way: far past any use, and low enough that float32 logits stay finite."""


def _known(alphas: dict[str, float]) -> dict[str, float]:
    if alphas:
        from apollo_ray.language import known_languages  # only here: its tables take a moment to load

        if unknown := sorted(alphas.keys() - known_languages()):
            raise ValueError(f"{unknown[0]!r} is no language that prompts are told by; use codes such as en, zh, hi")
    return alphas


Alpha = Annotated[float, Field(ge=-MAX_ALPHA, le=MAX_ALPHA)]
AlphaByLanguage = Annotated[dict[str, Alpha], AfterValidator(_known)]
"""ISO 639 code -> the strength for prompts in this language."""


class Quota(Settings):
    """What one key may ask for; None: as much as it likes. A burst may take a whole minute's worth at once."""

    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None  # of prompts and answers


class LiveSettings(Settings):
    """Serve's `user_config`: what changes while requests run. Each one keeps the alpha that it was admitted with."""

    alpha: Alpha = 1.0
    alpha_by_language: AlphaByLanguage = Field(
        default_factory=dict
    )  # alpha is for all others, and where the language is not sure
    quotas: dict[str, Quota] = Field(
        default_factory=dict
    )  # by a key's name; `default`: of every other key, and of an open endpoint


class EndpointSettings(Settings):
    """One deployment. Also the arguments of `apollo_ray.serve.app:build`, in which models are references.

    A model is a step's name, a folder or a Hugging Face id in a run's YAML; `build` takes folders, ids and
    `store::step/fingerprint`.
    """

    base: Annotated[str, INPUT]
    expert: Annotated[str | None, INPUT] = None  # the tuned small model
    anti_expert: Annotated[str | None, INPUT] = None  # the same small model before tuning
    alpha: Alpha = 1.0  # logits = base + alpha * (expert - anti_expert)
    alpha_by_language: AlphaByLanguage = Field(default_factory=dict)  # instead of alpha, by the language of the prompt
    max_length: Annotated[int, Field(ge=2)] = 1024  # tokens of prompt and answer together
    dtype: Literal["float32", "bfloat16"] = "float32"  # of weights and cache; logits are combined in float32
    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "ensemble"  # what clients ask for
    replicas: int = how_to_run(1, ge=1)  # with max_replicas: the least
    max_replicas: int | None = how_to_run(None, ge=1)  # None: as many as `replicas`, always
    drain_s: float = how_to_run(120.0, gt=0)  # seconds that answers under way have when their replica is to go
    slots: int = how_to_run(16, ge=1, le=1024)  # sequences that a replica decodes together
    drafts: int = how_to_run(4, ge=0, le=16)  # tokens that the expert may draft in a step, as it pays; 0: none
    cpus_per_replica: float = how_to_run(1.0, gt=0)
    gpus_per_replica: float = how_to_run(0.0, ge=0)
    node_labels: NodeLabels = how_to_run({})  # of nodes that may hold replicas, such as {use: serve} of cluster.yaml
    max_queued: int = how_to_run(
        256, ge=1
    )  # requests that wait in each replica, and again at a proxy before it answers 429
    max_waiting: int = how_to_run(1024, ge=1)  # answers that wait in a replica before it answers 503
    max_body_bytes: int = how_to_run(4 * 2**20, ge=1024)  # of one request; more is 413
    keys_file: str | None = how_to_run(None)  # lines of NAME SHA256, read where the endpoint is built
    quotas: dict[str, Quota] = how_to_run(
        {}
    )  # by a key's name, or `default`; shared out evenly among the most replicas
    audit_log: str | None = how_to_run(None)  # folder for a file of JSON lines a replica
    audit_text: bool = how_to_run(False)  # prompts and answers too, not only hashes

    @model_validator(mode="after")
    def _check(self) -> "EndpointSettings":
        if (self.expert is None) != (self.anti_expert is None):
            raise ValueError("expert, anti_expert: give both or neither")
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(f"max_replicas: {self.max_replicas} is less than replicas, {self.replicas}")
        if self.model_name in ROLES:
            raise ValueError(f"model_name: {', '.join(ROLES)} name the single models")
        return self

    @property
    def most_replicas(self) -> int:
        return self.max_replicas or self.replicas

    @property
    def actor_options(self) -> dict[str, Any]:
        """What a replica asks of its node, as Ray takes it."""
        return {
            "num_cpus": self.cpus_per_replica,
            "num_gpus": self.gpus_per_replica,
            "label_selector": self.node_labels,
        }

    @property
    def live(self) -> LiveSettings:
        """The part that `user_config` replaces."""
        return LiveSettings(alpha=self.alpha, alpha_by_language=self.alpha_by_language, quotas=self.quotas)

    @property
    def models(self) -> dict[str, str]:
        """role -> model, for the one or three models that are given."""
        named = {role: getattr(self, role) for role in ROLES}
        return {role: name for role, name in named.items() if name is not None}


class StageSettings(EndpointSettings):
    """A deployment and the address where it listens."""

    engine: Literal["embedded", "vllm"] = "embedded"  # vllm: to export, any architecture that it has
    alphas: Annotated[str | None, FILES] = None  # JSON file of alpha and alpha_by_language, in place of the two
    unrelated_anti_expert: Literal["refuse", "accept"] = how_to_run("refuse")  # one that the expert was not made from
    port: int = how_to_run(8000, ge=0, le=65_535)  # 0: any free port
    host: str = how_to_run("127.0.0.1")

    @model_validator(mode="after")
    def _check_alphas(self) -> "StageSettings":
        if self.alphas is not None and (self.alpha != 1.0 or self.alpha_by_language):
            raise ValueError("alphas: its file tells alpha and alpha_by_language; give either the file or the two")
        return self

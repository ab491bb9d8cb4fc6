"""What a run of the recipe takes, from rates: arithmetic alone. `scale.py` measures the rates and writes the tables.

Facts and assumptions stand here, each once. Whatever no machine of this project has measured is an `Assumption` with
its origin and year; change it here and run `scale.py --measure`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from apollo_ray.corpus import minhash
from apollo_ray.corpus.stage import BAND_ROW_BYTES, BYTES_PER_PARTITION

MB, GIB = 1e6, 2**30

CORPORA = {  # million tokens of ApolloCorpora by type and language (Apollo's repository, assets/dataset.png)
    "books": {"en": 296.7, "zh": 117.1},
    "papers": {"en": 252.9, "es": 46.0, "zh": 45.6, "fr": 4.5},
    "encyclopedias": {"en": 221.1, "fr": 4.6, "hi": 0.5},
    "dialogues": {"en": 92.1, "zh": 46.6, "ar": 10.4},
    "guidelines": {"en": 29.6},
    "web": {"en": 499.9, "zh": 329.3, "es": 57.5},
    "exams": {"en": 42.1, "zh": 35.3, "es": 0.5, "fr": 0.1},
    "general": {"en": 194.5, "zh": 69.4, "hi": 43.9, "fr": 20.0, "ar": 18.7, "es": 18.4},
    "math": {"en": 18.9, "zh": 3.7},
    "code": {"en": 9.2, "zh": 7.2},
}
TEXT = ("books", "papers", "encyclopedias", "dialogues", "guidelines", "web")  # rewritten into pairs
EPOCHS_OF_INSTRUCTIONS = 2  # exams and general; math and code are read once
BYTES_PER_TOKEN = {"en": 4.2, "zh": 4.6, "hi": 2.8, "ar": 4.9, "fr": 4.05, "es": 4.1}
"""Sizes of the published general_*.json over their tokens above. Hindi's is far below what its script takes: a floor.
By the same division the table counts the texts, not the pairs (books: 4.5 bytes a token against 3.1)."""
TEXT_OVER_PAIRS = 1.12
"""Bytes of the published *_text.json over those of their *_qa.json (books, papers, guidelines; 3.2 GB)."""


@dataclass(frozen=True)
class Assumption:
    """A number that was not measured here."""

    value: float
    unit: str
    why: str


ASSUMED = {
    "cpu": Assumption(0.02, "$ a vCPU hour", "m7i spot at 40 % of the list price of 2025, us-west-2"),
    "gpu": Assumption(1.6, "$ a GPU hour", "A100 40 GB (p4d) spot at about 40 % of the list price of 2024"),
    "storage": Assumption(0.023, "$ a GB and month", "S3 standard, list price of 2025"),
    "puts": Assumption(5.0, "$ for a million writes", "S3 PUT, list price of 2025"),
    "prompt": Assumption(
        0.15, "$ for a million prompt tokens", "a small hosted model (gpt-4o-mini), list price of 2025"
    ),
    "completion": Assumption(0.60, "$ for a million written tokens", "the same"),
    "requests": Assumption(10_000, "requests a minute", "a hosted model's usual limit of 2025"),
    "peak": Assumption(312e12, "FLOP/s", "A100, bfloat16, data sheet"),
    "mfu": Assumption(0.40, "of the peak in training", "usual for ZeRO on one host; with recomputation, 6 N counted"),
    "mfu_scoring": Assumption(0.25, "of the peak in scoring", "short batches"),
    "question_tokens": Assumption(1_500, "tokens a question", "three shots and the question"),
    "head_memory": Assumption(32 * GIB, "bytes", "m7i.2xlarge, the head of cluster.yaml"),
    "store_memory": Assumption(16 * 64 * GIB * 0.3, "bytes", "object stores of 16 m7i.4xlarge: 30 % of the memory"),
    "training_gpus": Assumption(32, "GPUs", "four hosts of eight, the group gpu_train of cluster.yaml"),
    "patience": Assumption(7 * 24, "hours", "longest that one step should take"),
}
QUESTIONS = 17_737  # of XMedBench
MODELS = {"0.5B": 0.5e9, "7B": 7e9}  # parameters, nominal
OPTIMIZER_BYTES = 16  # a parameter: weights and gradients in 16 bits, master weights and two moments in 32


@dataclass(frozen=True)
class Rates:
    """Measured by scale.py on this machine; CPU seconds are of all processes, without Ray's start."""

    start_cpu_s: float  # Ray's start and stop, once a step
    start_wall_s: float
    documents_cpu_s_mb: float  # the corpus stage on documents, all rules on
    documents_wall_s_mb: float
    conversations_cpu_s_mb: float  # on conversations
    document_bytes: float  # of text a row
    conversation_bytes: float
    written: float  # bytes of Parquet for a byte of text
    driver_bytes_row: float  # of the corpus driver
    rewrite_cpu_s_call: float  # the whole rewrite stage, checks included
    asking_cpu_s_call: float  # of it in the one process that asks
    ledger_bytes_call: float
    passage_fill: dict[str, float]  # mean tokens of a passage over the limit, by language
    template_tokens: dict[str, tuple[float, float]]  # of the question and the answer prompt
    mix_cpu_s_mb: float
    mix_bytes_token: float  # of Arrow
    mix_driver_bytes_row: float


def corpus(rates: Rates, size_mb: float) -> tuple[float, float, float]:
    """(CPU seconds, wall seconds, MB written) of the corpus stage on so much text, on this machine."""
    cpu = rates.start_cpu_s + rates.documents_cpu_s_mb * size_mb
    wall = rates.start_wall_s + rates.documents_wall_s_mb * size_mb
    return cpu, wall, rates.written * size_mb


@dataclass
class Stage:
    """One row of the table; dollars follow from the rest."""

    name: str
    cpu_h: float = 0.0
    gpu_h: float = 0.0
    written: float = 0.0  # bytes
    writes: float = 0.0  # objects
    calls: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0

    @property
    def dollars(self) -> dict[str, float]:
        def price(name: str) -> float:
            return ASSUMED[name].value

        return {
            "cpu": self.cpu_h * price("cpu"),
            "gpu": self.gpu_h * price("gpu"),
            "storage": self.written / 1e9 * price("storage") + self.writes / 1e6 * price("puts"),
            "llm": (self.prompt_tokens * price("prompt") + self.completion_tokens * price("completion")) / 1e6,
        }


def texts(scale: float) -> Iterator[tuple[str, str, float]]:
    """(type, language, tokens) of what is rewritten."""
    for kind in TEXT:
        for lang, millions in CORPORA[kind].items():
            yield kind, lang, millions * 1e6 * scale


def instructions(scale: float) -> Iterator[tuple[str, str, float]]:
    for kind in CORPORA.keys() - set(TEXT):
        for lang, millions in CORPORA[kind].items():
            yield kind, lang, millions * 1e6 * scale


def in_bytes(parts: Iterator[tuple[str, str, float]]) -> float:
    return sum(tokens * BYTES_PER_TOKEN[lang] for _, lang, tokens in parts)


def trained_tokens(scale: float) -> float:
    """Of one pass over the stream: pairs once, instructions as often as the paper has them."""
    pairs = sum(tokens for _, _, tokens in texts(scale)) / TEXT_OVER_PAIRS
    return pairs + sum(
        tokens * (EPOCHS_OF_INSTRUCTIONS if kind in ("exams", "general") else 1)
        for kind, _, tokens in instructions(scale)
    )


def rewriting(rates: Rates, scale: float, limits: dict[str, int]) -> Stage:
    """Two calls a passage, one where a dialogue is made of it."""
    stage = Stage("rewrite")
    for kind, lang, tokens in texts(scale):
        passages = tokens / (limits.get(lang, limits["default"]) * rates.passage_fill[lang])
        question, answer = rates.template_tokens[lang]
        stage.calls += passages * (1 if kind == "dialogues" else 2)
        stage.prompt_tokens += tokens + passages * question
        if kind != "dialogues":
            stage.prompt_tokens += tokens + passages * answer
        stage.completion_tokens += tokens / TEXT_OVER_PAIRS
    stage.cpu_h = stage.calls * rates.rewrite_cpu_s_call / 3600
    stage.written = in_bytes(texts(scale)) / TEXT_OVER_PAIRS * rates.written + stage.calls * rates.ledger_bytes_call
    stage.writes = stage.calls
    return stage


def stages(rates: Rates, scale: float, limits: dict[str, int]) -> list[Stage]:
    """Every stage of the recipe on `scale` times ApolloCorpora."""
    text, chat = in_bytes(texts(scale)), in_bytes(instructions(scale))
    pairs = text / TEXT_OVER_PAIRS
    tokens = trained_tokens(scale)
    found = [
        Stage(
            "corpus",
            cpu_h=(rates.documents_cpu_s_mb * text + rates.conversations_cpu_s_mb * chat) / MB / 3600,
            written=2 * (text + chat) * rates.written,  # prepared parts, then data: the first are removed
            writes=4 * (text + chat) / (8 * 2**20),
        ),
        rewriting(rates, scale, limits),
        Stage(
            "mix",
            cpu_h=rates.mix_cpu_s_mb * (pairs + chat) / MB / 3600,
            written=2 * tokens * rates.mix_bytes_token,
            writes=2 * tokens / 4096 / 1024,
        ),
    ]
    for name, parameters in MODELS.items():
        flops = ASSUMED["peak"].value * ASSUMED["mfu"].value
        gpu_h = 6 * parameters * tokens / flops / 3600
        found.append(Stage(f"train {name}", gpu_h=gpu_h, written=4 * OPTIMIZER_BYTES * parameters, writes=4 * 64))
    scored = QUESTIONS * ASSUMED["question_tokens"].value * 2 * (MODELS["7B"] + 2 * MODELS["0.5B"])
    flops = ASSUMED["peak"].value * ASSUMED["mfu_scoring"].value
    found.append(Stage("evaluate", gpu_h=scored / flops / 3600, written=QUESTIONS * 3_000.0, writes=QUESTIONS))
    return found


@dataclass(frozen=True)
class Limit:
    """Something that is used up. `at_one` is its use at ApolloCorpora's size; all grow in proportion to it."""

    name: str
    at_one: float
    limit: float
    unit: str
    way_out: str

    @property
    def breaks_at(self) -> float:
        """Times ApolloCorpora."""
        return self.limit / self.at_one


def shuffle(rates: Rates, scale: float) -> dict[str, float]:
    """Sizes of the search for near copies: all bytes of band keys meet by key."""
    rows = in_bytes(texts(scale)) / rates.document_bytes
    keys = rows * minhash.BANDS * BAND_ROW_BYTES
    kept = rows * (minhash.BANDS * 8 + minhash.SKETCH_BYTES)
    return {"rows": rows, "keys": keys, "partitions": keys / BYTES_PER_PARTITION, "signatures": kept}


def limits_of(rates: Rates, limits: dict[str, int]) -> list[Limit]:
    """What breaks, the first first."""
    asked, assumed = rewriting(rates, 1, limits), ASSUMED
    rows = shuffle(rates, 1)
    trained = next(stage for stage in stages(rates, 1, limits) if stage.name == "train 7B")
    examples = (in_bytes(texts(1)) / TEXT_OVER_PAIRS + 2 * in_bytes(instructions(1))) / rates.conversation_bytes
    hours = assumed["patience"].value
    found = [
        Limit("the LLM's request limit", asked.calls / assumed["requests"].value / 60, hours, "h",
              "a higher limit, or vLLM on the cluster"),
        Limit("the one process that asks", asked.calls * rates.asking_cpu_s_call / 3600, hours, "h",
              "several rewrite steps, each with a share of the documents"),
        Limit("training 7B", trained.gpu_h / assumed["training_gpus"].value, hours, "h", "more hosts"),
        Limit("memory of the corpus driver", rows["rows"] * rates.driver_bytes_row, assumed["head_memory"].value,
              "bytes", "a larger head; several corpus steps, near copies then only within each"),
        Limit("memory of the mix driver", examples * rates.mix_driver_bytes_row, assumed["head_memory"].value,
              "bytes", "a larger head"),
        Limit("signatures in the object stores", rows["signatures"], assumed["store_memory"].value,
              "bytes", "more hosts, or disks to spill to"),
        Limit("band keys in the object stores", rows["keys"], assumed["store_memory"].value,
              "bytes", "more hosts, or disks to spill to"),
    ]  # fmt: skip
    return sorted(found, key=lambda limit: limit.breaks_at)

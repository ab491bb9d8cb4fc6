"""Rewrite on Ray Data: documents to passages, an engine to replies, checks, one writing pass.

    documents -> passages -> what the ledger lacks -> an endpoint (from the driver) or vLLM (replicas) -> ledger
    documents -> passages -> replies of the ledger -> checks -> questions asked twice -> parts

Passages are cut anew in each pass: that is cheaper than to keep them, and the same whatever the cluster.
"""

import json
from functools import cache
from typing import Any

import pyarrow as pa
import ray
import ray.data
from tokenizers import Tokenizer

from apollo_ray import dataset, leaks, refusals
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.records import CONVERSATION, DOCUMENT
from apollo_ray.refusals import with_refusals
from apollo_ray.rewrite import estimate as estimates
from apollo_ray.rewrite import openai_engine, prompts, rows, summary, template_engine
from apollo_ray.rewrite.estimate import Estimate
from apollo_ray.rewrite.ledger import Ledger, Reply
from apollo_ray.rewrite.openai_engine import Progress
from apollo_ray.rewrite.rows import Unit
from apollo_ray.rewrite.script import Script
from apollo_ray.rewrite.segment import Count, Passage, estimated_tokens
from apollo_ray.rewrite.settings import OpenAIEngine, StageSettings, TemplateEngine, VLLMEngine
from apollo_ray.rewrite.turns import Written, written_by_llm
from apollo_ray.rewrite.verify import Refusal
from apollo_ray.step import Context, Result
from apollo_ray.store import Store

NO_PATTERN = Refusal("no_pattern", "the template engine needs a title, and asks about openings and headings only")


def run(context: Context[StageSettings]) -> Result:
    """One conversation or one refusal for every passage. Raises UserError where nothing is kept."""
    settings = context.settings
    job = _Job(context)
    number = sum(context.input(name).rows for name in settings.documents)
    context.say(f"{number} documents, engine {job.engine_name}")
    if isinstance(settings.engine, OpenAIEngine):
        _ask_endpoint(job, settings.engine)
    elif isinstance(settings.engine, VLLMEngine):
        _ask_vllm(job, settings.engine)
    checked = job.passes(_check).materialize()
    keys = pa.concat_tables(
        [
            rows.PREPARED.empty_table().select(["question_key", "unit"]),
            *checked.select_columns(["question_key", "unit"]).iter_batches(batch_size=None, batch_format="pyarrow"),
        ]
    )
    again = rows.repeated(keys["question_key"].to_pylist(), keys["unit"].to_pylist())
    once = checked.map_batches(_mark_repeated, fn_args=(ray.put(again),), batch_format="pyarrow", batch_size=None)
    data, dropped, tally, said = dataset.write_rows(
        once, context, CONVERSATION, summary.summarise, (*rows.NOTES.names,)
    )
    counts = refusals.counts("passage", tally)
    if not counts.kept:
        raise UserError(f"steps.{context.step}: of {counts.read} passages none gave a pair: {counts.dropped}")
    prices = [getattr(settings.engine, name, None) for name in ("input_price", "output_price")]
    told, overlaps = summary.merge(said, *prices)
    ledger = [context.store.write_table(f"{context.directory}/overlaps", overlaps)] if overlaps.num_rows else []
    told |= {
        "by_language": refusals.funnel(tally, "language"),
        "documents": number,
        "engine": job.engine_name,
        "prompts": job.prompts.version,
    }
    return Result(counts, data=data, dropped=dropped, extra=ledger, summary=told)


def estimate(context: Context[StageSettings]) -> dict[str, Any]:
    """Passages, calls, tokens and money of a step that would run now. Asks nobody."""
    job = _Job(context)
    parts = job.passes(_estimate)
    total = Estimate()
    for row in parts.take_all():
        total.add(Estimate.from_json(row["told"]))
    engine = context.settings.engine
    prices = [getattr(engine, name, None) for name in ("input_price", "output_price")]
    return total.as_json(*prices) | {"engine": job.engine_name}


class _Job:
    """What all passes of a step share."""

    def __init__(self, context: Context[StageSettings]) -> None:
        self.context, self.settings = context, context.settings
        try:
            self.prompts = prompts.load(self.settings.prompts)
        except UserError as error:
            raise UserError(f"steps.{context.step}.{error}") from None
        engine = self.settings.engine
        self.engine_name = engine.kind if isinstance(engine, TemplateEngine) else engine.model
        self.script = (
            None if isinstance(engine, TemplateEngine) else Script.of(self.settings, self.prompts, self._model())
        )
        chosen = self.settings.decontaminate
        self.index = leaks.load_index(chosen, f"steps.{context.step}") if chosen else None
        self.tokenizer = self._tokenizer()
        self._shared: ray.ObjectRef | None = None

    def _model(self) -> str:
        """Identity of the model in the ledger's keys: a step by its fingerprint."""
        engine = self.settings.engine
        assert not isinstance(engine, TemplateEngine)
        manifest = self.context.inputs.get(engine.model) if isinstance(engine, VLLMEngine) else None
        return f"{engine.model}@{manifest.fingerprint}" if manifest else engine.model

    def _tokenizer(self) -> str | None:
        name = self.settings.tokenizer
        if name is None:
            return None
        from transformers import AutoTokenizer

        try:
            found = AutoTokenizer.from_pretrained(self.context.folder(name, "tokenizer"))
        except (OSError, ValueError) as error:
            raise UserError(f"steps.{self.context.step}.tokenizer: {name!r} cannot be loaded: {error}") from error
        if not found.is_fast:
            raise UserError(
                f"steps.{self.context.step}.tokenizer: {name!r} has no tokenizer.json; a fast one is needed"
            )
        return str(found.backend_tokenizer.to_str())

    def passes(self, function: Any) -> ray.data.Dataset:
        """`function` over the documents; it gets `shared` as well."""
        documents = dataset.read_parts(self.context, list(self.settings.documents), DOCUMENT)
        return documents.map_batches(
            function, fn_args=(self.shared(),), batch_format="pyarrow", batch_size=None, zero_copy_batch=True
        )

    def shared(self) -> Any:
        """A reference to what workers need."""
        if self._shared is None:
            self._shared = ray.put(
                (
                    self.settings,
                    self.context.store,
                    self.prompts,
                    self.script,
                    self.index,
                    self.tokenizer,
                    self.engine_name,
                )
            )
        return [self._shared]  # in a list, so that a task gets the reference and unpacks it once a process


@cache
def _unpacked(reference: Any) -> "_Tools":
    return _Tools(*ray.get(reference))


class _Tools:
    """A worker process's copy of what passes share."""

    def __init__(
        self, settings: StageSettings, store: Store, asking: Any, script: Any, index: Any, tokenizer: Any, engine: str
    ) -> None:
        self.settings, self.ledger, self.prompts, self.script = settings, Ledger(store), asking, script
        self.index, self.engine = index, engine
        self.count: dict[str, Count] = {}
        if tokenizer is None:
            self.count = {lang: estimated_tokens(lang) for lang in ("default", "zh")}
        else:
            encoder = Tokenizer.from_str(tokenizer)
            self.count["default"] = lambda texts: [
                len(one.ids) for one in encoder.encode_batch(list(texts), add_special_tokens=False)
            ]

    def units(self, documents: pa.Table) -> list[Unit]:
        return rows.units(documents, self.settings, self.count)


def _ask_endpoint(job: _Job, engine: OpenAIEngine) -> None:
    assert job.script is not None
    say = job.context.say
    passages = job.passes(_todo)
    todo = ((Passage.from_json(row["passage"]), row["form"]) for row in passages.iter_rows())

    def watch(seen: Progress) -> None:
        money = f", {seen.spent.money:.2f} spent" if engine.input_price is not None else ""
        say(
            f"{seen.passages} passages answered ({seen.spent.calls} calls, {seen.kept} of them kept from before, "
            f"{seen.retries} tried again, {seen.spent.prompt_tokens + seen.spent.completion_tokens} tokens{money})"
        )

    watch(openai_engine.ask_all(todo, job.script, engine, Ledger(job.context.store), watch))


def _ask_vllm(job: _Job, engine: VLLMEngine) -> None:
    """Questions and dialogues, then answers, then checks: a batch's replies are in the ledger when it is done."""
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    folder = job.context.folder(engine.model, "model")
    kwargs: dict[str, Any] = dict(engine.engine_kwargs)
    options: dict[str, Any] = {}
    if engine.gpus_per_replica > 1:
        kwargs["tensor_parallel_size"] = engine.gpus_per_replica
    if not engine.gpus_per_replica:
        # Ray's own default, a GPU a replica, would wait for ever, and on CPUs vLLM 0.32 dies of a request with a seed
        # whose prompt it reads in parts ("CPU Generator does not use offset").
        options["placement_group_config"] = {"bundles": [{"CPU": 1, "GPU": 0}]}
        kwargs.setdefault("enable_chunked_prefill", False)
    config = vLLMEngineProcessorConfig(
        model_source=folder,
        engine_kwargs=kwargs,
        concurrency=(1, engine.replicas),
        batch_size=engine.batch_size,
        chat_template_stage={"enabled": True},
        tokenize_stage={"enabled": True},
        detokenize_stage={"enabled": False},  # vLLM's own, so that an answer is the same as over HTTP
        **options,
    )
    store = job.context.store

    def before(row: dict[str, Any]) -> dict[str, Any]:
        return {
            "messages": [{"role": "user", "content": row["prompt"]}],
            "sampling_params": json.loads(row["sampling"]),
            "key": row["key"],
            "model_name": engine.model,
        }

    for phase in ("questions", "answers", *(["checks"] if job.settings.verify.judge else [])):
        missing = job.passes(_missing)
        number = missing.count()
        job.context.say(f"{number} {phase} to ask of vLLM")
        if number:
            asked = build_processor(config, preprocess=before)(missing)
            asked.map_batches(
                _keep, fn_args=(store, engine.max_tokens), batch_format="pyarrow", batch_size=None
            ).materialize()


def _keep(batch: pa.Table, store: Store, max_tokens: int) -> pa.Table:
    ledger = Ledger(store)
    for row in batch.to_pylist():
        # ray.data.llm hands on no finish reason; an answer of all tokens that it may have was cut.
        finish = "length" if int(row.get("num_generated_tokens") or 0) >= max_tokens else "stop"
        ledger.put(
            row["key"],
            Reply(
                row["generated_text"] or "",
                finish,
                row.get("model_name") or "",
                int(row.get("num_input_tokens") or 0),
                int(row.get("num_generated_tokens") or 0),
            ),
        )
    return pa.table({"kept": [batch.num_rows]})


def _todo(documents: pa.Table, shared: list[Any]) -> pa.Table:
    tools = _unpacked(shared[0])
    asked = [unit for unit in tools.units(documents) if unit.turns is None]
    return pa.table(
        {
            "passage": pa.array([unit.passage.to_json() for unit in asked], pa.string()),
            "form": pa.array([unit.form for unit in asked], pa.string()),
        }
    )


def _missing(documents: pa.Table, shared: list[Any]) -> pa.Table:
    """Prompts that the ledger lacks, each once."""
    tools = _unpacked(shared[0])
    calls = {}
    for unit in tools.units(documents):
        if unit.turns is None:
            _, missing = tools.script.replay(unit.passage, unit.form, tools.ledger.get)
            if missing:
                calls[missing.key] = {"prompt": missing.prompt, "sampling": json.dumps(missing.sampling)}
    rows = [{"key": key, **call} for key, call in calls.items()]
    return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in ("key", "prompt", "sampling")]))


def _check(documents: pa.Table, shared: list[Any]) -> pa.Table:
    tools = _unpacked(shared[0])
    settings = tools.settings
    made = []
    for unit in tools.units(documents):
        if unit.turns:
            written, engine, asked = Written(unit.turns), "dialogue", None
        elif tools.script is None:
            question = template_engine.question_for(unit.passage)
            written = Written([question, unit.passage.text]) if question else Written([], NO_PATTERN)
            engine, asked = tools.engine, None
        else:
            written, engine = _replayed(unit, tools), tools.engine
            asked = (tools.prompts.version, tools.prompts.hash_of(unit.passage.lang))
        made.append(rows.conversation(unit, written, rows.judged(unit, written, settings), engine, asked))
    if settings.decontaminate and tools.index is not None:
        made = rows.refuse_leaks(made, tools.index, settings.decontaminate)
    return pa.Table.from_pylist(made, rows.PREPARED)


def _replayed(unit: Unit, tools: _Tools) -> Written:
    replies, missing = tools.script.replay(unit.passage, unit.form, tools.ledger.get)
    if missing:
        raise ServiceError(f"the answer {missing.key} has gone from the ledger under way; run the same command again")
    return written_by_llm(unit.form, unit.passage, replies, tools.settings.verify)


def _estimate(documents: pa.Table, shared: list[Any]) -> pa.Table:
    tools = _unpacked(shared[0])
    return pa.table({"told": [estimates.estimate(tools.units(documents), tools.script, tools.ledger).to_json()]})


def _mark_repeated(table: pa.Table, again: Any) -> pa.Table:
    dropped: dict[str, str] = ray.get(again) if isinstance(again, ray.ObjectRef) else again
    first = [dropped.get(unit) for unit in table["unit"].to_pylist()]
    reasons = ["repeated_question" if unit else None for unit in first]
    details = [f"asked as well about passage {unit}" if unit else None for unit in first]
    return with_refusals(table, "verify", reasons, details)

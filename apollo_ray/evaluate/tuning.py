"""Asks an ensemble at every alpha of a grid about the dev items of an evaluate step: what `apollo tune-alpha` runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from apollo_ray.errors import UserError
from apollo_ray.evaluate import asking, strengths
from apollo_ray.evaluate.reading import read
from apollo_ray.evaluate.settings import LocalEnsemble, StageSettings
from apollo_ray.evaluate.stage import answered, check_endpoint
from apollo_ray.step import Context

SINGLE = ("base", "expert", "anti_expert")


def tune(context: Context[StageSettings], alphas: Sequence[float], by: strengths.Measure | None) -> dict[str, Any]:
    """What `strengths.tune` finds, with how many items it was asked about (`asked`) and which were not (`left_out`).

    The ensemble is that of the endpoint, or the one local ensemble. Answers are kept, so a second call asks only what
    is new. Raises UserError where there is no ensemble, or no dev item is left that test does not have.
    """
    settings, tried = context.settings, strengths.grid(alphas)
    check_endpoint(context)
    if not any(benchmark.dev for benchmark in settings.benchmarks):
        raise UserError(
            f"steps.{context.step}.benchmarks: alpha is tuned on dev items, never on those of a reported score; give "
            "dev: a file that shares nothing with path"
        )
    reading = read(settings)
    shown = [shot for shots in reading.chosen.values() for shot in shots]
    items, left_out = strengths.dev_items(reading.pool, reading.dev, shown)
    in_test = left_out[strengths.IN_TEST]
    if not items:
        raise UserError(
            f"steps.{context.step}.benchmarks: no dev item is left to tune on: {in_test} of {len(reading.dev)} stand "
            "in test, whose scores they would choose"
        )
    if in_test:
        context.say(f"warning: {in_test} of {len(reading.dev)} dev items stand in test and are left out")
    models, names = _at(context, tried)
    changed = settings.model_copy(update={"models": models, "methods": ("loglikelihood",)})
    jobs = asking.plan_jobs(strengths.first(items, settings.limit), changed, reading.shots_of)
    context.say(f"{len(jobs)} answers to ask for, at {len(tried)} alphas")
    outcomes = answered(replace(context, settings=changed), jobs)
    rows = [outcome.answer for outcome in outcomes if outcome.answer is not None]
    if not rows:
        raise UserError(f"{settings.endpoint or 'models'}: no request was answered; the first: {outcomes[0].detail}")
    asked = Counter((row["lang"], row["method"]) for row in rows if names[row["model"]] == 0)
    counted = [{"lang": lang, "method": method, "answers": number} for (lang, method), number in asked.items()]
    return strengths.tune(rows, names, by) | {"asked": counted, "left_out": left_out}


def _at(context: Context[StageSettings], alphas: Sequence[float]) -> tuple[tuple[Any, ...], dict[str, float]]:
    """(the ensemble at each alpha as settings have models, name -> alpha)."""
    settings = context.settings
    if settings.endpoint:
        step = context.inputs.get(settings.endpoint)
        mixed = [name.partition("@")[0] for name in settings.names if name not in SINGLE]
        name = step.settings["model_name"] if step else next(iter(mixed), "ensemble")
        names = {f"{name}@{alpha:g}": alpha for alpha in alphas}
        return tuple(names), names
    ensembles = [model for model in settings.models if isinstance(model, LocalEnsemble)]
    parts = {(model.base, model.expert, model.anti_expert) for model in ensembles}
    if len(parts) != 1:
        raise UserError(f"steps.{context.step}.models: one ensemble is needed to tune, there are {len(parts)}")
    made = [ensembles[0].model_copy(update={"name": f"at {alpha:g}", "alpha": alpha}) for alpha in alphas]
    return tuple(made), {model.name: model.alpha for model in made}

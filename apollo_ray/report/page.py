"""The report as one HTML page that needs nothing but itself: no script, no network, no fonts."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from apollo_ray.errors import UserError
from apollo_ray.planning import PlannedStep
from apollo_ray.report import curation_plots, experiment_plots, plots
from apollo_ray.report.collect import collect
from apollo_ray.report.contents import BASE, CHANCE, ENSEMBLE, Report, percent, shown, total
from apollo_ray.report.croissant import as_json, croissant
from apollo_ray.report.curation import PAPER_RULE, Limits
from apollo_ray.report.experiments import signed
from apollo_ray.report.signatures import away
from apollo_ray.store import Store

CROISSANT = ".croissant.json"


def write(store: Store, config_name: str, steps: list[PlannedStep], target: str | None) -> str:
    """Write the page as reports/{run}.html in the store, or to the local path `target`; returns where it lies.

    Croissant metadata of the run's text goes beside it as {run}.croissant.json. Raises UserError where the two cannot
    be written, ServiceError where the rows of a train step cannot be read.
    """
    report = collect(store, config_name, steps)
    html = render(report).encode("utf-8", "replace")  # a model's answer can hold half a surrogate pair
    metadata = as_json(croissant(report, store))
    if target is not None:
        file = Path(target).expanduser().absolute()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(html)
            file.with_suffix(CROISSANT).write_bytes(metadata)
        except OSError as error:
            raise UserError(f"{file}: the report cannot be written: {error.strerror}") from error
        return str(file)
    name = f"{config_name}.html"
    try:
        store.write(store.path("reports", name), html)
        store.write(store.path("reports", f"{config_name}{CROISSANT}"), metadata)
    except OSError as error:
        raise UserError(f"{store.address('reports', name)}: the report cannot be written: {error}") from error
    return store.address("reports", name)


def render(report: Report) -> str:
    """The page. All text of the data is escaped; the same report gives the same text."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            charts=_charts(report),
            base=BASE,
            ensemble=ENSEMBLE,
            chance=CHANCE,
            paper_rule=PAPER_RULE,
            most_languages=curation_plots.MAX_LANGUAGES,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": shown,
        "percent": percent,
        "signed": signed,
        "away": away,
        "limit": _limit,
        "total": total,
        "title": curation_plots.title,
    }
    return environment


def _template(name: str) -> str:
    return resources.files("apollo_ray.report").joinpath(name).read_text(encoding="utf-8")


def _limit(limits: Limits) -> str:
    """What is kept, in words short enough for a cell."""
    low, high = ("" if value is None else f"{value:,.3g}" for value in limits)
    if low and high:
        return f"{low} to {high}"
    return f"at least {low}" if low else f"at most {high}" if high else "-"


def _charts(report: Report) -> dict[str, Any]:
    """Charts of each section in the order of its data; None where there is nothing to draw."""
    curves = tuple(training for training in report.trainings if training.curve)
    charts: dict[str, Any] = {
        "funnels": [
            plots.funnel(item, f"funnel{n}") if item.languages else None for n, item in enumerate(report.funnels)
        ],
        "lengths": [
            curation_plots.lengths(item, f"lengths{n}") if item.lengths else None
            for n, item in enumerate(report.curations)
        ],
        "measures": [
            curation_plots.measures(item, f"measures{n}") if item.histograms else None
            for n, item in enumerate(report.curations)
        ],
        "mixes": [plots.stream(item, f"mix{n}") if item.shares else None for n, item in enumerate(report.mixes)],
        "losses": [plots.losses(curves, "loss")] if curves else [],
        "held_out": [
            plots.held_out(training, f"held{n}") if training.summary.get("held_out") else None
            for n, training in enumerate(report.trainings)
        ],
        "perplexities": [plots.perplexity(item, f"perplexity{n}") for n, item in enumerate(report.perplexities)],
        "accuracies": [plots.accuracy(item, f"accuracy{n}") for n, item in enumerate(report.accuracies)],
    }
    charts["experiments"] = [
        [experiment_plots.differences(outcomes, f"experiment{n}-{m}") for m, outcomes in enumerate(item.outcomes)]
        for n, item in enumerate(report.experiments)
    ]
    return {name: _marked(group) for name, group in charts.items()}


def _marked(group: Any) -> Any:
    """Charts are markup of our own making, in which matplotlib has escaped the labels."""
    if isinstance(group, list):
        return [_marked(item) for item in group]
    return Markup(group) if group else None

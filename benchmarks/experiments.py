"""Tables of the experiments in Markdown, from finished stores: python benchmarks/experiments.py STORE...

    apollo run jobs/configs/experiments/languages.yaml
    python benchmarks/experiments.py runs/languages runs/rewriting runs/sizes

Each cell is the value, then its difference from the arm that it is held against, with a 95 % interval of the difference
on the same items. The minutes are those of all steps together, from the manifests.
"""

import sys

from apollo_ray.finished import FinishedRun, read_run
from apollo_ray.report.experiments import Experiment, Measured, Outcomes, signed


def main(stores: list[str]) -> None:
    for uri in stores:
        run = read_run(uri)
        for experiment in run.report.experiments:
            print(f"## {experiment.question}\n\n{_told(run, experiment)}\n")
            for outcomes in experiment.outcomes:
                print(f"{_table(experiment, outcomes)}\n")


def _told(run: FinishedRun, experiment: Experiment) -> str:
    seconds = sum(step.seconds or 0.0 for step in run.report.steps)
    spread = ""
    if experiment.spread is not None:
        spread = f" Training tokens of the arms differ by {experiment.spread:.1%} at most."
    return (
        f"Run `{run.name}`: {len(run.manifests)} steps, {seconds / 60:.1f} minutes of their own.{spread} "
        f"What it cannot show: {experiment.limits}"
    )


def _table(experiment: Experiment, outcomes: Outcomes) -> str:
    counted = outcomes.counted
    unit = "nats per token of reference answers, less is better" if outcomes.less_is_better else "accuracy in %"
    lines = [
        f"{outcomes.benchmark}, {outcomes.method}: {unit}. Of {sum(counted.values())} differences in single languages "
        f"{counted['better']} are better, {counted['worse']} worse, {counted['not told apart']} not told apart.",
        "",
        f"| arm | against | {' | '.join(outcomes.languages)} |",
        f"|---|---|{'---|' * len(outcomes.languages)}",
    ]
    for arm in experiment.arms:
        cells = [_cell(outcomes, outcomes.cells.get((arm.name, lang))) for lang in outcomes.languages]
        lines.append(f"| {arm.name} | {arm.against or '-'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(outcomes: Outcomes, cell: Measured | None) -> str:
    if cell is None:
        return "-"
    many, digits = (1, 2) if outcomes.less_is_better else (100, 1)
    value = f"{many * cell.value:.{digits}f}"
    if cell.difference is None or cell.difference_low is None or cell.difference_high is None:
        return value
    mark = {"better": " *", "worse": " !"}.get(outcomes.told(cell), "")
    ends = (many * end for end in (cell.difference, cell.difference_low, cell.difference_high))
    away, low, high = (signed(end, digits) for end in ends)
    return f"{value} ({away}; {low} to {high}){mark}"


if __name__ == "__main__":
    main(sys.argv[1:])

"""The verdict: how the ensemble stands against its base, where it is worse, and a line for each experiment."""

from typing import Any

from apollo_ray.report.contents import BASE, CHANCE, ENSEMBLE, EXPERT, Accuracies, Perplexities, percent
from apollo_ray.report.experiments import Experiment


def on_perplexity(groups: tuple[Perplexities, ...]) -> str:
    found = _ratios(groups, BASE)
    if not found:
        return "Perplexity of the ensemble against the base on held-out text: not measured."
    better = sum(ratio < 1 for ratio in found.values())
    names = _names(list(found))
    worse = ", ".join(f"{names[key]} ({ratio:.2f} times)" for key, ratio in found.items() if ratio > 1)
    line = (
        f"On held-out text the ensemble has a lower perplexity than the base in {better} of {_number(found)}; "
        f"it is worse in {worse or 'none'}."
    )
    against_expert = _ratios(groups, EXPERT)
    beaten = sum(ratio > 1 for ratio in against_expert.values())
    return line + (
        f" The expert alone is lower than the ensemble in {beaten} of {len(against_expert)}." if beaten else ""
    )


def _ratios(groups: tuple[Perplexities, ...], to: str) -> dict[tuple[str, ...], float]:
    """(step, benchmark, language) -> ensemble over `to`, where both were measured on the same tokens."""
    ratios = {
        (group.step, group.benchmark, lang): group.ratio(lang, to) for group in groups for lang in group.languages
    }
    return {key: ratio for key, ratio in ratios.items() if ratio is not None}


def on_accuracy(groups: tuple[Accuracies, ...]) -> str:
    both = {
        (group.step, group.benchmark, group.method, lang): (
            group.scores.get((lang, ENSEMBLE)),
            group.scores.get((lang, BASE)),
        )
        for group in groups
        for lang in group.languages
    }
    pairs = {
        key: (ensemble, base)
        for key, (ensemble, base) in both.items()
        if ensemble and base and ensemble.measured and base.measured
    }
    if not pairs:
        return "Accuracy of the ensemble against the base on choice questions: not measured."
    names = _names(list(pairs))
    better = sum(ensemble.accuracy > base.accuracy for ensemble, base in pairs.values())
    worse = [names[key] for key, (ensemble, base) in pairs.items() if ensemble.accuracy < base.accuracy]
    apart = sum(ensemble.low > base.high or ensemble.high < base.low for ensemble, base in pairs.values())
    above = sum(ensemble.low > CHANCE for ensemble, _ in pairs.values())
    less = ", ".join(worse) or "none"
    return (
        f"On choice questions the ensemble is right more often than the base in {better} of {_number(pairs)} "
        f"and less often in {less}; the 95 % intervals of the two are apart in {apart}, and its own lies above "
        f"chance with four options ({percent(CHANCE, 0)}) in {above}."
    )


def on_experiment(experiment: Experiment) -> str:
    found = []
    for outcomes in experiment.outcomes:
        counted = outcomes.counted
        measure = "nats per token" if outcomes.less_is_better else f"accuracy, {outcomes.method}"
        found.append(
            f"{outcomes.benchmark} ({measure}): of {sum(counted.values())} differences in single languages "
            f"{counted['better']} better, {counted['worse']} worse"
        )
    return f"{experiment.question} {'; '.join(found) or 'Not measured'}."


def _number(pairs: dict[Any, Any]) -> str:
    languages = {key[-1] for key in pairs}
    if len(languages) == len(pairs):
        return f"{len(pairs)} language{'s' if len(pairs) != 1 else ''}"
    return f"{len(pairs)} comparisons in {len(languages)} language{'s' if len(languages) != 1 else ''}"


def _names(keys: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The language alone where that says enough, else with what tells it from the others (benchmark, method, step)."""
    telling = [place for place in range(len(keys[0]) - 1) if len({key[place] for key in keys}) > 1]
    return {key: key[-1] + (f" [{', '.join(key[place] for place in telling)}]" if telling else "") for key in keys}

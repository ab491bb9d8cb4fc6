"""The report's tables for a terminal."""

import unicodedata

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from apollo_ray.planning import PlannedStep
from apollo_ray.report.collect import collect
from apollo_ray.report.contents import BASE, Accuracies, Perplexities, Report, percent, shown
from apollo_ray.report.curation import PAPER_RULE, Curation, Leaks
from apollo_ray.report.signatures import Held, Signatures, away
from apollo_ray.store import Store

MAX_CHARACTERS = 300  # of a question or an answer; the page has the whole


def show(console: Console, store: Store, run: str, steps: list[PlannedStep]) -> None:
    """Print steps, text, overlaps, scores, answers, warnings and the verdict, as far as steps are finished."""
    report = collect(store, run, steps)
    tables = [_steps(report)]
    tables += [_text_of(item) for item in report.curations if item.sizes]
    tables += [_leaks(item) for item in report.leaks if item.overlaps.total]
    tables += [*map(_perplexity, report.perplexities), *map(_accuracy, report.accuracies)]
    if report.overall:
        tables.append(_overall(report))
    for found in report.signatures:
        tables += [_held(item) for item in found.held]
        tables += [_drifts(found)] if found.drifts else []
    if report.answers:
        tables.append(_answers(report))
    for table in tables:
        console.print(table)
    for step, text in report.warnings:
        console.print(Text.assemble(("warning ", "bold yellow"), _text(f"{step}: {text}")))
    for line in report.verdict:
        console.print(_text(line))
    console.print(Text("Not a medical device; for research.", style="dim"))


def _steps(report: Report) -> Table:
    table = _table(f"{report.run} in {report.store}", "step")
    for head in ("in", "kept", "dropped", "seconds"):
        table.add_column(head, justify="right", overflow="fold")
    table.add_column("fingerprint", overflow="fold")
    for step in report.steps:
        counts = step.manifest.counts if step.manifest else None
        numbers = [shown(counts.read if counts else None), shown(counts.kept if counts else None), shown(step.dropped)]
        last = _text(step.fingerprint) if counts else Text("not finished", style="yellow")
        table.add_row(_text(step.name), *numbers, shown(step.seconds, 1), last)
    return table


def _text_of(item: Curation) -> Table:
    caption = "kept text; rules find much of the personal data, not all of it"
    table = _table(f"text: {item.step}", "language", caption)
    for head in ("characters", "words", "personal data replaced"):
        table.add_column(head, justify="right", overflow="fold")
    for size in item.languages:
        replaced = shown(item.personal.column_total(size.lang))
        table.add_row(_text(size.lang), shown(size.characters), shown(size.words), replaced)
    return table


def _leaks(item: Leaks) -> Table:
    table = _table(f"overlaps with benchmarks: {item.step}", "benchmark", f"{PAPER_RULE} is the paper's rule")
    for rule in item.overlaps.columns:
        table.add_column(_text(rule), justify="right", overflow="fold")
    for name in item.overlaps.rows:
        numbers = [shown(item.overlaps.values.get((name, rule), 0)) for rule in item.overlaps.columns]
        table.add_row(_text(name), *numbers)
    return table


def _perplexity(group: Perplexities) -> Table:
    table = _table(f"perplexity: {group.benchmark} ({group.step})", "model", caption="* lowest of its language")
    for lang in group.languages:
        table.add_column(_text(lang), justify="right", overflow="fold")
    for model in group.models:
        cells = []
        for lang in group.languages:
            best = model in group.best(lang)
            value = shown(group.values.get((lang, model)), 2)
            cells.append(Text(f"{value}{' *' if best else ''}", style="bold green" if best else ""))
        table.add_row(_text(model), *cells)
    return table


def _accuracy(group: Accuracies) -> Table:
    title = f"accuracy: {group.benchmark}, {group.method} ({group.step})"
    table = _table(title, "model", caption="right / questions; chance with four options is 25 %")
    for lang in group.languages:
        table.add_column(_text(lang), justify="right", overflow="fold")
    for model in group.models:
        scores = [group.scores.get((lang, model)) for lang in group.languages]
        cells = [
            f"{percent(score.accuracy)} {score.correct}/{score.total}" if score and score.measured else "-"
            for score in scores
        ]
        table.add_row(_text(model), *cells)
    return table


def _overall(report: Report) -> Table:
    caption = "each benchmark in a language once, as the paper's mean, and each language once; 95 % intervals"
    table = _table("accuracy over all choice questions", "model", caption)
    for head in ("step", "method"):
        table.add_column(head, overflow="fold")
    for head in ("mean of benchmarks", "mean of languages"):
        table.add_column(head, justify="right", overflow="fold")
    for row in report.overall:
        means = (
            f"{percent(value)} [{percent(low)}, {percent(high)}]"
            for value, low, high in (row.mean_of_benchmarks, row.macro)
        )
        table.add_row(*map(_text, (row.model, row.step, row.method)), *means)
    return table


def _held(item: Held) -> Table:
    what = f"accuracy in points, {item.method}" if item.accuracy else "nats per token, less is better"
    table = _table(f"against {BASE}: {item.benchmark}, {what} ({item.step})", "model", "[95 % interval]; ! declined")
    for lang in item.languages:
        table.add_column(_text(lang), justify="right", overflow="fold")
    for model in item.models:
        cells = []
        for lang in item.languages:
            cell = item.cells.get((lang, model))
            value = f"{away(cell, item.accuracy)}{' !' if cell.declined else ''}" if cell else "-"
            cells.append(Text(value, style="bold red" if cell and cell.declined else ""))
        table.add_row(_text(model), *cells)
    return table


def _drifts(found: Signatures) -> Table:
    caption = "KL and entropy in nats, means over tokens; changed: another token than the base's is likeliest"
    table = _table(f"how far tokens went from {BASE} ({found.step})", "model", caption)
    for head in ("benchmark", "lang", "of"):
        table.add_column(head, overflow="fold")
    for head in ("tokens", f"KL from {BASE}", "entropy", "changed"):
        table.add_column(head, justify="right", overflow="fold")
    for drift in found.drifts:
        of = "texts" if drift.method == "perplexity" else "answers"
        numbers = (shown(drift.tokens), shown(drift.divergence, 3), shown(drift.entropy, 3), percent(drift.flipped))
        table.add_row(*map(_text, (drift.model, drift.benchmark, drift.lang, of)), *numbers)
    return table


def _answers(report: Report) -> Table:
    table = _table("answers", "model")
    for head in ("lang", "question", "answer"):
        table.add_column(head, overflow="fold")
    for answer in report.answers:
        table.add_row(*map(_text, (answer.model, answer.lang, answer.question, answer.text or "(empty)")))
    return table


def _table(title: str, first: str, caption: str | None = None) -> Table:
    table = Table(title=_text(title), caption=caption, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column(first, overflow="fold")
    return table


def _text(value: str) -> Text:
    """Text of the data as it is: no markup of rich in it, no control characters, and not longer than MAX_CHARACTERS."""
    safe = "".join("\ufffd" if unicodedata.category(mark) in ("Cc", "Cs") else mark for mark in " ".join(value.split()))
    return Text(safe if len(safe) <= MAX_CHARACTERS else f"{safe[: MAX_CHARACTERS - 3]}...")

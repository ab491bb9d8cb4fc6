"""The curation part of a report, from the summaries of corpus and rewrite steps. Every key of them may be absent."""

from typing import Any

from apollo_ray.records import LANGUAGES
from apollo_ray.report.contents import KEPT, FunnelRow, RefusedRow, ordered
from apollo_ray.report.curation import PAPER_RULE, Curation, Grid, Histogram, Leaks, Limits, Size
from apollo_ray.report.reading import bins, count, counts, mapping, number, objects, text
from apollo_ray.store import Manifest, Store, step_directory

LENGTH_BINS = 64  # more than the logarithm of any length
MAX_BINS = 200  # of a histogram; a chart shows no more


def funnel_rows(groups: Any) -> tuple[FunnelRow, ...]:
    found = {name: counts(group) for name, group in mapping(groups).items()}
    return tuple(
        FunnelRow(name, found[name].get(KEPT, 0), {key: n for key, n in found[name].items() if key != KEPT})
        for name in ordered(found, LANGUAGES)
    )


def crossed(cells: Any) -> tuple[tuple[str, tuple[FunnelRow, ...]], ...]:
    """language -> the rows of its sources."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for cell in objects(cells):
        reasons = found.setdefault(text(cell.get("lang")), {}).setdefault(text(cell.get("source")), {})
        reason = text(cell.get("reason"))
        reasons[reason] = reasons.get(reason, 0) + count(cell.get("rows"))
    return tuple((lang, funnel_rows(found[lang])) for lang in ordered(found, LANGUAGES))


def refused(samples: Any) -> tuple[RefusedRow, ...]:
    """By reason, then by language."""
    rows = [RefusedRow(*(text(row.get(name)) for name in RefusedRow.__annotations__)) for row in objects(samples)]
    langs = ordered((row.lang for row in rows), LANGUAGES)
    return tuple(sorted(rows, key=lambda row: (row.reason, langs.index(row.lang), row.id, row.text)))


def curation(manifest: Manifest) -> Curation:
    summary, asked = manifest.summary, manifest.settings.get("deidentify")
    return Curation(
        step=manifest.step,
        unit=manifest.counts.unit,
        sizes=_sizes(mapping(summary.get("characters")), mapping(summary.get("words"))),
        lengths=_lengths(mapping(summary.get("lengths"))),
        histograms=_histograms(summary),
        mixed=_grid(summary.get("marked_mixed"), LANGUAGES, LANGUAGES),
        personal=_turned(_grid(summary.get("personal"), LANGUAGES)),
        deidentified=None if asked is None else bool(asked),
    )


def _sizes(characters: dict[str, Any], words: dict[str, Any]) -> tuple[Size, ...]:
    found = []
    for lang in ordered([*characters, *words], LANGUAGES):
        of_characters, of_words = counts(characters.get(lang)), counts(words.get(lang))
        kinds = ordered([*of_characters, *of_words], ())
        found += [Size(lang, kind, of_characters.get(kind, 0), of_words.get(kind, 0)) for kind in kinds]
    return tuple(found)


def _lengths(groups: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    found = {lang: bins(groups[lang], LENGTH_BINS) for lang in ordered(groups, LANGUAGES)}
    return {lang: numbers for lang, numbers in found.items() if any(numbers)}


def _histograms(summary: dict[str, Any]) -> tuple[Histogram, ...]:
    """In the order of `ranges`; a measure without a sound range has no axis to stand on."""
    measures, limits = mapping(summary.get("measures")), mapping(summary.get("limits"))
    found = []
    for measure, value in mapping(summary.get("ranges")).items():
        low, high, size = map(number, value) if isinstance(value, list) and len(value) == 3 else (None, None, None)
        if low is None or high is None or size is None or not (low < high and 1 <= size <= MAX_BINS):
            continue
        groups = mapping(measures.get(measure))
        rows = {lang: bins(groups[lang], int(size)) for lang in ordered(groups, LANGUAGES)}
        rows = {lang: numbers for lang, numbers in rows.items() if any(numbers)}
        of_measure = mapping(limits.get(measure))
        if rows:
            found.append(Histogram(measure, low, high, rows, {lang: _limits(of_measure.get(lang)) for lang in rows}))
    return tuple(found)


def _limits(value: Any) -> Limits:
    if not isinstance(value, list) or len(value) != 2:
        return (None, None)
    return (number(value[0]), number(value[1]))


def leaks(store: Store, manifest: Manifest) -> Leaks | None:
    """None for a step that did not look for overlaps: to find none and not to look are different things."""
    asked = mapping(manifest.settings.get("decontaminate"))
    overlaps = _grid(manifest.summary.get("leaks"), (), (PAPER_RULE,))
    if not asked and not overlaps.total:
        return None
    named = [text(exam["name"]) for exam in objects(asked.get("benchmarks")) if exam.get("name")]
    directory = step_directory(manifest.step, manifest.fingerprint)
    return Leaks(
        step=manifest.step,
        stage=manifest.stage,
        overlaps=Grid(ordered([*named, *overlaps.rows], ()), overlaps.columns, overlaps.values),
        mode=text(asked.get("mode")) or None,
        ledger=store.address(directory, "overlaps") if overlaps.total else None,
    )


def _grid(groups: Any, first_rows: tuple[str, ...], first_columns: tuple[str, ...] = ()) -> Grid:
    """Of {row: {column: count}}; the names given come first in their order, then the others by name."""
    values = {(row, name): n for row, group in mapping(groups).items() for name, n in counts(group).items()}
    rows, columns = [row for row, _ in values], [column for _, column in values]
    return Grid(ordered(rows, first_rows), ordered(columns, first_columns), values)


def _turned(grid: Grid) -> Grid:
    return Grid(grid.columns, grid.rows, {(column, row): n for (row, column), n in grid.values.items()})

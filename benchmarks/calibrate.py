"""Percentiles of the quality measures by language and group of kinds, and the LIMITS of thresholds.py made from them.

    python benchmarks/calibrate.py [data folder, default ../shared/data]          percentiles as a markdown table
    python benchmarks/calibrate.py [data folder] --limits                         the dictionary for thresholds.py

Only the half of the texts that quality.py does not call held out is looked at. A limit is the loosest of what the
sources of its cell ask for: of each with MIN_TEXTS texts the 0.3rd (99.7th) percentile, 15 % further out; of sources
known to be dirty the 3rd (97th), with no margin.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from quality import ROOT, Text, load, measured

from apollo_ray.corpus.thresholds import GROUP_OF_KIND, OWN_SCRIPT, RULES, SCRIPT_OF_LANGUAGE, Rule
from apollo_ray.records import LANGUAGES

DIRTY = {"raw/tcm_classics_zh", "raw/mesconseilscovid_fr"}  # lists of names and unpunctuated text; Markdown link lists
OF_ONE_LANGUAGE = {"function_words_share", "function_words_per_phrase", "letters_per_token", "long_tokens_share"}
"""Measures that mean nothing outside the six languages: other function words, words of other lengths, no spaces."""
UNBROKEN = {"min": 0.0, "max": 1000.0}
MIN_TEXTS = 15
MARGIN = {"code": 0.5}  # one source of 68 texts; elsewhere 0.15
GROUPS = ("prose", "dialogue", "exam", "math", "code")
SHOWN = (0.5, 1, 50, 99, 99.5)

Cells = dict[str, dict[str, dict[str, float]]]


def columns(texts: list[Text]) -> dict[str, np.ndarray]:
    """The measures, OWN_SCRIPT and what the texts are grouped by."""
    found = measured(texts)
    lang = np.array([one.lang for one in texts])
    found[OWN_SCRIPT] = np.select(
        [lang == name for name in LANGUAGES], [found[f"{SCRIPT_OF_LANGUAGE[name]}_share"] for name in LANGUAGES]
    )
    groups = np.array([GROUP_OF_KIND.get(one.kind, "prose") for one in texts])
    return found | {"lang": lang, "group": groups, "file": np.array([one.file for one in texts])}


def wanted(rule: Rule, seen: dict[str, np.ndarray], group: str, lang: str) -> list[float]:
    """What each source of the cell asks the limit to be."""
    asked = []
    cell = (seen["group"] == group) & (seen["lang"] == lang) & (seen["tokens"] >= rule.min_tokens)
    if rule.only_below:
        cell &= seen[rule.only_below[0]] < rule.only_below[1]
    for file in np.unique(seen["file"][cell]):
        values = seen[rule.measure][cell & (seen["file"] == file)]
        if len(values) >= MIN_TEXTS and not (rule.only_below and file in DIRTY):
            percentile, margin = (3, 0.0) if file in DIRTY else (0.3, MARGIN.get(group, 0.15))
            if rule.side == "max":
                asked.append(np.percentile(values, 100 - percentile) * (1 + margin))
            else:
                asked.append(np.percentile(values, percentile) * (1 - margin))
    return asked


def limits(seen: dict[str, np.ndarray]) -> Cells:
    """group -> rule -> language -> limit; a cell without texts takes the loosest of its language and of its group."""
    found: Cells = {group: {} for group in GROUPS}
    for rule in RULES:
        loosest = max if rule.side == "max" else min
        asked = {(group, lang): wanted(rule, seen, group, lang) for group in GROUPS for lang in LANGUAGES}
        for group in GROUPS:
            limit = {}
            for lang in LANGUAGES:
                own = asked[group, lang]
                if not own and not rule.only_below:
                    near = [cell for cell in asked if cell[0] == group or cell[1] == lang]
                    own = [value for cell in near for value in asked[cell]]
                limit[lang] = loosest([rule.tightest, *own])
            limit["default"] = loosest(limit.values()) if rule.measure not in OF_ONE_LANGUAGE else UNBROKEN[rule.side]
            found[group][rule.name] = {lang: float(f"{value:.2g}") for lang, value in limit.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--limits", action="store_true")
    chosen = parser.parse_args()
    seen = columns([one for one in load(chosen.folder) if not one.held_out])
    if chosen.limits:
        print_limits(limits(seen))
    else:
        print_percentiles(seen)


def print_limits(cells: Cells) -> None:
    print("LIMITS: dict[str, dict[str, dict[str, float]]] = {")
    for group, rules in cells.items():
        print(f'    "{group}": {{')
        for rule, cell in rules.items():
            own = {lang: value for lang, value in cell.items() if lang == "default" or value != cell["default"]}
            line = f'        "{rule}": {json.dumps(own)},'
            print(line if len(line) <= 120 else line.replace("{", "{\n            ").replace("},", ",\n        },"))
        print("    },")
    print("}  # fmt: skip")


def print_percentiles(seen: dict[str, np.ndarray]) -> None:
    heads = " | ".join(f"p{percentile:g}" for percentile in SHOWN)
    print(f"| measure | group | language | texts | {heads} |\n|---|---|---|---|{'---|' * len(SHOWN)}")
    for measure in dict.fromkeys(rule.measure for rule in RULES):
        for group in GROUPS:
            for lang in LANGUAGES:
                values = seen[measure][(seen["group"] == group) & (seen["lang"] == lang)]
                if len(values):
                    shown = " | ".join(f"{value:.3g}" for value in np.percentile(values, SHOWN))
                    print(f"| {measure} | {group} | {lang} | {len(values)} | {shown} |")


if __name__ == "__main__":
    main()

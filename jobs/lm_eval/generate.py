"""Writes the task files of this folder from the prompts that evaluate steps use: python jobs/lm_eval/generate.py"""

from pathlib import Path

import yaml

from apollo_ray.evaluate.prompts import WORDINGS, Wording, wrap

VERSION = 1
GROUP = "apollo_xmedbench"
HEAD = "# Made by generate.py from apollo_ray/evaluate/prompts.py, which is the place to change.\n"


class _Readable(yaml.SafeDumper):
    """Writes text of several lines as it is."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)


def template(words: Wording) -> str:
    """`prompts.choice_prompt` without shots as a template of a row of xmedbench.py."""
    context = f"{{% if context %}}{words.context}{{{{context}}}}\n{{% endif %}}"
    options = "{% for option in options %}{{letters[loop.index0]}}. {{option}}\n{% endfor %}"
    return wrap(
        f"{words.instruction}\n{context}{words.question}{{{{question}}}}\n{words.options}\n{options}{words.answer}"
    )


def task(lang: str) -> dict[str, object]:
    """The log-likelihood of a space and each letter after the strict protocol's prompt."""
    return {
        "task": f"{GROUP}_{lang}",
        "dataset_kwargs": {"lang": lang},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": template(WORDINGS[lang]),
        "doc_to_choice": "letters",
        "doc_to_target": "gold",
        "target_delimiter": " ",
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": VERSION},
    }


def group() -> dict[str, object]:
    """All languages; their mean weighs each the same."""
    return {
        "group": GROUP,
        "task": [f"{GROUP}_{lang}" for lang in WORDINGS],
        "aggregate_metric_list": [{"metric": "acc", "aggregation": "mean", "weight_by_size": False}],
        "metadata": {"version": VERSION},
    }


def files() -> dict[str, str]:
    """Name -> text."""

    def text(values: dict[str, object]) -> str:
        return yaml.dump(values, Dumper=_Readable, allow_unicode=True, sort_keys=False, width=4096)

    load = "custom_dataset: !function xmedbench.load\n"  # a tag that only lm-eval's own loader knows
    made = {f"{GROUP}_{lang}.yaml": HEAD + text(task(lang)) + load for lang in WORDINGS}
    return made | {f"{GROUP}.yaml": HEAD + text(group())}


if __name__ == "__main__":
    for name, text in files().items():
        (Path(__file__).parent / name).write_text(text, encoding="utf-8")

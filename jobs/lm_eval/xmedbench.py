"""What the tasks of this folder ask: items as an evaluate step reads them, unfit ones left out.

The files are named by lm_eval's --metadata '{"xmedbench": "data/test/*.json"}' or the variable APOLLO_XMEDBENCH.
"""

import os
from typing import Any

import datasets

from apollo_ray.evaluate.reading import read
from apollo_ray.evaluate.settings import Benchmark, StageSettings

VARIABLE = "APOLLO_XMEDBENCH"


def load(lang: str, xmedbench: str | None = None, **metadata: Any) -> dict[str, datasets.Dataset]:
    """lm-eval's `custom_dataset`: the choices in one language, in order of benchmark and id."""
    path = xmedbench or os.environ.get(VARIABLE)
    if not path:
        raise ValueError(f"""no benchmark files: give --metadata '{{"xmedbench": "PATH"}}' or set {VARIABLE}""")
    benchmark = Benchmark(name="xmedbench", path=path, task="choice")
    # Neither endpoint nor model is asked for anything: settings name both.
    settings = StageSettings(endpoint="http://127.0.0.1/v1", models=("base",), benchmarks=(benchmark,))
    rows = [
        {
            "id": item["id"],
            "context": item["context"] or "",
            "question": item["question"],
            "letters": item["letters"],
            "options": item["options"],
            "gold": item["letters"].index(item["answer"]),
        }
        for item in read(settings).items
        if item["lang"] == lang
    ]
    if not rows:
        raise ValueError(f"{path}: no item in language {lang!r}")
    return {"test": datasets.Dataset.from_list(rows)}

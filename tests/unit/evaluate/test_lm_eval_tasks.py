"""lm-eval's task files ask what the strict protocol asks."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from apollo_ray.evaluate.prompts import WORDINGS, choice_continuations, choice_prompt

FOLDER = Path(__file__).resolve().parents[3] / "jobs" / "lm_eval"
HARD = "{{question}} {% if x %} <|im_end|> \\n & 'a' \"b\""


def generate():
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_what_the_script_writes():
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")}
    assert written == generate().files()


def rows(lang):
    options = ["one", HARD, "three", "four ", "five"]
    return [
        {"id": f"{n}", "lang": lang, "question": f"{n}? {HARD}", "options": options[: n + 2], "answer": "AB"[n % 2], **({"context": HARD} if n % 2 else {})}
        for n in range(4)
    ]  # fmt: skip


@pytest.mark.parametrize("lang", WORDINGS)
def test_lm_eval_sends_the_strict_prompts(lang, tmp_path):
    tasks = pytest.importorskip("lm_eval.tasks", reason="lm-eval is not installed")
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps(row) for one in WORDINGS for row in rows(one)))
    manager = tasks.TaskManager(
        include_path=str(FOLDER), include_defaults=False, metadata={"xmedbench": f"{tmp_path}/items.jsonl"}
    )
    (task,) = manager.load([f"apollo_xmedbench_{lang}"])["tasks"].values()
    task.build_all_requests(rank=0, world_size=1)
    asked = {}
    for instance in task.instances:
        asked.setdefault(instance.doc["id"], []).append(instance.arguments)
    wanted = {}
    for row in rows(lang):
        options = [option.strip() for option in row["options"]]
        item = row | {"context": row.get("context"), "options": options, "letters": list("ABCDE"[: len(options)])}
        wanted[row["id"]] = [(choice_prompt(item), continuation) for continuation in choice_continuations(item)]
    assert asked == wanted
    assert [task.doc_to_target(doc) for doc in task.test_docs()] == [0, 1, 0, 1]


def test_without_files_the_message_says_how_to_name_them(monkeypatch):
    pytest.importorskip("datasets", reason="lm-eval is not installed")
    spec = importlib.util.spec_from_file_location("xmedbench", FOLDER / "xmedbench.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv(module.VARIABLE, raising=False)
    with pytest.raises(ValueError, match="--metadata"):
        module.load("en")
    assert os.environ.get(module.VARIABLE) is None

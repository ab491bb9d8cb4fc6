from pathlib import Path
from typing import Annotated

import pytest

from apollo_ray.config import FILES, INPUT, Settings, how_to_run, load_config, marked, parse, result_settings
from apollo_ray.errors import UserError

GOOD = """
run: demo
store: /tmp/demo
steps:
  corpus: {stage: corpus, sources: [{name: a, path: x.jsonl}]}
  mix: {stage: mix, seed: 1}
"""


class Inner(Settings):
    path: Annotated[str, FILES]
    threads: int = how_to_run(1)
    limit: int = 3


class Outer(Settings):
    inputs: Annotated[tuple[str, ...], INPUT] = ()
    start: Annotated[str | None, INPUT] = None
    inner: tuple[Inner, ...] = ()
    workers: int = how_to_run(2)
    seed: int = 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(GOOD)
    return path


def test_overrides_reach_steps_lists_and_top_level(file: Path) -> None:
    config = load_config(
        file, ["mix.seed=7", "steps.corpus.sources.0.path=y.jsonl", "store=s3://b/x", "mix.epochs={a: 2}"]
    )
    assert config.steps["mix"] == {"stage": "mix", "seed": 7, "epochs": {"a": 2}}
    assert config.steps["corpus"]["sources"][0]["path"] == "y.jsonl"
    assert config.store == "s3://b/x"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("mix", "key=value"),
        ("=3", "key=value"),
        ("steps.mxi.seed=1", "'mix'"),
        ("corpus.sources.4.path=z", "from 0 to 0"),
        ("mix.seed.deep=1", "not a mapping"),
        ("mix.seed=[1", "not valid YAML"),
    ],
)
def test_wrong_overrides_are_named(file: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match="override") as error:
        load_config(file, [override])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run: demo\nstore: x\nsteps: {}\n", "at least one step"),
        ("run: demo\nstor: x\nsteps: {a: {stage: mix}}\n", "did you mean 'store'"),
        ("run: demo\nstore: x\nsteps: {a: {}}\n", "steps.a: the key 'stage'"),
        ("run: Not A Name\nstore: x\nsteps: {a: {stage: mix}}\n", "run:"),
        ("- 1\n- 2\n", "expected a mapping"),
        ("run: [\n", "not valid YAML"),
        ("", "expected a mapping"),
    ],
)
def test_wrong_files_name_the_file_and_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load_config(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_unknown_nested_key_gets_the_nearest_known_one() -> None:
    with pytest.raises(UserError, match=r"inner\.0\.limti.*did you mean 'limit'"):
        parse(Outer, {"inner": [{"path": "x", "limti": 3}]}, where="steps.a")


def test_marks_are_found_at_every_depth() -> None:
    settings = Outer(inputs=("a", "b"), start="c", inner=(Inner(path="p"), Inner(path="q")))
    assert [value for _, value in marked(settings, INPUT)] == ["a", "b", "c"]
    assert dict(marked(settings, FILES)) == {"inner[0].path": "p", "inner[1].path": "q"}


def test_result_settings_leave_out_how_to_run_and_inputs() -> None:
    first = Outer(inputs=("a",), inner=(Inner(path="p", threads=1),), workers=2)
    second = Outer(inputs=("b",), inner=(Inner(path="q", threads=8),), workers=9)
    assert result_settings(first) == result_settings(second) == {"inner": [{"limit": 3}], "seed": 0}
    assert result_settings(Outer(seed=1)) != result_settings(Outer())

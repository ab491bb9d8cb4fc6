"""What the saved notebooks must be: run, with outputs, without logic of their own or traces of a machine."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.Try)

ABSOLUTE = re.compile(r"(?<![\w.:/*<>+})\]-])/[A-Za-z]\w*/")
"""A path of some machine; not the slash of an address, of a glob, of markup or between words."""


def strings(value: Any) -> Iterator[str]:
    """All text of a notebook but pictures."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not key.startswith("image/"):
                yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_paths_of_machines_are_told_from_other_slashes() -> None:
    for place in ("/home/ann/x", "saved in '/tmp/x/y'", "/root/a", "/usr/lib/a", "/Users/b/c", "see /data/run/part"):
        assert ABSOLUTE.search(place)
    for other in ("starter://eval/a.json", "runs/starter/mix", "and/or", "eval/*/part", "<b>a</b>/c/"):
        assert not ABSOLUTE.search(other)


def test_there_are_five() -> None:
    assert [file.stem[:2] for file in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_explains_what_it_shows(file: Path) -> None:
    cells = nbformat.read(file, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert len(cells) - len(code) >= len(code) / 2
    for number, cell in enumerate(code, 1):
        assert cell.execution_count == number, "saved after one run from top to bottom"
        assert cell.outputs
        assert not [
            output for output in cell.outputs if output.output_type == "error" or output.get("name") == "stderr"
        ]
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, LOGIC)]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_small_and_says_nothing_of_a_machine(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8")) < 300_000
    assert not [text for text in strings(nbformat.read(file, as_version=4)) if ABSOLUTE.search(text)]

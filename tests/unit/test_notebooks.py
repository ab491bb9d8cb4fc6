"""What the saved notebooks must be: run, with outputs, without logic of their own or traces of a machine."""

import ast
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.Try)


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
    text = file.read_text(encoding="utf-8")
    assert len(text) < 300_000
    for place in ("/home/", "/tmp/", "/root/", "/usr/", "/work/", "/Users/"):
        assert place not in text

"""The architecture as a test: who may import whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "apollo_ray"
STAGES = {"corpus", "rewrite", "tokenizer", "mix", "train", "serve", "evaluate", "compare"}
WIRING = {"stage.py", "app.py"}
MAY_IMPORT_RAY = {
    "dataset.py", "session.py", "doctor.py", "cluster_doctor.py", "cluster_probe.py", "submitting.py", "metrics.py",
}  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_keep_to_the_layers(file: Path) -> None:
    place = file.relative_to(PACKAGE).parts
    found = imports(file)
    if place[-1] not in WIRING and "/".join(place) not in MAY_IMPORT_RAY:
        assert not {name for name in found if name.split(".")[0] == "ray"}, "only the wiring imports Ray"
    others = {name.split(".")[1] for name in found if name.startswith("apollo_ray.")} & STAGES
    own = {place[0]} if len(place) > 1 else set()
    assert not others - own, "stages do not import each other, and nothing below them imports a stage"


def test_files_stay_readable() -> None:
    long = {
        str(file.relative_to(PACKAGE)): lines for file in FILES if (lines := len(file.read_text().splitlines())) > 320
    }
    assert not long

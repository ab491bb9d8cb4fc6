"""The notebooks run from top to bottom on a run that the tests have finished."""

import os
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(run_steps, local_store, monkeypatch, file: Path) -> None:
    run_steps(local_store)
    monkeypatch.setenv("APOLLO_STORE", local_store)
    monkeypatch.setenv("APOLLO_RUN", "mini")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(file, as_version=4)
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")
    NotebookClient(notebook, km=kernel, timeout=120).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs) or file.stem == "02_rewrite"

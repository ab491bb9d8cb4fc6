"""Figures of faults as a Markdown table in the file that APOLLO_FAULTS_TABLE names."""

import os
from pathlib import Path

HEAD = ["fault", "what was lost", "seconds to go on", "notes"]


class Recorder:
    """Each fault is one row; a row of the same fault that a run before wrote is replaced."""

    def __init__(self) -> None:
        self.path = os.environ.get("APOLLO_FAULTS_TABLE")

    def record(self, fault: str, lost: str, seconds: str, notes: str = "") -> None:
        """Prints the row, and writes it where a file is named."""
        line = _line([fault, lost, seconds, notes])
        print(f"\n{line}")
        if not self.path:
            return
        file = Path(self.path)
        rows = file.read_text(encoding="utf-8").splitlines()[2:] if file.exists() else []
        rows = [row for row in rows if not row.startswith(f"| {fault} |")]
        file.write_text("\n".join([_line(HEAD), "|---" * len(HEAD) + "|", *rows, line, ""]), encoding="utf-8")


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"

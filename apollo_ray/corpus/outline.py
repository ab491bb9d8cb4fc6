"""Elements of a page and the text between them as paragraphs, `#..` headings, `- ` items and ` | ` table rows."""

import re
from dataclasses import dataclass, field

from apollo_ray.corpus.clean import SUPERSCRIPTS


def names(spaced: str) -> frozenset[str]:
    return frozenset(spaced.split())


_PARAGRAPHS = names(
    "p para table blockquote section article main pre ul ol dl figure note example list sec abstract body content "
    "equation exercise problem solution glossary caption fig table-wrap disp-quote boxed-text"
)
_LINES = names("div dt dd br hr address details summary figcaption legend label definition header")
_ITEMS = names("li item list-item listitem definition")
_CELLS = names("td th entry")
_ROWS = names("tr row")
_SECTIONS = names("section sec chapter sect1 sect2 sect3 glossary")
_TITLED = _SECTIONS | {"document", "article", "book", "content", "body", "abstract", "title-group", "info"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MENUS = names("ul ol div section table dl p header")
_TITLES = _HEADINGS.keys() | {"title", "article-title"}
_SEPARATORS = dict.fromkeys(_LINES, "\n") | dict.fromkeys(_PARAGRAPHS, "\n\n")
_HANDLED = _SEPARATORS.keys() | _ITEMS | _CELLS | _ROWS | _TITLED | _TITLES | _MENUS | {"a", "sup", "meaning"}
_LONGEST_CELL = 400  # characters; longer ones are the columns of a layout, not of a table
DEEPEST = 2000  # elements in one another; lexbor's time grows with the square of the depth: 35 s at 100,000
_CITATION = re.compile(r"\[[\w ,\u2013-]{1,12}\]")
_EXPONENT = re.compile(r"[0-9+\-\u2212]{1,6}")


@dataclass(slots=True)
class _Frame:
    name: str
    start: int  # place in the writer's parts
    letters: int
    linked: int
    links: int
    cells: list[str] = field(default_factory=list)


class Writer:
    """Takes opened and closed elements and text between them; holds the text as Markdown headings, items and rows."""

    def __init__(self) -> None:
        self.title: str | None = None
        self._parts: list[str] = []
        self._frames: list[_Frame | None] = []  # None: an element that is as good as its text
        self._letters = self._linked = self._links = 0  # characters, those inside links, links
        self._in_link = self._sections = self._verbatim = 0

    def open(self, name: str) -> None:
        if len(self._frames) > DEEPEST:
            raise RecursionError(f"elements nested more than {DEEPEST} deep")
        if name not in _HANDLED:
            self._frames.append(None)
            return
        if separator := _SEPARATORS.get(name):
            self._parts.append(separator)
        elif name == "meaning":
            floor = max((frame.start for frame in self._frames if frame), default=0)
            while len(self._parts) > floor and self._parts[-1].isspace():
                self._parts.pop()
            self._parts.append(": ")
        self._frames.append(_Frame(name, len(self._parts), self._letters, self._linked, self._links))
        if name == "a":
            self._in_link += 1
            self._links += 1
        self._sections += name in _SECTIONS
        self._verbatim += name == "pre"

    def text(self, data: str) -> None:
        words = data if self._verbatim else " ".join(data.split())
        if not words:
            self._parts.append(" ")
            return
        self._letters += len(words)
        if self._in_link:
            self._linked += len(words)
        if not self._verbatim:
            words = f"{' ' if data[0].isspace() else ''}{words}{' ' if data[-1].isspace() else ''}"
        self._parts.append(words)

    def close(self) -> None:
        frame = self._frames.pop()
        if frame is None:
            return
        name = frame.name
        if name == "a":
            self._in_link -= 1
        elif name in _MENUS and self._is_menu(frame):
            del self._parts[frame.start :]
            self._letters, self._linked, self._links = frame.letters, frame.linked, frame.links
        elif name in _CELLS:
            self._close_cell(frame)
        elif name in _ROWS:
            self._close_row(frame)
        elif name in _ITEMS:
            if item := self._taken(frame).strip():
                self._parts.append(f"\n- {item}\n")
        elif name in _TITLES:
            self._close_heading(name, " ".join(self._taken(frame).split()))
        elif name == "sup":
            raised = self._taken(frame).strip()
            exponent = _EXPONENT.fullmatch(raised)
            self._parts.append(raised.translate(SUPERSCRIPTS) if exponent else _CITATION.sub("", raised))
        self._sections -= name in _SECTIONS
        self._verbatim -= name == "pre"
        if separator := _SEPARATORS.get(name):
            self._parts.append(separator)

    def _taken(self, frame: _Frame) -> str:
        text = "".join(self._parts[frame.start :])
        del self._parts[frame.start :]
        return text

    def _is_menu(self, frame: _Frame) -> bool:
        """At least three links with short labels and hardly a word beside them."""
        links, letters, linked = self._links - frame.links, self._letters - frame.letters, self._linked - frame.linked
        return links >= 3 and linked >= 0.75 * letters and linked < 60 * links

    def _close_cell(self, frame: _Frame) -> None:
        cell = self._taken(frame)
        for outer in reversed(self._frames):
            if outer and outer.name in _ROWS:
                outer.cells.append(cell)
                return
        self._parts.append(cell)

    def _close_row(self, frame: _Frame) -> None:
        cells = [cell for cell in frame.cells if cell.strip()]
        if len(cells) > 1 and max(map(len, cells)) <= _LONGEST_CELL:
            self._parts.append(" | ".join(" ".join(cell.split()) for cell in cells) + "\n")
        else:
            self._parts += [f"\n\n{cell}\n\n" for cell in cells]

    def _close_heading(self, name: str, words: str) -> None:
        if not words:
            return
        level = _HEADINGS.get(name)
        above = self._frames[-1] if self._frames else None
        parent = above.name if above else ""
        if level is None and parent in _TITLED:
            level = min(1 + self._sections, 6)
            if self._sections == 0:
                self.title = self.title or words
        self._parts.append(f"\n\n{'#' * level} {words}\n\n" if level else f"\n\n{words}\n\n")

    def finished(self) -> str:
        lines = [line.strip() for line in "".join(self._parts).split("\n")]
        text = re.sub("\n{3,}", "\n\n", "\n".join(lines))
        while "  " in text:
            text = text.replace("  ", " ")
        return re.sub(r"(?m)(^- .*)\n\n(?=- )", r"\1\n", text).strip()

"""Whole pages to text: HTML by selectolax's lexbor, XML (CNXML, JATS, DocBook) by expat, one writer behind both."""

import re
from collections.abc import Callable
from xml.parsers import expat

from selectolax.lexbor import LexborHTMLParser, LexborNode

from apollo_ray.corpus.outline import DEEPEST, Writer, names

_UNSEEN = (
    "script,style,nav,footer,aside,form,button,svg,noscript,iframe,template,object,canvas,"
    "select,textarea,dialog,math annotation,"
    "[hidden],[aria-hidden=true],[style*='display:none'],[style*='display: none'],[style*='visibility:hidden'],"
    "[role=navigation],[role=banner],[role=contentinfo],[role=search],[role=menu],[role=dialog],[role=alertdialog],"
    ".visually-hidden,.sr-only,.screen-reader-text,.skip-to-content,.skip-link,.breadcrumb,.breadcrumbs,"
    "[id*=cookie],[class*=cookie-],.pagination,.share,.social,.social-share,.mw-editsection"
)
_UNSEEN_XML = names(
    "metadata journal-meta contrib-group aff author-notes pub-date permissions article-id article-categories kwd-group "
    "history funding-group ref-list counts self-uri volume issue fpage lpage elocation-id related-article "
    "custom-meta-group script style graphic annotation tex-math"
)

# --- HTML -------------------------------------------------------------------------------------------------------------


def _html(source: str) -> tuple[str | None, str]:
    tree = LexborHTMLParser(source)
    title = _html_title(tree)
    hidden = {node.mem_id for node in tree.css(_UNSEEN)}  # skipped, not taken out: they may lie in one another
    for header in tree.css("header"):  # of the page, not of the article that it may introduce
        if not _inside(header, ("article", "main", "section")):
            hidden.add(header.mem_id)
    writer = Writer()
    if tree.body is not None:
        _walk(tree.body, writer, hidden)
    return title, writer.finished()


def _html_title(tree: LexborHTMLParser) -> str | None:
    """The <title> without the name of its site: the <h1> where that stands in it."""
    node = tree.css_first("title")
    whole = " ".join(node.text().split()) if node is not None else ""
    headings = [" ".join(heading.text().split()) for heading in tree.css("h1")[:8]]
    named = [heading for heading in headings if heading and whole.startswith(heading)]
    return max(named, key=len) if named else whole or next(filter(None, headings), None)


def _inside(node: LexborNode, names: tuple[str, ...]) -> bool:
    above = node.parent
    while above is not None:
        if above.tag in names:
            return True
        above = above.parent
    return False


def _walk(body: LexborNode, writer: Writer, hidden: set[int]) -> None:
    node: LexborNode | None = body
    depth = 0
    while node is not None:
        tag = node.tag
        following = None
        if tag == "-text":
            writer.text(node.text_content or "")
        elif tag and tag[0] not in "-!" and node.mem_id not in hidden:
            writer.open(tag)
            following = node.child
            if following is None:
                writer.close()
        if following is not None:
            depth += 1
        else:
            while depth and (following := node.next) is None:
                node = node.parent
                if node is None:
                    return
                depth -= 1
                writer.close()
        node = following


# --- XML --------------------------------------------------------------------------------------------------------------


def _xml(source: str) -> tuple[str | None, str]:
    """Raises expat.ExpatError when `source` is no XML."""
    writer = Writer()
    hidden: list[str] = []  # elements that are open inside one that is not shown

    def local(name: str) -> str:
        return name.rpartition(":")[2].lower()

    def start(name: str, _attributes: dict[str, str]) -> None:
        name = local(name)
        if hidden or name in _UNSEEN_XML:
            hidden.append(name)
        else:
            writer.open(name)

    def end(_name: str) -> None:
        if hidden:
            hidden.pop()
        else:
            writer.close()

    def characters(data: str) -> None:
        if not hidden:
            writer.text(data)

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.Parse(_UNUSABLE.sub("", source).encode(), True)
    return writer.title, writer.finished()


# --- which of them ----------------------------------------------------------------------------------------------------

_PROLOG = re.compile(
    r"\s*(?:<\?[^>]*>\s*|<!--(?:(?!-->).){0,5000}-->\s*|<!doctype[^>\[]*>\s*)*", re.IGNORECASE | re.DOTALL
)
_ROOT = re.compile(r"<([a-z][\w:.-]*)[\s>]", re.IGNORECASE)
_HTML_ROOTS = names(
    "html head body div p section main span table ul ol h1 h2 h3 h4 h5 h6 header nav a br b i center font title meta "
    "link script style form img strong em"
)
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)\b[^<>]*>", re.IGNORECASE)
_SELF_CLOSING = names("br img hr input meta link p li td th tr dt dd option col source wbr area param")
_UNUSABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def page_text(source: str) -> tuple[str | None, str]:
    """(title, text) of a whole HTML page or XML document: headings `#..`, items `- `, table rows with ` | `.

    Menus, scripts, forms, page headers and footers, hidden elements and XML metadata are left out. A source that no
    parser can take (nested 2,000 deep and more) loses its tags and nothing else.
    """
    parsers: list[Callable[[str], tuple[str | None, str]]] = [_html]
    if _is_xml(source):
        parsers.insert(0, _xml)
    if _is_too_deep(source):
        parsers = []
    for parse in parsers:
        try:
            return parse(source)
        except (expat.ExpatError, RecursionError):
            continue
    return None, _TAG.sub("\n", _UNUSABLE.sub("", source)).strip()


def _root(source: str) -> str:
    prolog = _PROLOG.match(source)
    match = _ROOT.match(source, prolog.end() if prolog else 0)
    return match[1].lower() if match else ""


def _is_xml(source: str) -> bool:
    root = _root(source)
    if not root or root in _HTML_ROOTS or "<!ENTITY" in source[:10_000]:
        return False
    return root != "article" or "<sec" in source or "<article-meta" in source


def _is_too_deep(source: str) -> bool:
    if source.count("<") - 2 * source.count("</") <= DEEPEST:
        return False
    tags = [(match[1], match[2].lower()) for match in _TAG.finditer(source)]
    return sum(-1 if slash else 1 for slash, name in tags if name not in _SELF_CLOSING) > DEEPEST


def looks_like_page(text: str) -> bool:
    """Is `text` a whole page or XML document, and not prose (or Markdown) with some tags in it?"""
    head = text[:10_000].lstrip()
    if not head.startswith("<"):
        return False
    prolog = _PROLOG.match(head)
    start = prolog.end() if prolog else 0
    if re.match(r"(?i)<!doctype html|<\?xml", head):
        return True
    match = _ROOT.match(head, start)
    if match is None:
        return False
    name = match[1].lower()
    if name in ("html", "head", "body"):
        return True
    # A fragment or a document of another vocabulary: all of it inside one element, and a tag for every 300 characters.
    return (
        text.rstrip().lower().endswith(f"</{name}>") and text.count("</") * 300 >= len(text) and text.count("</") >= 3
    )

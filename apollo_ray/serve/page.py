"""The page at /chat: one HTML file, under headers that let it run its own script and style and talk to us alone."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files


@cache
def chat_page() -> tuple[str, dict[str, str]]:
    """(HTML, headers). The hashes of its one script and style are what the browser may run."""
    html = (files("apollo_ray") / "serve" / "chat.html").read_text(encoding="utf-8")
    policy = {
        "default-src": "'none'",
        "script-src": _hash(html, "script"),
        "style-src": _hash(html, "style"),
        "connect-src": "'self'",
        "img-src": "data:",  # the empty icon, without which browsers ask for one
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return html, {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _hash(html: str, tag: str) -> str:
    [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

"""The chat page in a headless Chromium, before a scripted endpoint on loopback."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from apollo_ray.serve.page import chat_page

CHROMIUM = Path("/usr/bin/chromium")
ANSWERS = {
    "en": ["Drink", " water", ", rest", " and see a doctor", "."],
    "hi": ["बहुत", " पा", "नी", " पिएँ", "।"],
    "ar": ["اشرب", " الكثير", " من الماء", "."],
    "bad": ["<img src=x onerror=", "document.title='owned'>", "<script>document.title='owned'</script>"],
}
DIVERGENCES = (0.0, 0.1, 0.3, 0.9, 2.5)


class Endpoint(ThreadingHTTPServer):
    """What it was asked is in `bodies`; `plan` says what goes wrong with questions to come."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.plan = ""
        self.delay = 0.0
        self.hung_up = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def log_message(self, *_: Any) -> None:
        pass

    def _send(self, status: int, kind: str, content: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content.encode())),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    def _refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps({"error": {"message": message}}), headers)

    def do_GET(self) -> None:
        if self.path == "/chat":
            html, headers = chat_page()
            self._send(200, "text/html; charset=utf-8", html, headers)
        elif self.server.plan == "key" and self.headers["Authorization"] != "Bearer sesame":
            self._refuse(401, "the API key is missing or wrong")
        else:
            models = [
                {"id": "ensemble", "alpha": 1.0, "alpha_by_language": {"hi": 0.5}},
                *({"id": role} for role in ("base", "expert")),
            ]
            self._send(200, "application/json", json.dumps({"data": models}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers["Authorization"] or "")
        if self.server.plan == "busy":
            self._refuse(429, "too much at once", {"Retry-After": "7"})
            return
        lang = {"क": "hi", "م": "ar", "<": "bad"}.get(body["messages"][-1]["content"][0], "en")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for place, token in enumerate(ANSWERS[lang]):
                self._event(self._chunk(body, token, place))
                time.sleep(self.server.delay)
            if self.server.plan == "fails":
                self._event({"error": {"message": "the server failed"}})
            if self.server.plan not in ("fails", "breaks"):
                self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.server.hung_up.set()

    def _event(self, content: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode())
        self.wfile.flush()

    @staticmethod
    def _chunk(body: dict[str, Any], token: str, place: int) -> dict[str, Any]:
        choice: dict[str, Any] = {"delta": {"content": token}, "finish_reason": None}
        if body.get("proxy", {}).get("attribution"):
            entry = {
                "token": token,
                "base": -3.25,
                "expert": -0.5,
                "anti_expert": -2.0,
                "divergence": DIVERGENCES[place],
            }
            choice["proxy"] = {"attribution": [entry]}
        told = {"proxy": {"alpha": body.get("proxy", {}).get("alpha", 0.5), "language": "hi"}}
        return {"choices": [choice]} | (told if body["model"] == "ensemble" else {})


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: Debian's package chromium has it")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, endpoint: Endpoint, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, loaded; at the end no console error and no failed script but those that a test names in `expected`."""
    width = getattr(request, "param", 1200)
    page = browser.new_page(viewport={"width": width, "height": 800}, has_touch=width < 600)
    page.set_default_timeout(15_000)
    page.expected, page.found = [], []
    page.on(
        "console", lambda message: page.found.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: page.found.append(str(error)))
    page.goto(f"{endpoint.address}/chat")
    page.wait_for_selector("#right option", state="attached")
    yield page
    assert [text for text in page.found if not any(part in text for part in page.expected)] == []
    page.close()


def ask(page: Any, question: str) -> Any:
    """The last turn, once its answers are whole."""
    page.fill("#question", question)
    page.press("#question", "Enter")
    turn = page.locator(".turn").last
    turn.locator(".answer").first.wait_for()
    page.wait_for_selector("[aria-busy=true]", state="detached")
    return turn


def text(turn: Any, side: str) -> str:
    return turn.locator(f"[data-side={side}] .text").inner_text()


@pytest.mark.parametrize(("question", "lang"), [("What helps?", "en"), ("क्या करें?", "hi"), ("ما الذي يساعد؟", "ar")])
def test_both_sides_answer_and_show_where_tokens_came_from(
    page: Any, endpoint: Endpoint, question: str, lang: str
) -> None:
    turn = ask(page, question)
    assert text(turn, "left") == text(turn, "right") == "".join(ANSWERS[lang])
    bodies = {body["model"]: body for body in endpoint.bodies}
    assert bodies["ensemble"]["proxy"] == {"attribution": True}
    assert "proxy" not in bodies["base"]
    assert turn.locator("[data-side=left] .token").count() == 0
    tokens = turn.locator("[data-side=right] .token")
    shades = [tokens.nth(place).get_attribute("class") for place in range(tokens.count())]
    assert shades == ["token", "token d1", "token d2", "token d3", "token d4"][: len(ANSWERS[lang])]
    tokens.nth(1).hover()
    told = turn.locator("[data-side=right] .about").inner_text()
    assert all(part in told for part in ("0.100 nats from the base", "-3.25", "-0.50", "-2.00", "anti-expert", "61 %"))
    assert "alpha 0.5 (hi)" in turn.locator("[data-side=right] h3").inner_text()
    direction = turn.locator("[data-side=right] .text").evaluate("node => getComputedStyle(node).direction")
    assert direction == ("rtl" if lang == "ar" else "ltr")


def test_each_side_goes_on_from_its_own_answers(page: Any, endpoint: Endpoint) -> None:
    ask(page, "What helps?")
    ask(page, "And then?")
    for body in endpoint.bodies[2:]:
        assert [message["content"] for message in body["messages"]] == [
            "What helps?",
            "".join(ANSWERS["en"]),
            "And then?",
        ]
    page.click("#reset")
    assert page.locator(".turn").count() == 0
    ask(page, "Again?")
    assert len(endpoint.bodies[-1]["messages"]) == 1


def test_alpha_is_the_servers_until_it_is_moved(page: Any, endpoint: Endpoint) -> None:
    assert "by language" in page.inner_text("#strength")
    page.locator("#alpha").fill("0.25")
    assert page.is_checked("#steer")
    page.uncheck("#shown")
    ask(page, "What helps?")
    [body] = [body for body in endpoint.bodies if body["model"] == "ensemble"]
    assert body["proxy"] == {"alpha": 0.25}


def test_the_keyboard_alone_is_enough(page: Any) -> None:
    page.focus("#question")
    page.keyboard.type("What helps?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Quickly.")
    page.keyboard.press("Enter")
    page.wait_for_selector(".text:not([data-live]) .token")
    page.wait_for_selector("[aria-busy=true]", state="detached")
    assert page.inner_text(".question") == "What helps?\nQuickly."
    page.focus("[data-side=right] .text")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("[data-side=right] .chosen") == ANSWERS["en"][2]
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("[data-side=right] .chosen").strip() == ANSWERS["en"][1].strip()


@pytest.mark.parametrize("page", [360], indirect=True)
def test_a_phone_needs_no_sideways_scrolling(page: Any) -> None:
    for question in ("What helps?", "ما الذي يساعد؟", "W" * 300):
        turn = ask(page, question)
    turn.locator("[data-side=right] .token").nth(2).tap()
    assert "anti-expert" in turn.locator("[data-side=right] .about").inner_text()
    page.click("summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.getElementById('main').scrollWidth") <= 360
    assert page.locator("#send").bounding_box()["height"] >= 44
    boxes = [turn.locator(f"[data-side={side}]").bounding_box() for side in ("left", "right")]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]


def test_what_models_write_is_text_and_nothing_else(page: Any) -> None:
    turn = ask(page, "<b>What</b> helps?")
    assert text(turn, "right") == "".join(ANSWERS["bad"])
    assert page.inner_text(".question") == "<b>What</b> helps?"
    assert page.locator(".turn img, .turn script, .turn b").count() == 0
    turn.locator("[data-side=right] .token").first.hover()
    assert page.title().startswith("Apollo Ray")


def test_the_policy_runs_no_foreign_script(page: Any) -> None:
    page.expected.append("Content Security Policy")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 1'}))"
    )
    assert page.evaluate("window.owned") is None
    assert "'unsafe" not in chat_page()[1]["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("plan", "message", "logged"),
    [
        ("busy", "try again in 7 s", "429"),
        ("fails", "broke off: the server failed", ""),
        ("breaks", "broke off before its end", ""),
    ],
)
def test_what_goes_wrong_is_told_and_forgotten(
    page: Any, endpoint: Endpoint, plan: str, message: str, logged: str
) -> None:
    page.expected += [logged] if logged else []
    endpoint.plan = plan
    turn = ask(page, "What helps?")
    assert message in turn.locator("[data-side=left] [role=alert]").inner_text()
    endpoint.plan = ""
    ask(page, "Again?")
    assert len(endpoint.bodies[-1]["messages"]) == 1


def test_a_server_that_is_gone_is_told(page: Any, endpoint: Endpoint) -> None:
    page.expected.append("ERR_CONNECTION_REFUSED")
    endpoint.shutdown()
    endpoint.server_close()
    assert "cannot be reached" in ask(page, "What helps?").locator("[role=alert]").first.inner_text()


def test_a_stopped_answer_ends_at_the_server(page: Any, endpoint: Endpoint) -> None:
    endpoint.delay = 0.3
    page.fill("#question", "What helps?")
    page.press("#question", "Enter")
    page.wait_for_selector("[data-side=right] .token")
    assert page.inner_text("#send") == "Stop"
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-side=right] .alert")
    assert endpoint.hung_up.wait(10)
    assert page.inner_text("#send") == "Ask"


def test_a_key_is_asked_for_and_sent(browser: Any, endpoint: Endpoint) -> None:
    endpoint.plan = "key"
    page = browser.new_page()
    page.goto(f"{endpoint.address}/chat")
    page.wait_for_selector("#key")
    assert "asks for an API key" in page.inner_text("#trouble")
    page.fill("#key", "wrong")
    page.click("#unlock")
    page.locator("#trouble", has_text="not accepted").wait_for()
    page.fill("#key", "sesame")
    page.press("#key", "Enter")
    page.wait_for_selector("#right option", state="attached")
    assert not page.is_visible("#trouble")
    ask(page, "What helps?")
    assert set(endpoint.keys) == {"Bearer sesame"}
    page.close()

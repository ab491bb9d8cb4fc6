"""What people put before the served ensemble: `apollo doctor URL`, `apollo chat` and the page, on a real Ray Serve."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray import serve
from typer.testing import CliRunner

from apollo_ray.cli import app
from apollo_ray.serve import stage
from apollo_ray.serve.app import API_KEY
from apollo_ray.serve.settings import StageSettings
from apollo_ray.store import Store
from apollo_ray.tokenizer.bpe import train_bpe

from .test_serve import _context, _finished, _model, _raw

CHROMIUM = Path("/usr/bin/chromium")
KEY = "a key of the clients"
TEXTS = [
    "The patient has had a fever for three days.",
    "患者发热三天,伴有咳嗽。",
    "मरीज को तीन दिन से बुखार है।",
    "المريض يعاني من الحمى منذ ثلاثة أيام.",
    "El paciente tiene fiebre, le patient a de la fièvre.",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    tokenizer = train_bpe(TEXTS * 4, 420)
    sizes = {"base": (0, 48), "expert": (1, 32), "anti_expert": (2, 32)}
    return {role: str(_model(folder / role, seed, size, tokenizer)) for role, (seed, size) in sizes.items()}


@pytest.fixture(scope="module")
def address(ray_session: None, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An ensemble with alphas by language behind a key, at `http://host:port/v1`."""
    settings = StageSettings(
        **models, alpha_by_language={"hi": 0.5, "en": 0.25}, max_length=512, slots=4, port=0, cpus_per_replica=0.5
    )
    store = Store(str(tmp_path_factory.mktemp("store")))
    os.environ[API_KEY] = KEY
    try:
        with stage.running(store, _finished(_context(store, settings, {}, [])), lambda _: None) as found:
            yield found
    finally:
        del os.environ[API_KEY]


def test_doctor_finds_the_endpoint_fit(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = CliRunner().invoke(app, ["doctor", address])
    print(found.output)
    assert found.exit_code == 0, found.output
    assert "FAIL" not in found.output
    assert "skip" not in found.output
    monkeypatch.setenv(API_KEY, "wrong")
    refused = CliRunner().invoke(app, ["doctor", address])
    assert refused.exit_code == 2
    assert "API key" in refused.output


def _chat(address: str, lines: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "apollo_ray.cli", "chat", address, *options]
    done = subprocess.run(command, input=lines.encode(), capture_output=True, timeout=120)
    # Not text=True: that would make line ends of the carriage returns that random models write.
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_chat_from_a_pipe_writes_answers_and_nothing_else(address: str) -> None:
    asked = {"model": "ensemble", "messages": [{"role": "user", "content": "患者发热三天怎么办?"}], "temperature": 0}
    whole = _raw(address, "/v1/chat/completions", asked, KEY)[2]["choices"][0]["message"]["content"]
    done = _chat(
        address,
        "/alpha\n患者发热三天怎么办?\n/reset\n/attribution\n/alpha 0\n患者发热三天怎么办?\n/quit\nnever asked\n",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(whole + "\n")
    assert "\x1b" not in done.stdout
    assert "not a medical device" in done.stderr
    assert "alpha 1, the server's own, hi 0.5, en 0.25" in done.stderr.replace("en 0.25, hi 0.5", "hi 0.5, en 0.25")
    assert "divergence 0.00, base" in done.stderr
    refused = _chat(address, "What helps?\n", "--model", "gpt")
    assert refused.returncode == 2
    assert "there are: ensemble, base" in refused.stderr


def test_a_chat_with_a_file_serves_it_for_as_long(address: str, models: dict[str, str], tmp_path: Path) -> None:
    """Beside the endpoint that runs, by the CLI in this process, which has Ray."""
    file = tmp_path / "run.yaml"
    step = {"stage": "serve", "base": models["base"], "max_length": 64, "cpus_per_replica": 0.2}
    file.write_text(yaml.safe_dump({"run": "chat", "store": str(tmp_path / "store"), "steps": {"alone": step}}))
    unfinished = CliRunner().invoke(app, ["chat", str(file)], input="")
    assert unfinished.exit_code == 2
    assert "not finished" in unfinished.output
    assert CliRunner().invoke(app, ["run", str(file)]).exit_code == 0
    done = CliRunner().invoke(app, ["chat", str(file)], input="/alpha\n")
    assert done.exit_code == 2
    assert "'ensemble' has no alpha" in done.output
    done = CliRunner().invoke(app, ["chat", str(file)], input="What?\n/quit\n")
    assert done.exit_code == 0, done.output
    asked = {"model": "base", "messages": [{"role": "user", "content": "What?"}], "temperature": 0, "max_tokens": 8}
    assert _raw(address, "/v1/chat/completions", asked, KEY)[2]["choices"][0]["message"]["content"][:8] in done.output
    assert len(serve.status().applications) == 1


class Terminal:
    """A chat on a pseudo-terminal."""

    def __init__(self, address: str) -> None:
        self.main, worker = pty.openpty()
        command = [sys.executable, "-m", "apollo_ray.cli", "chat", address]
        environment = os.environ | {"TERM": "xterm-256color"}
        streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), worker)
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
        os.close(worker)
        self.seen = ""

    def until(self, pattern: str) -> None:
        """Read on until `pattern` has come; what stands before its end counts no more."""
        deadline = time.monotonic() + 60
        while (match := re.search(pattern, self.seen)) is None:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.main], [], [], 1)[0]:
                self.seen += os.read(self.main, 65_536).decode(errors="replace")
        self.seen = self.seen[match.end() :]

    def type(self, line: str) -> None:
        os.write(self.main, f"{line}\n".encode())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)


def test_ctrl_c_ends_an_answer_and_not_the_chat(address: str) -> None:
    terminal = Terminal(address)
    try:
        terminal.until("not a medical device")
        terminal.until("> ")
        terminal.type("What helps against fever?")
        terminal.until(r"fever\?\s+\S")  # the first piece of the answer
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("that question is forgotten")
        terminal.until("> ")
        terminal.type("/model base")
        terminal.until(r"ensemble, \[base\]")
        terminal.type("/alpha 1")
        terminal.until("no alpha of its own")
        terminal.until("> ")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("Ctrl-D ends")
        terminal.type("/quit")
        assert terminal.process.wait(30) == 0
    finally:
        terminal.end()


@pytest.mark.parametrize("width", [1200, 360])
def test_the_page_talks_to_the_endpoint(address: str, width: int) -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: Debian's package chromium has it")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM))
        page = browser.new_page(viewport={"width": width, "height": 800})
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        assert page.goto(address.removesuffix("v1")).status == 200  # by way of a redirect
        page.wait_for_selector("#key")  # the page needs no key, its requests do
        assert len(wrong) == 1
        assert "401" in wrong.pop()
        page.fill("#key", KEY)
        page.press("#key", "Enter")
        page.wait_for_selector("#right option", state="attached")
        page.locator("#most").evaluate("node => { node.value = 24 }")
        for question in ("What helps against the fever?", "الحمى منذ ثلاثة أيام؟", "मरीज को तीन दिन से बुखार है।"):
            page.fill("#question", question)
            page.press("#question", "Enter")
            turn = page.locator(".turn", has_text=question)
            turn.locator("[data-side=right] [aria-busy=false]").wait_for(timeout=60_000)
            turn.locator("[data-side=left] [aria-busy=false]").wait_for(timeout=60_000)
            assert turn.locator(".alert").count() == 0
            texts = [turn.locator(f"[data-side={side}] .text").inner_text() for side in ("left", "right")]
            assert all(texts)
            assert texts[0] != texts[1]
            assert turn.locator("[data-side=right] .token").count() > 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "alpha 0.5 (hi)" in turn.locator("[data-side=right] h3").inner_text()
        assert wrong == []
        browser.close()

"""Benchmarks at hf:// addresses, from a stand-in of the hub on loopback that answers as the hub's API does."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROWS = [
    {"question": "Which vessel?", "options": "(A) Artery\n(B) Vein", "answer": "(B)", "source": "headqa"},
    {"question": "Which organ?", "options": "(A) Heart\n(B) Liver", "answer": "(AB)", "source": "headqa"},
]
FILES = {"test/es.json": json.dumps(ROWS).encode()}
COMMIT, REPO = "0" * 40, "owner/bench"
FOLDER = {"type": "directory", "path": "test", "oid": "2" * 40}
READ = """
import json
from apollo_ray.evaluate.reading import read
from apollo_ray.evaluate.settings import StageSettings
from apollo_ray.store import content_digest
path = "hf://datasets/owner/bench/test/*.json"
benchmark = {"name": "x", "task": "choice", "lang": "es", "path": path, "per_source": True}
found = read(StageSettings.model_validate({"endpoint": "http://h/v1", "models": ["m"], "benchmarks": [benchmark]}))
print(json.dumps([found.items, found.excluded(), content_digest(path)]))
"""


class Hub(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def _send(self, body, head=False, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(200)
        for name, value in ({"Content-Length": str(len(data)), "X-Repo-Commit": COMMIT} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if not head:
            self.wfile.write(data)

    def do_HEAD(self):
        self.do_GET(head=True)

    def do_GET(self, head=False):
        path = self.path.split("?")[0]
        file = next((name for name in FILES if path == f"/datasets/{REPO}/resolve/main/{name}"), None)
        if file:
            return self._send(FILES[file], head, ETag='"abc"')
        if path == f"/api/datasets/{REPO}/tree/main":
            return self._send([FOLDER])
        if path == f"/api/datasets/{REPO}/tree/main/test":
            return self._send([entry(name) for name in FILES])
        if path in (f"/api/datasets/{REPO}", f"/api/datasets/{REPO}/revision/main"):
            return self._send({"id": REPO, "sha": COMMIT, "siblings": []})
        return self.send_error(404)


def entry(name):
    return {"type": "file", "path": name, "size": len(FILES[name]), "oid": "1" * 40}


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_benchmark_is_read_from_the_hub(hub, tmp_path):
    # The hub's address is read when its client is imported, so the reader is a process of its own.
    environment = os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    items, excluded, digest = json.loads(done.stdout.splitlines()[-1])
    assert [(item["benchmark"], item["options"], item["answer"]) for item in items] == [
        ("headqa", ["Artery", "Vein"], "B")
    ]
    assert [one["reason"] for one in excluded] == ["several_answers"]
    assert digest

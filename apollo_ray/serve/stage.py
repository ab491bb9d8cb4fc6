"""The serve stage: checks that the models fit together, writes the Serve file, and opens the endpoint when asked."""

import logging
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.serve.alphas import read_alphas
from apollo_ray.serve.app import build
from apollo_ray.serve.lineage import check_lineage
from apollo_ray.serve.models import check_models, model_reference
from apollo_ray.serve.settings import EndpointSettings, StageSettings
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts, Manifest, Store

DEADLINE = 180.0
"""Seconds from deployment to the first answer: Ray starts workers, which import torch and load weights."""


def run(context: Context[StageSettings]) -> Result:
    """A checked deployment: `serve/serve.yaml` for `serve deploy`, or for vLLM nothing but the checks.

    Reads configs and tokenizers, no weights.
    """
    settings = context.settings
    folders = {role: context.folder(name, "model") for role, name in settings.models.items()}
    _, width = check_models(folders, settings.max_length, cached=settings.engine == "embedded")
    warnings = _warnings(context)
    for warning in warnings:
        context.say(f"warning: {warning}")
    models: dict[str, dict[str, str]] = {}
    for role, name in settings.models.items():
        step = context.inputs.get(name)
        models[role] = {"path": name} | ({"fingerprint": step.fingerprint} if step else {"id": name})
    alphas = read_alphas(settings.alphas) if settings.alphas else settings.live
    summary = {
        "vocabulary": width,
        "alpha": alphas.alpha,
        "alpha_by_language": alphas.alpha_by_language,
        "models": models,
        "warnings": warnings,
    }
    extra = []
    if settings.engine == "embedded":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "serve.yaml"
            args = _arguments(settings, summary, context.store)
            file.write_text(_serve_file(context.step, settings, args), encoding="utf-8")
            extra = context.store.upload(folder, context.directory, "serve")
    context.say(f"{len(models)} models share {width} token ids")
    return Result(Counts("model", len(models), len(models)), extra=extra, summary=summary)


def _warnings(context: Context[StageSettings]) -> list[str]:
    """What is odd about expert and anti-expert. Raises UserError for what the settings do not accept."""
    settings = context.settings
    if settings.expert is None or settings.anti_expert is None:
        return []
    found = check_lineage(settings.expert, settings.anti_expert, context.inputs, context.store.manifest)
    if found.related is False and settings.unrelated_anti_expert == "refuse":
        advice = "the step runs with it all the same where unrelated_anti_expert: accept is set"
        raise UserError(f"steps.{context.step}.anti_expert: {found.message}; {advice}")
    return [] if found.related else [found.message]


def _arguments(settings: StageSettings, summary: dict[str, Any], store: Store) -> EndpointSettings:
    """The settings as any host can use them: steps as references into the store, local folders as absolute paths.

    Alphas are those of the step's `summary`, which may have come from a file.
    """
    values = {name: getattr(settings, name) for name in EndpointSettings.model_fields}
    values |= {name: summary[name] for name in ("alpha", "alpha_by_language")}
    for role, model in summary["models"].items():
        name = model["path"]
        if "fingerprint" in model:
            values[role] = model_reference(store, name, model["fingerprint"])
        elif Path(name).expanduser().exists():
            values[role] = str(Path(name).expanduser().absolute())
    return EndpointSettings(**values)


def _serve_file(step: str, settings: StageSettings, args: EndpointSettings) -> str:
    application = {
        "name": step,
        "route_prefix": "/",
        "import_path": "apollo_ray.serve.app:build",
        "args": args.model_dump(mode="json"),
    }
    document: dict[str, Any] = {"http_options": {"host": settings.host}, "applications": [application]}
    if settings.port:
        document["http_options"]["port"] = settings.port
    ServeDeploySchema.model_validate(document)
    return yaml.safe_dump(document, sort_keys=False)


@contextmanager
def running(store: Store, manifest: Manifest, say: Callable[[str], None]) -> Iterator[str]:
    """The endpoint of a finished serve step on the Ray that is initialised; yields `http://host:port/v1`.

    Raises ServiceError with Serve's own message where it does not answer within DEADLINE. Stops Serve at the end if it
    was not there before; on a Serve that is, the application comes and goes under a path of its own.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # it sets its own level when it is imported
    settings = StageSettings.model_validate(manifest.settings)
    if settings.engine == "vllm":
        raise UserError(f"step {manifest.step!r} has engine: vllm; 'apollo export-ensemble' makes its folder for vLLM")
    args = _arguments(settings, manifest.summary, store)
    client = _get_global_client(raise_if_no_controller_running=False)
    name = f"{manifest.step}-{manifest.fingerprint}"
    if client is None:
        host, port, prefix = settings.host, settings.port or _free_port(settings.host), ""
    else:
        host, port, prefix = client.http_config.host, client.http_config.port, f"/{name}"
    address = f"http://{_reachable(host)}:{port}{prefix}/v1"
    started = time.monotonic()
    try:
        if client is None:
            serve.start(http_options={"host": host, "port": port})
        # Waiting here would be without end; _wait has a deadline and reads why a replica fails.
        target = serve.RunTarget(build(args), name=name, route_prefix=prefix or "/")
        serve.run_many([target], wait_for_applications_running=False)
        _wait(address, name, started + DEADLINE)
        say(f"{settings.model_name} answers at {address} after {time.monotonic() - started:.0f} s")
        yield address
    finally:
        if client is None:
            serve.shutdown()
        else:
            serve.delete(name)


def _wait(address: str, name: str, deadline: float) -> None:
    health = address.removesuffix("/v1") + "/health"  # needs no key, and whoever starts the endpoint may have none
    while True:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            answer = str(error)
        status = serve.status().applications.get(name)
        message = "" if status is None else _reasons(status)
        failed = status is not None and status.status in ("DEPLOY_FAILED", "UNHEALTHY")
        if failed or time.monotonic() > deadline:
            raise ServiceError(f"{address} does not answer ({answer}); {message or 'Serve gives no reason'}")
        time.sleep(0.2)


def _reasons(status: Any) -> str:
    messages = [status.message, *(deployment.message for deployment in status.deployments.values())]
    return f"{status.status.value}: " + " ".join(message for message in messages if message)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise UserError(f"host: cannot listen on {host!r}: {error.strerror}") from error
        port: int = probe.getsockname()[1]
        return port


def _reachable(host: str) -> str:
    """Where a client on this host finds a server that listens on `host`."""
    return "127.0.0.1" if host == "0.0.0.0" else host

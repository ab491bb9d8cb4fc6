"""serve, export-ensemble."""

import signal
import threading
from typing import Annotated

import typer

from apollo_ray.commands.common import File, Overrides, Words, guarded, load_words, say, serve_step
from apollo_ray.planning import plan
from apollo_ray.run import export_ensemble, serving
from apollo_ray.session import connect
from apollo_ray.store import Store


@guarded
def serve(file: File, words: Words = None) -> None:
    """Serve a finished serve step (the only one, or the named one) until interrupted.

    Port and replicas are overrides: apollo serve FILE ensemble.port=8000 ensemble.replicas=2. A key in the environment
    variable APOLLO_API_KEY is asked of every client.
    """
    config, only = load_words(file, words)
    step = serve_step(plan(config), only)
    stopped = threading.Event()
    with connect(say), serving(Store(config.store), step, say) as address:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        say(f"serving at {address} (Ctrl-C ends it); a research tool, not a medical device")
        say(f"for people: {address.removesuffix('/v1')}/chat")
        stopped.wait()
        say("stopping")


@guarded
def export_ensemble_command(
    file: File,
    step: Annotated[str, typer.Argument(metavar="STEP", help="A finished serve step.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A new folder.")],
    words: Overrides = None,
) -> None:
    """Write a serve step's ensemble as a folder that vLLM serves, where this package is installed beside vLLM."""
    config, _ = load_words(file, words)
    served = serve_step(plan(config), [step])
    export_ensemble(Store(config.store), served, target)
    if served.manifest and served.manifest.summary["alpha_by_language"]:
        say(f"warning: vLLM has one alpha, {served.manifest.summary['alpha']:g}; alpha_by_language is left out")
    say(f"{step}: ready for 'vllm serve {target}'")

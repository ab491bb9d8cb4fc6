"""What a replica has done, in Prometheus' text format, and for Ray's own agents (apollo_ray/metrics.py)."""

from collections import Counter

from apollo_ray import metrics


class Metrics:
    """Counters of one replica since its start."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._tokens: Counter[tuple[str, str]] = Counter()

    def count(
        self,
        route: str,
        model: str,
        status: int,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        drafted: int = 0,
        accepted: int = 0,
    ) -> None:
        """One request that is over. `model` must be a name that exists, so that clients cannot add series."""
        self._requests[route, model, status] += 1
        self._tokens["prompt", model] += prompt_tokens
        self._tokens["completion", model] += completion_tokens
        metrics.count("apollo_serve_requests", route=route, model=model, status=str(status))
        metrics.count("apollo_serve_tokens", prompt_tokens, model=model, kind="prompt")
        metrics.count("apollo_serve_tokens", completion_tokens, model=model, kind="completion")
        metrics.count("apollo_serve_drafts", accepted, model=model, result="accepted")
        metrics.count("apollo_serve_drafts", drafted - accepted, model=model, result="refused")

    def text(self, replica: str, active: int) -> str:
        """The exposition, each series labelled with the replica that answers."""
        lines = ["# TYPE apollo_requests_total counter"]
        for (route, model, status), number in sorted(self._requests.items()):
            labels = f'replica="{replica}",route="{route}",model="{model}",status="{status}"'
            lines.append(f"apollo_requests_total{{{labels}}} {number}")
        lines.append("# TYPE apollo_tokens_total counter")
        for (kind, model), number in sorted(self._tokens.items()):
            lines.append(f'apollo_tokens_total{{replica="{replica}",kind="{kind}",model="{model}"}} {number}')
        lines += ["# TYPE apollo_active_answers gauge", f'apollo_active_answers{{replica="{replica}"}} {active}']
        return "\n".join(lines) + "\n"

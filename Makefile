PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps
UV ?= uv
.PHONY: chat test pytest lint crash fuzz soak test-node bench bench-memory bench-skills bench-telegram memory \
	providers telegram-demo lock
.DELETE_ON_ERROR:
# Without its bytecode each of the hundreds of processes that tests start would compile our sources anew.
unexport PYTHONDONTWRITEBYTECODE

chat: $(VENV)/.base
	@$(BIN)/duihua chat $(ARGS)

# One worker more than there are cores: some tests wait for others' leases.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
test: $(VENV)/.dev
	@$(MAKE) --no-print-directory -j2 lint pytest

pytest: $(VENV)/.dev
	@$(BIN)/pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/pyright

crash: $(VENV)/.dev
	@$(BIN)/python -m tests.crash $(ARGS)

fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(ARGS)

# Twenty minutes of many Telegram chats: with kills and faults, then without.
soak: $(VENV)/.dev
	@$(BIN)/python -m tests.soak $(ARGS)

# Against the reference MCP server, which npx fetches.
test-node: $(VENV)/.dev
	@$(BIN)/python -m tests.mcp.everything

bench: $(VENV)/.base
	@$(BIN)/python -m benchmarks.turns $(ARGS)
	@$(BIN)/python benchmarks/streams.py 1000 $(filter --check,$(ARGS))

bench-memory: $(VENV)/.base
	@$(BIN)/python -m benchmarks.memory $(DATA) $(ARGS)

bench-skills: $(VENV)/.base
	@$(BIN)/python -m benchmarks.skills $(ARGS)

bench-telegram: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.telegram $(ARGS)

# A bot on the fake Bot API and the simulated platform; ARGS=--readme puts what is said into the documents.
telegram-demo: $(VENV)/.dev
	@$(BIN)/python -m tests.telegram.demo $(ARGS)

# What depends on the machine's speed is checked in the long form only.
CHECK := $(filter --check,$(ARGS))
SMALL := $(filter --small,$(ARGS))
memory: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.window $(if $(SMALL),,$(CHECK))
	@$(BIN)/python -m benchmarks.tokens $(CHECK) $(SMALL)
	@$(BIN)/python -m benchmarks.recall $(if $(SMALL),,$(CHECK)) $(SMALL)
	@$(BIN)/python -m benchmarks.planted $(CHECK)
	@$(BIN)/python -m benchmarks.contradicted $(CHECK)
	@$(BIN)/python -m benchmarks.everyday $(CHECK)
	@$(BIN)/python -m benchmarks.long_chat $(if $(SMALL),--turns 600,$(CHECK))
	@$(if $(DATA),$(BIN)/python -m benchmarks.memory $(DATA) $(CHECK))

providers: $(VENV)/.dev
	@$(BIN)/python -m tests.platforms.matrix --write

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) </dev/null >&2

$(VENV)/.base: requirements.lock pyproject.toml | $(BIN)/python
	@echo "duihua: installing into $(VENV) (once) · 正在安装(仅一次)" >&2
	@$(PIP) --require-hashes -r requirements.lock </dev/null >&2
	@$(PIP) --no-build-isolation --no-index -e . </dev/null >&2
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.base
	@$(PIP) --require-hashes -r requirements-dev.lock </dev/null >&2
	@touch $@

lock:
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --all-extras --group dev --group build -o requirements-dev.lock pyproject.toml
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --group build -c requirements-dev.lock -o requirements.lock pyproject.toml

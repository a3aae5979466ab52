# Two commands on a fresh machine: `make demo` and `make test`. Both install what they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV := $(BIN)/uv

.PHONY: demo test check format unit fuzz integration integration-conversion integration-folders \
	integration-files e2e converters bench bench-quick install lock clean

demo: install .tools/sam
	@$(BIN)/liteship demo

# Everything but the container tests, which need a Docker engine (see `make e2e`), and the conversions that
# need PyTorch or ONNX (see `make converters`).
test: check unit integration

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests benchmarks layers functions
	$(BIN)/lint-imports

unit: install
	$(BIN)/pytest tests/unit tests/architecture tests/golden tests/fuzz

# For the night. Without these variables `make unit` tries a few thousand inputs, the same ones each time.
fuzz: export LITESHIP_FUZZ_INPUTS ?= 100000
fuzz: SEED := $(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))
fuzz: install
	@echo "$(LITESHIP_FUZZ_INPUTS) inputs; SEED=$(SEED) gives the same ones again"
	$(BIN)/pytest tests/fuzz --hypothesis-seed=$(SEED)

# Three at a time: most of them wait, for processes and for time to pass; conversions compute.
integration: install .tools/audit .tools/clients .tools/sam .tools/schemathesis .tools/tflite-runtime
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target \
		integration-conversion integration-folders integration-files

integration-conversion:
	$(BIN)/pytest tests/integration/conversion

integration-folders:
	$(BIN)/pytest $(filter-out %/conversion/,$(wildcard tests/integration/[a-z]*/))

integration-files:
	$(BIN)/pytest tests/integration/test_*.py

e2e: install .tools/clients .tools/sam
	$(BIN)/pytest tests/e2e

# PyTorch lives in an environment of its own for its size, ONNX because liteship puts it into one.
# litert-torch holds typing-extensions back, and that anyio, whose pytest plugin warns of its own age.
converters: install .tools/torch
	.tools/torch/bin/pytest -p no:anyio tests/converters/test_*torch*.py
	$(BIN)/pytest tests/converters/test_*onnx*.py tests/converters/test_shapes.py

# liteship beside what else serves models; half an hour on an idle machine. Reported, not gated.
bench: install .tools/sam
	$(BIN)/python -m benchmarks.comparison

bench-quick: install .tools/sam
	$(BIN)/python -m benchmarks.comparison --quick

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: .venv/installed

.venv/installed: requirements/uv.txt requirements/dev.txt pyproject.toml
	@echo "Installing the locked dependencies into .venv: half a gigabyte to download the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/uv.txt
	@$(UV) pip install --quiet --python .venv --require-hashes --requirement requirements/dev.txt
	@$(UV) pip install --quiet --python .venv --no-deps --editable .
	@touch $@

# Tools whose pins conflict with ours live in environments of their own.
define ENVIRONMENT
	@echo "Installing $(notdir $@) into $@"
	@rm -rf $@
	@$(UV) venv --quiet --python $(BIN)/python $@
	@$(UV) pip install --quiet --python $@ --require-hashes --requirement $<
	@touch $@
endef

.tools/%: requirements/%.txt | install
	$(ENVIRONMENT)

# What `make bench` compares liteship with, each as its own documentation installs it.
.tools/peers/%: benchmarks/peers/%/requirements.txt | install
	$(ENVIRONMENT)

# `--no-deps` throughout: the two files together are the whole lock, as `pip check` confirms.
.tools/torch: requirements/torch-cpu.txt requirements/torch.txt pyproject.toml | install
	@echo "Installing PyTorch and litert-torch into $@: 0.5 GB to download the first time"
	@rm -rf $@
	@$(UV) venv --quiet --python $(BIN)/python $@
	@$(BIN)/python -m pip --python $@/bin/python install --quiet --require-hashes --no-deps \
		--requirement requirements/torch-cpu.txt \
		|| { echo "requirements/torch-cpu.txt says where PyTorch comes from"; exit 1; }
	@$(UV) pip install --quiet --python $@ --require-hashes --no-deps --requirement requirements/torch.txt
	@$(UV) pip install --quiet --python $@ --no-deps --editable .
	@$(UV) pip check --quiet --python $@
	@touch $@

# `--universal` and no index options: one lock for every platform, naming no index.
COMPILE := $(UV) pip compile --universal --generate-hashes --no-header --no-annotate --quiet --python-version 3.11

# Layers run on Python >= 3.12 only: without markers for older ones, which pip would judge by its own
# version instead of the layer's.
COMPILE_LAYER := $(UV) pip compile --universal --generate-hashes --no-header --no-annotate --quiet \
	--python-version 3.12 --constraints requirements/dev.txt

lock: install
	$(COMPILE) pyproject.toml --extra aws --extra convert --extra deploy --extra grpc --extra onnx --extra parquet --extra tool \
		--group dev --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra tool --extra torch --group converters --no-emit-package torch \
		--output-file requirements/torch.txt
	$(COMPILE) requirements/onnx.in --overrides requirements/onnx-overrides.in \
		--output-file src/liteship/conversion/environments/onnx.txt
	$(COMPILE) requirements/uv.in --output-file requirements/uv.txt
	$(COMPILE) requirements/sam.in --output-file requirements/sam.txt
	$(COMPILE) requirements/tflite-runtime.in --output-file requirements/tflite-runtime.txt
	$(COMPILE) requirements/audit.in --output-file requirements/audit.txt
	$(COMPILE) requirements/clients.in --output-file requirements/clients.txt
	$(COMPILE) requirements/schemathesis.in --output-file requirements/schemathesis.txt
	for layer in image web aws numpy; do \
		$(COMPILE_LAYER) layers/$$layer/requirements.in \
			--output-file layers/$$layer/requirements.txt || exit 1; \
	done
	for peer in $(notdir $(patsubst %/,%,$(dir $(wildcard benchmarks/peers/*/requirements.in)))); do \
		$(COMPILE) benchmarks/peers/$$peer/requirements.in \
			--output-file benchmarks/peers/$$peer/requirements.txt || exit 1; \
	done
	$(COMPILE_LAYER) --no-deps layers/litert/requirements.in --output-file layers/litert/requirements.txt

clean:
	rm -rf build dist .aws-sam .tools .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

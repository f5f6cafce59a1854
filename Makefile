# The two commands: `make run` trains the embedded default and evaluates it, `make test` checks everything.
# Both make the environment in .venv when it is missing; they need Linux and Python 3.11 or newer, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run all test check lock clean

run: $(READY)  ## data, base, SFT, merge, GRPO, merge, evaluation
	$(BIN)/snakemake --cores all results/grpo/eval.json

all: $(READY)  ## every policy, and the report
	$(BIN)/snakemake --cores all

test: check $(VENV)/.slurm $(VENV)/.gpu  ## lint, types, unit tests, dry-runs, whole runs
	$(BIN)/python -m pytest

check: $(READY)  ## what needs no training: format, lint, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

$(VENV)/.slurm: requirements-slurm.in $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-slurm.in -c requirements.lock
	@touch $@

# Without torchvision, whose published build wants CUDA. DeepSpeed is built against the torch that is installed, and
# compiles its CPU optimizer where it is first used.
$(VENV)/.gpu: requirements-gpu.in $(READY)
	grep -E '^(deepspeed|bitsandbytes|ninja)' requirements-gpu.in > $@.in
	DS_BUILD_OPS=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		-r $@.in -c requirements.lock
	@touch $@

lock:  ## write requirements.lock and environment.yml anew from requirements.in
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet -r requirements.in
	{ echo "# Exact versions of the whole environment. Written by \`make lock\` from requirements.in: do not edit."; \
	  $(VENV)-lock/bin/python -m pip freeze | sed 's/+cpu$$//'; } > requirements.lock
	rm -rf $(VENV)-lock
	{ echo "# The same versions for conda users. Written by \`make lock\`: do not edit."; \
	  echo "name: reinforced-cot"; echo "channels: [conda-forge]"; \
	  printf 'dependencies:\n  - python=3.11\n  - pip\n  - pip:\n'; \
	  sed '/^#/d; s/^/      - /' requirements.lock; } > environment.yml

clean:  ## what runs made; the environment stays
	rm -rf results .snakemake

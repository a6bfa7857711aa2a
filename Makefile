# Every target sets up what it needs: a virtual environment in .venv, and for tests also a C compiler, Java,
# Maven, Kafka, Azurite, Chromium, Prometheus, systemd's checker of units and processors in other languages.
# PYTHON=python3.12 chooses the interpreter, ARGS="…" goes on to the command.

.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
FIGURES := build/bench
SANITIZED := build/sanitized
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
# Whole files, those that last longest first (tests/longest_first.py). Five at a time: most tests wait for other processes.
# A test that hangs fails after ten minutes, and the stacks of its threads are printed.
PYTEST := $(BIN)/python -m pytest --numprocesses=5 --dist=loadfile --no-loadscope-reorder -p no:benchmark \
	--override-ini=faulthandler_timeout=600 --override-ini=faulthandler_exit_on_timeout=true
# Once for each environment, as five processes would otherwise do it five times over: 12 s of CPU time each.
COMPILE_TESTS := $(BIN)/python -m pytest --collect-only -qq -p no:benchmark >/dev/null
# Where it is set, as in many containers, every process of a test would compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE
# Where there is no uamqp, from Python 3.14 on, that extra is empty.
EXTRAS := emulator,uamqp
# Twice quiet: errors only, without the build backend's advice on editable installs.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check

.PHONY: help
help: ## Show this list
	@echo 'Usage: make TARGET [ARGS="…"] [PYTHON=python3.12]'
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r target text; do \
		printf '  %-8s %s\n' "$$target" "$$text"; done

.PHONY: demo
demo: $(VENV)/.demo ## Simulated devices into an embedded Kafka, with a summary: make demo ARGS="--events 20000 --json"
	@$(BIN)/ingest demo $(ARGS)

.PHONY: test
test: $(VENV)/.test ## All tests, against Apache Kafka and Azurite: make test ARGS="-k checkpoints"
	@[ -e $(VENV)/.compiled ] || { $(COMPILE_TESTS) && touch $(VENV)/.compiled; } & $(BIN)/python -m tests.services install && wait
	@$(PYTEST) $(ARGS)

.PHONY: boot
boot: $(VENV)/.test ## Two nodes under a real systemd, from a bare Debian to an uninstalled one; as root, installs systemd-nspawn and debootstrap
	@$(BIN)/python -m tests.systemd.live --install && $(BIN)/python -m tests.systemd.live $(ARGS)

.PHONY: unit
unit: $(VENV)/.test ## The tests that start no service: no Java, no Node, no network
	@INGEST_TESTS_WITHOUT_SERVICES=1 $(PYTEST) -m 'not services and not faults' \
		--ignore=tests/end_to_end --ignore=tests/interop --ignore=tests/systemd $(ARGS)

.PHONY: check
check: $(VENV)/.check ## Linter, formatter, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet tests/test_house.py

.PHONY: bench
bench: $(VENV)/.bench ## Benchmarks, a table and a plot of CPU per event: make bench ARGS="-k source_fast"
	@$(BIN)/python -m tests.services install
	@mkdir -p $(FIGURES)
	@$(BIN)/python -m pytest --capture=no --benchmark-only --benchmark-quiet \
		--benchmark-json=$(FIGURES)/figures.json bench $(ARGS); status=$$?; \
	if [ -s $(FIGURES)/figures.json ]; then \
		$(BIN)/python -m bench.plot $(FIGURES)/figures.json $(FIGURES)/cpu_per_event.png; \
	fi; \
	exit $$status

# RUN="tests.source.core.compare 100000 --odd 0.3" runs that instead of the tests.
.PHONY: sanitize
sanitize: $(VENV)/.test ## The compiled core's tests and the fuzzer's corpus, with AddressSanitizer and UndefinedBehaviorSanitizer
	@rm -rf $(SANITIZED) && mkdir -p $(SANITIZED) && \
	tar -c --exclude=node_modules --exclude='*.so' ingest tests setup.py pyproject.toml MANIFEST.in README.md LICENSE | tar -x -C $(SANITIZED)
	@$(PIP) --group sanitize
	@cd $(SANITIZED) && CFLAGS='$(SANITIZERS) -fno-omit-frame-pointer' LDFLAGS='$(SANITIZERS)' \
		$(CURDIR)/$(BIN)/python setup.py -q build_ext --inplace
	@cd $(SANITIZED) && LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONMALLOC=malloc \
		$(CURDIR)/$(BIN)/python -m $(or $(RUN),pytest --quiet -p no:benchmark tests/source/core tests/source/events tests/source/transport/test_frames.py tests/fuzz) $(ARGS)

.PHONY: wheel
wheel: $(VENV)/.demo ## A wheel in dist/ for machines like this one; for any Python, but slower, where there is no C compiler
	@rm -rf build/wheel && $(BIN)/python -m pip wheel -qq --disable-pip-version-check --no-deps --wheel-dir build/wheel . && mkdir -p dist && \
	for made in build/wheel/*.whl; do mv "$$made" dist/ && echo "dist/$${made##*/}"; done

.PHONY: clean
clean: ## Remove everything that these targets made
	@rm -rf $(VENV) .cache .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info \
		tests/javascript/node_modules
	@rm -f ingest/source/core/*.so
	@find ingest tests bench grafana -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps below tell make what .venv holds already. What pip compiles is built once more when its sources change; without a
# C compiler, which a demo does not need, it leaves that out.
PACKAGE := pyproject.toml setup.py ingest/__init__.py $(wildcard ingest/source/core/*.p[yx][xd])

$(VENV)/.demo: $(PACKAGE) | $(VENV)/.made
	@echo 'Installing the Python packages into $(VENV) (once).' >&2
	@$(PIP) --editable '.[$(EXTRAS)]'
	@touch $@

$(VENV)/.test: $(PACKAGE) | $(VENV)/.made
	@$(BIN)/python -m tests.services.prerequisites compiler
	@echo 'Installing the Python packages for tests into $(VENV) (once).' >&2
	@$(PIP) --editable '.[$(EXTRAS)]' --group test
	@touch $@ $(VENV)/.demo

$(VENV)/.check: $(PACKAGE) | $(VENV)/.made
	@$(BIN)/python -m tests.services.prerequisites compiler
	@echo 'Installing the Python packages for checks into $(VENV) (once).' >&2
	@$(PIP) --editable '.[$(EXTRAS)]' --group test --group check
	@touch $@ $(VENV)/.test $(VENV)/.demo

$(VENV)/.bench: $(PACKAGE) | $(VENV)/.made
	@$(BIN)/python -m tests.services.prerequisites compiler
	@echo 'Installing the Python packages for benchmarks into $(VENV) (once).' >&2
	@$(PIP) --editable '.[$(EXTRAS)]' --group test --group bench
	@touch $@ $(VENV)/.test $(VENV)/.demo

# `pip install --group` came with pip 25.1.
$(VENV)/.made:
	@python=; \
	for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
		if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then \
			python=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'This needs Python 3.11, 3.12, 3.13 or 3.14, and $(or $(PYTHON),python3) is not: install one of them,' \
			'and name it if need be: make PYTHON=/path/to/python3.12 …' >&2; \
		exit 1; \
	fi; \
	"$$python" -m tests.services.prerequisites venv && \
	"$$python" -m venv --clear $(VENV) && \
	$(PIP) --upgrade 'pip>=25.1'
	@touch $@

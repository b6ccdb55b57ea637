# One word for everything. Nothing has to be activated: `make demo` or `make test` is the first command in a checkout.
# Another interpreter: make PYTHON=python3.12 demo. More test processes: make JOBS=8 test. Fewer tests: make test ARGS=tests/unit.

PYTHON ?= python3
JOBS   ?= 2
ARGS   ?=

VENV := .venv
BIN  := $(VENV)/bin

# What an installed checkout depends on. Python files are used in place; kernels are compiled at install.
BUILD_INPUTS := pyproject.toml CMakeLists.txt $(shell find backends/kerasish_native/kernels -name '*.[ch]pp')

.PHONY: help demo install-test test asan tsan lint format bench docs clean

help:
	@echo "make demo          a first look, with no framework installed"
	@echo "make test          the whole test suite on all engines"
	@echo "make asan          the kernels' tests with AddressSanitizer and UndefinedBehaviorSanitizer (g++)"
	@echo "make tsan          the thread pool's test with ThreadSanitizer"
	@echo "make lint          formatting, lint, types, import rules"
	@echo "make format        fix what lint can fix"
	@echo "make bench         kerasish on each engine beside the engine alone"
	@echo "make docs          run what documents and docstrings show"
	@echo "make clean         remove build outputs and caches (the environment $(VENV) stays)"

demo: $(VENV)/.core
	$(BIN)/kerasish demo

install-test: $(VENV)/.test

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

# Sanitized kernels are built beside the installed ones, which the tests' sitecustomize.py replaces. Leaks are not looked
# for: Python leaves much behind when it ends.
asan: $(VENV)/.test $(VENV)/.cmake
	$(CONFIGURE) -B build/asan -DKERASISH_SANITIZE=address,undefined
	$(BIN)/cmake --build build/asan --target _kernels --parallel $(JOBS)
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	KERASISH_TEST_KERNELS=$(CURDIR)/build/asan PYTHONPATH=$(CURDIR)/tests/native/sanitized \
	$(BIN)/python -m pytest -n $(JOBS) --capture=sys --timeout=3000 $(or $(ARGS),$(KERNEL_TESTS))

tsan: $(VENV)/.cmake
	$(CONFIGURE) -B build/tsan -DKERASISH_SANITIZE=thread
	$(BIN)/cmake --build build/tsan --target pool_test --parallel $(JOBS)
	for threads in 1 2 4 8; do KERASISH_NUM_THREADS=$$threads build/tsan/pool_test || exit 1; done

KERNEL_TESTS := tests/native/kernels tests/native/plan tests/native/test_recurrent.py
CONFIGURE = $(BIN)/cmake -S . -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python \
	-Dnanobind_DIR=$$($(BIN)/python -m nanobind --cmake_dir)

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.test
	$(BIN)/python -m pytest tests/docs

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find kerasish backends tests benchmarks examples docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- environment: a stamp per level, so that a second run is instant and a changed pyproject.toml reinstalls ---

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("kerasish needs Python 3.11 or newer: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.created $(BUILD_INPUTS)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# For builds without pip. It makes an environment of its own to build in, which is gone when it is done.
$(VENV)/.cmake: $(VENV)/.created
	$(BIN)/python -m pip install --quiet cmake 'nanobind>=2.4'
	@touch $@

# torch comes first and alone: resolved together with the others it may bring a CUDA build along.
$(VENV)/.test: $(VENV)/.created $(BUILD_INPUTS)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[all,test]'
	@touch $(VENV)/.core $@

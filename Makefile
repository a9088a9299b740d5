# make edgegpu   set everything up and compute results/tables/edgegpu.csv
# make test      set everything up and run the tests that tell that a change is right (minutes)
# make test-all  run every test: real kills, SLURM, a browser, fuzzing (of them those of TESTS="-m slow")
# make check     formatting, lints, types and the direction of imports
# make docs      the documentation site, in site/
# make rknn      rknn-toolkit2 in .venv-rknn, for boards with a Rockchip NPU
# make litert    litert-torch in .venv-litert, for exports and devices of format litert
# make lock      resolve the dependencies of pyproject.toml anew, for pip and for conda
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: edgegpu all docs test test-all check lock surrogates licences audit rknn litert
.DELETE_ON_ERROR:

edgegpu: .venv/installed
	snakemake --cores $(CORES) results/tables/edgegpu.csv
	@cat results/tables/edgegpu.md

all: .venv/installed
	snakemake --cores $(CORES)

test: .venv/installed
	python -m pytest -m "not slow" --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

test-all: .venv/installed
	python -m pytest $(TESTS) --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

check: .venv/installed
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile rules workflow
	pyright
	lint-imports
	snakemake --lint

# A link that leads nowhere is an error.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict --quiet

# The shipped surrogates, fitted anew to the official tables in the data folder.
surrogates: .venv/installed
	snakemake --cores $(CORES) results/surrogates/nb201.npz --configfile config/surrogates.yaml
	cp results/surrogates/nb201.npz results/surrogates/nb201.csv hanas/resources/surrogates/

licences: .venv/installed
	python envs/licences.py

# The Python of its own that devices of kind rknn need.
rknn:
	envs/rknn

# The Python of its own that exports and devices of format litert need.
litert:
	envs/litert

# Known vulnerabilities, where their database can be reached; else withdrawn releases and age.
audit: .venv/installed
	envs/audit

.venv/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hanas needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable . # the command hanas
	touch $@

# torch's CUDA libraries are left out: where pip finds a CPU build, nothing of them is needed, and
# where it takes the CUDA build, pip adds those that the build asks for.
lock: .venv/installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev --no-annotate \
		--no-emit-package hanas --no-emit-package triton --no-emit-package cuda-bindings \
		--no-emit-package cuda-pathfinder --no-emit-package cuda-toolkit \
		$(foreach part,cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand \
			cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx, \
			--no-emit-package nvidia-$(part)) \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	$(BIN)/python envs/conda.py

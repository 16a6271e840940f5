# Thin over scripts/, so that everything also runs without make.
.PHONY: serve test setup fmt lint types check e2e bench e2e-live mutate docs wheel lock

serve:  ## serve examples/hello.yaml with the embedded model; needs no key
	@scripts/serve.sh

test:  ## the whole suite
	@scripts/test.sh $(ARGS)

setup:  ## an environment with everything a developer needs
	@scripts/setup.sh check

fmt: setup  ## format and sort
	@.venv/bin/ruff format src tests benchmarks scripts
	@.venv/bin/ruff check --fix src tests benchmarks scripts

lint: setup  ## style
	@.venv/bin/ruff format --check src tests benchmarks scripts
	@.venv/bin/ruff check src tests benchmarks scripts

types: setup  ## types
	@.venv/bin/pyright

check:  ## format, lint, types, tests: what CI runs
	@scripts/check.sh

e2e:  ## real clients, a real browser, and abuse; makes their environments first
	@scripts/e2e.sh $(ARGS)

bench: setup  ## speed beside nginx, in one run; needs gcc and nginx
	@.venv/bin/python -m benchmarks.run $(ARGS)

e2e-live: setup  ## one real chat with each provider whose key is set
	@.venv/bin/python scripts/live.py

mutate: setup  ## break the product line by line; each must turn a test red
	@.venv/bin/python scripts/mutate.py $(ARGS)

docs: setup  ## write the generated parts of docs/reference anew
	@.venv/bin/python scripts/docs.py

wheel:  ## build the wheel and serve with it from an empty environment
	@scripts/wheel.sh

lock: setup  ## pin all requirements anew
	@scripts/lock.sh

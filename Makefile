# Two doors: `make demo` and `make test`. Everything behind them is `cargo xtask NAME`.
#
#   make demo                a whole mobile network on this machine; stays up until Ctrl-C
#   make demo ARGS=--once    the same, once through: writes target/demo/summary.json and ends
#   make demo ARGS=--federated  phones of another operator, through two federation gateways; ends by itself
#   make test                installs what is missing and runs everything that CI runs
#   make test ARGS="tidy"    only the steps of CI whose names contain these words
#   make clean-lab           takes away what a demo left behind that was killed
#   make help                these lines

ARGS ?=

# The toolchain that rust-toolchain.toml pins; where it is not there and cannot be fetched, the stable one that is.
ifneq ($(shell cargo --version >/dev/null 2>&1 || echo missing),)
export RUSTUP_TOOLCHAIN := stable
endif

.PHONY: help demo test clean-lab xtask

help:
	@sed -n 's/^#   //p' Makefile

demo: xtask
	@cargo xtask demo $(ARGS)

test: xtask
	@cargo xtask ci $(ARGS)

clean-lab: xtask
	@cargo xtask clean-lab

xtask:
	@command -v cargo >/dev/null || { echo "Rust is missing: install it by rustup, then try again"; exit 1; }
	@cargo build --locked --package xtask

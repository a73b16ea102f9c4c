# Each target does its own set-up: on Debian missing packages are installed, elsewhere they are named.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=

# rustup's folder, where a shell that has not been opened anew does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: all demo test thunderbird bench install needs-build needs-test needs-thunderbird needs-bench

all: needs-build
	$(CARGO) build --locked --release

# From the shell to the reader, and what the server between saw.
demo: needs-build
	$(CARGO) build --locked --bin sealpost --example demo
	$(CARGO) run --quiet --locked --example demo

# Everything: units, properties, documentation, the program against itself and against real peers.
test: needs-test
	$(CARGO) test --locked

# By hand, since it is large and its insides change with its versions: a real Thunderbird opens what sealpost writes, and
# sealpost what Thunderbird writes.
thunderbird: needs-thunderbird
	$(CARGO) build --locked --bin sealpost
	tests/thunderbird/drive.py target/debug/sealpost

# Ratios against what people use today (benches/rivals), and a store of 100,000 certificates (benches/store).
bench: needs-bench
	$(CARGO) bench --locked --bench rivals
	$(CARGO) bench --locked --bench store

install: needs-build
	$(CARGO) install --locked --no-track --force --path . --root "$(DESTDIR)$(PREFIX)"
	mkdir -p "$(DESTDIR)$(PREFIX)/share/man/man1" "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
		"$(DESTDIR)$(PREFIX)/share/zsh/site-functions" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	"$(DESTDIR)$(PREFIX)/bin/sealpost" man "$(DESTDIR)$(PREFIX)/share/man/man1"
	"$(DESTDIR)$(PREFIX)/bin/sealpost" completions bash > "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/sealpost"
	"$(DESTDIR)$(PREFIX)/bin/sealpost" completions zsh > "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_sealpost"
	"$(DESTDIR)$(PREFIX)/bin/sealpost" completions fish > "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sealpost.fish"

needs-build needs-test needs-thunderbird needs-bench: needs-%:
	@.ci/needs $*

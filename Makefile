# Thin over cargo: Rust is built by cargo, and what surrounds it (C examples, installation, the
# tests that are no cargo tests) hangs here. `make help` lists the targets.

CARGO  ?= cargo
PYTHON ?= python3
PREFIX ?= /usr/local
PORT   ?=
CFLAGS ?= -O2 -g
WARN   := -std=c99 -Wall -Wextra -Wpedantic
WARNXX := -std=c++17 -Wall -Wextra -Wpedantic

# One place for everything that is built, whatever the environment says.
export CARGO_TARGET_DIR := $(CURDIR)/target
export PREFIX DESTDIR LIBDIR INCLUDEDIR PYTHON CARGO

RELEASE  := target/release
LIB      := $(RELEASE)/libwsock.so.0
EXAMPLES := $(patsubst examples/c/%.c,target/c/%,$(wildcard examples/c/*.c)) \
	$(addprefix target/embed/,poll epoll frame)
VENV     := target/autobahn/venv
SOAK     := target/soak/soak
NETEM    := $(addprefix target/netem/,call serve)
HOSTILE  := $(addprefix target/hostile/,siege victims visitor)

# The programs of examples/embed that need a library: what pkg-config calls it, and Debian. Asio has no file for
# pkg-config, so the compiler is asked for its header.
glib.pc := glib-2.0
glib.deb := libglib2.0-dev
libuv.pc := libuv
libuv.deb := libuv1-dev
libevent.pc := libevent_core
libevent.deb := libevent-dev
gtk.pc := gtk+-3.0
gtk.deb := libgtk-3-dev
asio.deb := g++ libboost-dev
asio.ask := echo '\#include <boost/asio/version.hpp>' | $(CXX) -x c++ -fsyntax-only -
HOSTS := glib libuv libevent asio gtk
has    = $(shell { $(or $($1.ask),pkg-config --exists $($1.pc)); } >/dev/null 2>&1 && echo yes)
# Deferred, since most targets need not know what is here.
EMBED  = $(foreach host,$(HOSTS),$(if $(call has,$(host)),target/embed/$(host),skipped-$(host)))
pkg    = $(if $($*.pc),$(shell pkg-config $1 $($*.pc)))
# $ORIGIN: a program finds the library next door, from whatever directory it is started.
LINK     := -L$(RELEASE) -lwsock -Wl,-rpath,'$$ORIGIN/../release'

.PHONY: help run build examples embed test soak netem test-python autobahn-python wheel tsan asan miri audit faults bench counts counts-accept profile fuzz fuzz-differential coverage lint header install autobahn interop hostile clean FORCE need-cargo need-cc need-counts need-perf need-openssl need-python
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target what; do \
		printf '  make %-17s %s\n' "$$target" "$$what"; done

run: examples ## build and start the chat example; open the address it prints
	@target/c/chat_server $(if $(PORT),--port $(PORT))

build: $(LIB) ## build libwsock.so and libwsock.a (target/release)

examples: $(EXAMPLES) ## build the C examples (target/c)

embed: examples ## build the examples for the event loops of others, as far as these are here (target/embed)
	@$(MAKE) --no-print-directory $(EMBED)

test: need-cargo need-python examples embed bench-programs $(SOAK) $(NETEM) $(HOSTILE) ## run every test that this machine can run
	WSOCK_TEST_LIBRARY=$(CURDIR)/$(RELEASE)/libwsock.so $(CARGO) test
	@if command -v valgrind >/dev/null; then \
		echo "the C programs again, under valgrind"; WSOCK_VALGRIND=1 \
		WSOCK_TEST_LIBRARY=$(CURDIR)/$(RELEASE)/libwsock.so $(CARGO) test --test c_suite; \
	else echo "skipped: the C programs under valgrind, which is not here: apt-get install valgrind"; fi
	$(CARGO) test --no-default-features --lib --test header_sync
	$(CARGO) test --no-default-features --features test-panic --test panic
	tests/install.sh
	$(PYTHON) tests/supply_chain.py
	$(PYTHON) tests/readme.py
	$(PYTHON) tests/examples.py
	$(PYTHON) tests/embed.py
	$(PYTHON) tests/benches.py
	$(PYTHON) tests/soak/check.py
	$(PYTHON) tests/netem/run.py --quick
	$(PYTHON) tests/hostile/run.py
	$(PYTHON) tests/counts.py
	$(PYTHON) tests/flame.py
	bindings/python/tests/run.sh $(LIB) target/python
	tests/autobahn/install.sh $(VENV)
	$(PYTHON) tests/autobahn/run.py --timeout 300 server target/c/echo_server --deflate
	$(PYTHON) tests/autobahn/run.py --timeout 300 client target/c/autobahn_client
	@if command -v openssl >/dev/null; then \
		$(PYTHON) tests/autobahn/run.py --timeout 300 --tls server target/c/echo_server --deflate && \
		$(PYTHON) tests/autobahn/run.py --timeout 300 --tls client target/c/autobahn_client; \
	else echo "skipped: the Autobahn suite over wss, for want of openssl: apt-get install openssl"; fi
	@echo "all tests passed"

autobahn: need-python examples ## run all 517 Autobahn cases against both roles, over ws and wss (half an hour)
	tests/autobahn/install.sh $(VENV)
	$(PYTHON) tests/autobahn/run.py --cases all server target/c/echo_server --deflate
	$(PYTHON) tests/autobahn/run.py --cases all client target/c/autobahn_client
	$(PYTHON) tests/autobahn/run.py --cases all --tls server target/c/echo_server --deflate
	$(PYTHON) tests/autobahn/run.py --cases all --tls client target/c/autobahn_client

interop: need-python examples target/interop/client ## talk to nginx, HAProxy, Apache, proxies, curl, Node and Python
	tests/interop/install.sh target/interop
	target/interop/venv/bin/python tests/interop/run.py $(if $(ONLY),--only '$(ONLY)')

soak: $(SOAK) need-python need-openssl ## churn servers and clients for MINUTES=10; memory, descriptors and latency must stay flat (target/soak)
	$(PYTHON) tests/soak/run.py $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

$(SOAK): $(wildcard tests/soak/*.[ch]) include/wsock.h $(LIB) | need-cc
	@mkdir -p target/soak
	$(CC) $(WARN) $(CFLAGS) -pthread -Iinclude $(filter %.c,$^) -o $@ $(LDFLAGS) $(LINK)

netem: $(NETEM) examples need-python need-openssl ## talk over networks that lose, delay, double and cut (wants root; ONLY="name")
	tests/netem/install.sh target/netem/venv
	$(PYTHON) tests/netem/run.py $(if $(ONLY),--only '$(ONLY)') $(ARGS)

$(NETEM): target/netem/%: tests/netem/%.c tests/netem/talk.c tests/netem/talk.h include/wsock.h $(LIB) | need-cc
	@mkdir -p target/netem
	$(CC) $(WARN) $(CFLAGS) -Iinclude $(filter %.c,$^) -o $@ $(LDFLAGS) $(LINK)

tsan: need-cargo need-cc ## run the C programs and Rust tests about threads below ThreadSanitizer (wants a nightly Rust)
	tests/tsan.sh $(ONLY)

asan: need-cargo need-cc ## run C suite and Rust tests below AddressSanitizer: memory, leaks, undefined behaviour (wants a nightly Rust)
	tests/asan.sh $(ONLY)

miri: need-cargo ## run the tests of src/util and src/proto in Miri, for undefined behaviour (wants a nightly Rust)
	tests/miri.sh $(ONLY)

audit: need-cargo need-python ## check what the library is made of against deny.toml: crates, licenses, known vulnerabilities
	$(PYTHON) tests/supply_chain.py
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check; \
	else echo "skipped: known vulnerabilities, for want of cargo-deny: cargo install cargo-deny --locked"; fi

faults: $(LIB) need-cc ## many plans of failing system calls against the library (PLANS=100000 SEED=1)
	WSOCK_TEST_LIBRARY=$(CURDIR)/$(RELEASE)/libwsock.so PLANS=$(or $(PLANS),100000) SEED=$(SEED) \
		$(CARGO) test --test faults

hostile: need-python $(HOSTILE) target/c/echo_server ## attack the echo server with full force and measure how long others wait (ONLY="bombs")
	$(PYTHON) tests/hostile/force.py $(if $(ONLY),--only '$(ONLY)')

BENCH    := target/bench
COUNTS   := target/counts
PROFILE  := target/profile
PROGRAMS := $(addprefix $(BENCH)/,loadgen limit_ws limit_tcp limit_client firehose echo broadcast client)
.PHONY: load bench-peers bench-ways bench-programs
bench: bench-programs ## measure speed and memory against the least possible (ARGS="--only NAME --rounds 3", ARGS=--help)
	$(PYTHON) benches/run.py $(ARGS)

bench-peers: bench-programs ## the same, with other libraries beside it as far as they can be built here
	benches/peers/install.sh target/peers
	$(PYTHON) benches/run.py --peers $(ARGS)

load: bench-programs ## hold 15,000 connections that talk, take 10,000 at once, and see how far several processes get (ARGS=--help)
	$(PYTHON) benches/hold.py $(ARGS)

bench-ways: $(BENCH)/ways/threads $(BENCH)/ways/broadcast ## measure one way to send against another
	@for each in $^; do $$each && echo || exit 1; done

bench-programs: need-python $(PROGRAMS) target/c/echo_server

wheel: $(if $(GLIBC),need-cargo,$(LIB) need-cc) need-python ## build the Python package's wheel (target/python/dist) for this machine's glibc, or GLIBC=2.17
	$(PYTHON) -m venv target/python/build
	target/python/build/bin/pip install -q --disable-pip-version-check build hatchling $(if $(GLIBC),cargo-zigbuild ziglang)
	$(if $(GLIBC),WSOCK_GLIBC=$(GLIBC) CARGO_TARGET_DIR=$(CURDIR)/target/python/cross,WSOCK_LIBRARY=$(CURDIR)/$(LIB)) \
		target/python/build/bin/python -m build --wheel --no-isolation --outdir target/python/dist bindings/python

test-python: $(LIB) need-cc need-python ## the Python package's tests alone
	bindings/python/tests/run.sh $(LIB) target/python

autobahn-python: test-python ## run the quick Autobahn cases against the Python package, both roles (CASES=all: all)
	tests/autobahn/install.sh $(VENV)
	$(PYTHON) tests/autobahn/run.py --queued --cases $(or $(CASES),quick) --timeout 600 server \
		target/python/venv/bin/python -m wsock serve --port 0
	$(PYTHON) tests/autobahn/run.py --queued --cases $(or $(CASES),quick) --timeout 600 client \
		target/python/venv/bin/python bindings/python/tests/autobahn_client.py

counts: $(COUNTS)/api need-counts ## count instructions below valgrind; fails when something became dearer
	$(PYTHON) benches/counts/count.py

counts-accept: $(COUNTS)/api need-counts ## the same, and take the figures for the new baseline
	$(PYTHON) benches/counts/count.py --accept

# ARGS are the load generator's: make profile ARGS="--size 16384"
profile: $(PROFILE)/echo_server $(BENCH)/loadgen need-perf need-python ## draw where the echo server's time goes, as a flame graph (target/profile)
	$(PYTHON) benches/profiler.py $(wordlist 1,2,$^) $(PROFILE) $(or $(ARGS),--size 125 --depth 16)

$(PROFILE)/echo_server: examples/c/echo_server.c include/wsock.h FORCE | need-cargo need-cc
	$(CARGO) build --profile profiling --lib
	@ln -sf libwsock.so target/profiling/libwsock.so.0
	@mkdir -p $(PROFILE)
	$(CC) $(WARN) $(CFLAGS) -Iinclude $< -o $@ $(LDFLAGS) -Ltarget/profiling -lwsock -Wl,-rpath,'$$ORIGIN/../profiling'

$(COUNTS)/api: $(wildcard benches/counts/*.[ch]) include/wsock.h $(LIB) | need-cc
	@mkdir -p $(COUNTS)
	$(CC) $(WARN) $(CFLAGS) -Iinclude $(filter %.c,$^) -o $@ $(LDFLAGS) $(LINK)

fuzz: need-cargo ## fuzz every target for FUZZ_SECONDS=60, or only those in FUZZ_TARGETS=
	fuzz/run.sh $(or $(FUZZ_SECONDS),60) $(FUZZ_TARGETS)

fuzz-differential: need-cargo need-python ## ask tungstenite and Python's websockets what they make of CASES=5000 inputs of each kind
	fuzz/differential/run.sh $(or $(CASES),5000)

coverage: need-cargo need-python ## which lines of src/proto the tests reach; fails below LEAST=95 percent
	$(PYTHON) tests/coverage.py $(or $(LEAST),95)

lint: need-cargo need-cc target/c/chat_page.h ## check formatting; clippy, rustdoc and C warnings are errors
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --all-targets --no-default-features --features test-panic -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items
	@for file in examples/c/*.c $(LINT_BENCH) tests/interop/*.c tests/soak/*.c tests/netem/*.c tests/hostile/*.c; do echo "$(CC) -Werror $$file"; \
		$(CC) $(WARN) -O2 -Werror -Iinclude -Itarget/c -c -o /dev/null "$$file" || exit 1; done
	@$(MAKE) --no-print-directory $(addprefix lint-,poll epoll frame) $(EMBED:target/embed/%=lint-%)

header: ## regenerate include/wsock.h from the Rust sources
	WSOCK_UPDATE_HEADER=1 $(CARGO) test --test header_sync

# Uses what is built, so that `make build && sudo make install` needs no toolchain for root.
install: $(if $(wildcard $(LIB)),,$(LIB)) ## install library, header and pkg-config file (PREFIX=/usr/local DESTDIR=)
	packaging/install.sh

clean: ## remove everything that was built
	$(CARGO) clean

# cargo knows best whether something changed. The link gives the library the name that programs ask for.
$(LIB): FORCE | need-cargo
	$(CARGO) build --release --lib
	@ln -sf libwsock.so $@

target/c/%: examples/c/%.c include/wsock.h $(LIB) | need-cc
	@mkdir -p target/c
	$(CC) $(WARN) $(CFLAGS) -Iinclude -Itarget/c $< -o $@ $(LDFLAGS) $(LINK)

target/embed/%: examples/embed/%.c include/wsock.h $(LIB) | need-cc
	@mkdir -p target/embed
	$(CC) $(WARN) $(CFLAGS) -Iinclude $(call pkg,--cflags) $< -o $@ $(LDFLAGS) $(LINK) $(call pkg,--libs)

target/embed/%: examples/embed/%.cpp include/wsock.h $(LIB)
	@mkdir -p target/embed
	$(CXX) $(WARNXX) $(CFLAGS) -Iinclude $< -o $@ $(LDFLAGS) $(LINK)

lint-%: examples/embed/%.c
	@echo "$(CC) -Werror $<"
	@$(CC) $(WARN) -O2 -Werror -Iinclude $(call pkg,--cflags) -c -o /dev/null $<

lint-%: examples/embed/%.cpp
	@echo "$(CXX) -Werror $<"
	@$(CXX) $(WARNXX) -Werror -Iinclude -fsyntax-only $<

skipped-%:
	@echo "skipped: examples/embed/$*, for want of a library: apt-get install $($*.deb)"

target/hostile/%: tests/hostile/%.c include/wsock.h $(LIB) | need-cc
	@mkdir -p target/hostile
	$(CC) $(WARN) $(CFLAGS) -Iinclude $< -o $@ $(LDFLAGS) $(LINK)

target/interop/client: tests/interop/client.c include/wsock.h $(LIB) | need-cc
	@mkdir -p target/interop
	$(CC) $(WARN) $(CFLAGS) -Iinclude $< -o $@ $(LDFLAGS) $(LINK)

# The limits are built for this very machine, since they are what can be done on it.
$(addprefix $(BENCH)/,limit_ws limit_tcp firehose): $(BENCH)/%: benches/limit/%.c benches/limit/serve.c benches/limit/upgrade.c
$(BENCH)/limit_client: benches/limit/limit_client.c benches/limit/meter.c
$(BENCH)/client: benches/limit/meter.c benches/limit/meter.h
$(filter $(BENCH)/limit_% $(BENCH)/firehose,$(PROGRAMS)): $(wildcard benches/limit/*.h) | need-cc
	@mkdir -p $(BENCH)
	$(CC) $(WARN) $(CFLAGS) -O3 -march=native $(filter %.c,$^) -o $@ $(LDFLAGS)

# The load generator goes without what is not here, and says so when it is asked for it.
openssl.ask := echo '\#include <openssl/ssl.h>' | $(CC) -x c -fsyntax-only -
zlib.ask := echo '\#include <zlib.h>' | $(CC) -x c -fsyntax-only -
LOAD_TLS      = $(if $(call has,openssl),tls,no_tls)
LOAD_COMPRESS = $(if $(call has,zlib),compress,no_compress)
LOAD_ALWAYS  := $(filter-out %tls.c %compress.c,$(wildcard benches/load/*.c))
LINT_BENCH    = $(filter-out $(if $(call has,openssl),,%/tls.c) $(if $(call has,zlib),,%/compress.c), \
	$(foreach part,limit load ours ways,$(wildcard benches/$(part)/*.c)))
$(BENCH)/loadgen: $(wildcard benches/load/*.[ch]) benches/limit/frame.h | need-cc
	@mkdir -p $(BENCH)
	$(CC) $(WARN) $(CFLAGS) $(LOAD_ALWAYS) $(patsubst %,benches/load/%.c,$(LOAD_TLS) $(LOAD_COMPRESS)) -o $@ $(LDFLAGS) \
		$(if $(filter tls,$(LOAD_TLS)),-lssl -lcrypto) $(if $(filter compress,$(LOAD_COMPRESS)),-lz)

$(addprefix $(BENCH)/,echo broadcast client): $(BENCH)/%: benches/ours/%.c
$(addprefix $(BENCH)/ways/,threads broadcast): $(BENCH)/ways/%: benches/ways/%.c $(addprefix benches/ways/,drain.c dial.c measure.c)
$(addprefix $(BENCH)/,echo broadcast client ways/threads ways/broadcast): benches/ours/serve.c include/wsock.h $(LIB) | need-cc
	@mkdir -p $(@D)
	$(CC) $(WARN) $(CFLAGS) -pthread -Iinclude $(filter %.c,$^) -o $@ $(LDFLAGS) -L$(RELEASE) -lwsock -Wl,-rpath,$(CURDIR)/$(RELEASE)

target/c/chat_server: target/c/chat_page.h

# A file as the bytes of a C array.
target/c/chat_page.h: examples/c/chat.html
	@mkdir -p target/c
	@{ echo 'static const unsigned char chat_page[] = {'; od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};'; } > $@

need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "Rust 1.88 or newer is needed: https://rustup.rs"; exit 1; }

need-cc:
	@command -v $(CC) >/dev/null || { echo "a C compiler is needed: apt-get install gcc libc6-dev"; exit 1; }

need-counts: need-cargo
	@command -v valgrind >/dev/null || { echo "valgrind counts the instructions: apt-get install valgrind"; exit 1; }
	@command -v openssl >/dev/null || { echo "openssl makes the certificate: apt-get install openssl"; exit 1; }

need-openssl:
	@command -v openssl >/dev/null || { echo "openssl makes the certificates: apt-get install openssl"; exit 1; }

need-perf:
	@command -v perf >/dev/null || { echo "perf takes the samples: apt-get install linux-perf"; exit 1; }

need-python:
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "the tests need Python 3.10 or newer with its venv module: apt-get install python3 python3-venv"; exit 1; }

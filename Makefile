# ecs.h: `make help` lists the targets. Needs GNU make and a C compiler, nothing else.

CC ?= cc
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
DESTDIR ?=
DIR ?= .
GCOV ?= gcov
COVERAGE_MIN ?= 95
FUZZ_SECONDS ?= 60
SWARM_ARGS ?=
CENSUS_ARGS ?=
BENCH_ARGS ?=

WARNINGS = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Werror
# -ffp-contract=off: results must not depend on whether a compiler fuses multiply and add.
BASE = -std=c11 -ffp-contract=off $(WARNINGS) -I.
LIBS = -lm -lpthread

EXAMPLES = $(notdir $(patsubst %/,%,$(sort $(dir $(wildcard examples/*/*.c)))))
BENCHES = $(basename $(notdir $(wildcard bench/*.c)))
HEADERS = $(wildcard ecs.h ecs_io_uring.h ecs_cluster.h)
RUN = CC="$(CC)" CFLAGS="$(CFLAGS)" MAKE="$(MAKE)" sh tests/run.sh

.PHONY: help demo check check-long bench tidy ecs.h install coverage examples \
	asan ubsan msan tsan fuzz clean FORCE

help:
	@echo "make demo        build and run the examples: swarm, and census on DIR=$(DIR)"
	@echo "make check       everything that is tested; ends with N passed, N failed, N skipped"
	@echo "make check-long  the same with more rounds, more inputs, longer runs"
	@echo "make bench       measure; prints tables (BENCH_ARGS= is passed on)"
	@echo "make tidy        the house rules only"
	@echo "make ecs.h       put src/ together into ecs.h"
	@echo "make install     headers and ecs.pc below PREFIX=$(PREFIX) (DESTDIR= is respected)"
	@echo "make coverage    line coverage of src/, at least $(COVERAGE_MIN) %"
	@echo "make examples    build the examples: $(EXAMPLES)"
	@echo "make asan ubsan msan tsan    the unit tests with one sanitizer"
	@echo "make fuzz        each fuzz target with libFuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS) (clang)"
	@echo "make clean       remove build/"
	@echo
	@echo "Variables: CC CFLAGS DIR PREFIX DESTDIR JOBS, CHECK_NO_SKIPS=1 (a skip is a failure),"
	@echo "ONLY=part-of-a-step-name with check."

# ---- tools and the generated header

build/tools/%: tools/%.c
	@mkdir -p build/tools
	$(CC) $(BASE) $(CFLAGS) $< -o $@

ecs.h: build/tools/amalgamate
	build/tools/amalgamate src/ecs_dev.h ecs.h

# A copy whose time changes only when ecs.h does. Programs depend on it rather than on ecs.h,
# because a program must not regenerate the header by the way: `make check` says if it is stale.
build/ecs.copy: FORCE
	@mkdir -p build
	@cmp -s ecs.h $@ || cp ecs.h $@

# ---- examples

build/crypto.flags:
	@mkdir -p build
	@printf '#include <openssl/evp.h>\nint main(void) { return EVP_sha256() == NULL; }\n' \
		> build/crypto.c
	@if $(CC) build/crypto.c -o build/crypto.probe -lcrypto 2> build/crypto.log; \
	then echo '-DCENSUS_OPENSSL -lcrypto' > $@; else : > $@; fi

build/examples/%: build/ecs.copy ecs_io_uring.h build/crypto.flags Makefile \
		$(wildcard examples/*/*.[ch])
	@mkdir -p build/examples
	$(CC) $(BASE) $(CFLAGS) -O3 examples/$*/*.c -o $@ $$(cat build/crypto.flags) $(LIBS)

examples: $(addprefix build/examples/,$(EXAMPLES))

demo: build/examples/swarm build/examples/census
	@echo
	build/examples/swarm $(SWARM_ARGS)
	@echo
	build/examples/census $(CENSUS_ARGS) "$(DIR)"

# ---- checks

check:
	@+$(RUN)

check-long:
	@+ECS_TEST_LONG=1 ECS_TEST_LIMIT_S=$${ECS_TEST_LIMIT_S:-3600} $(RUN)

tidy:
	@+$(RUN) tidy tools

asan ubsan msan:
	@+$(RUN) $@

tsan:
	@+$(RUN) tsan-all

fuzz:
	@FUZZ_SECONDS="$(FUZZ_SECONDS)" sh tests/fuzz.sh

coverage:
	@GCOV="$(GCOV)" COVERAGE_MIN="$(COVERAGE_MIN)" sh tests/coverage.sh

# ---- measurements

# NDEBUG, as its users have it; the asserts of ecs.h stay on, for they do not heed it.
build/bench/%: bench/%.c $(wildcard bench/*.h) build/ecs.copy Makefile
	@mkdir -p build/bench
	$(CC) $(BASE) -O3 -march=native -DNDEBUG $< -o $@ $(LIBS)

bench: $(addprefix build/bench/,$(BENCHES))
	@for each in $(BENCHES); do echo; echo "== $$each"; \
		build/bench/$$each $(BENCH_ARGS) || exit 1; done
	@for each in $(wildcard bench/*.sh); do echo; echo "== $$each"; \
		CC="$(CC)" sh $$each || exit 1; done

# ---- installing

install:
	@CC="$(CC)" sh tools/install.sh "$(DESTDIR)" "$(PREFIX)" $(HEADERS)

clean:
	rm -rf build

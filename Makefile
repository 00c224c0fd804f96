# "make help" tells what there is.

PREFIX = /usr/local
DESTDIR =
SHELL = /bin/bash
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The output of a command that runs when the variable is first needed, once.
once = $(eval $1 := $$(shell $2))$(if $(filter 0,$(.SHELLSTATUS)),$($1),$(error \
	Cannot go on without $1: $2 failed))

DENO = $(call once,DENO,.ci/deno)
IMPORTS = $(call once,IMPORTS,.ci/std $(DENO))
RUN = $(DENO) run -A $(IMPORTS)

CODE = deno.json $(wildcard main.ts mod.ts src/*.ts ffi/*.ts)
BUILDER = $(wildcard .ci/build.ts .ci/build/*.ts .ci/offline/*)
PACKAGES = attr bindfs binutils binutils-aarch64-linux-gnu busybox-static \
	dbus-bin dbus-daemon debootstrap e2fsprogs fish fuse-overlayfs fuse3 git \
	mandoc patch pulseaudio pulseaudio-utils python3 qemu-user-static rsync \
	strace uidmap wayland-utils weston x11-utils xauth xdg-dbus-proxy xterm xvfb \
	zsh
PAGES = man/man1/cage.1 bash-completion/completions/cage \
	zsh/site-functions/_cage fish/vendor_completions.d/cage.fish
PEERS = bubblewrap busybox-static crun firejail hyperfine podman runc \
	systemd-container uidmap

.PHONY: all
all: bin/cage bin/share ## Builds bin/cage (this is what make does without a target)

bin/cage: $(CODE) $(BUILDER) .deno/imports
	@mkdir -p bin
	$(RUN) .ci/build.ts $(IMPORTS) -o $@

# The manual page, and completions for shells.
bin/share: src/options.ts src/examples.ts src/help.ts src/version.ts \
		$(wildcard .ci/pages.ts .ci/pages/*.ts)
	@rm -rf $@
	$(RUN) .ci/pages.ts $@

# Changes only with where @std is from, so that bin/cage is built anew then.
.deno/imports: FORCE
	@mkdir -p .deno
	@cmp -s $@ - <<<'$(IMPORTS)' || echo '$(IMPORTS)' >$@
.PHONY: FORCE
FORCE:

.PHONY: run
run: bin/cage ## Shows a command on a copy-on-write view of this machine
	@.ci/show

.PHONY: test
test: bin/cage ## Runs every test; as root (Debian: installs what is missing)
	@.ci/need $(PACKAGES)
	@$(RUN) .ci/test.ts $(IMPORTS)

.PHONY: test-unit
test-unit: ## Runs the tests that need no privileges, and the examples of docs
	@.ci/need --if-root binutils binutils-aarch64-linux-gnu fish mandoc \
		qemu-user-static zsh
	@$(RUN) .ci/test.ts $(IMPORTS) unit doc

# SEED, CASE and CASES choose what is played, see tests/fuzz/main.ts.
.PHONY: fuzz
fuzz: bin/cage ## Plays 10000 random cases; as root: SEED=1 CASE=20 for one again
	@.ci/need busybox-static e2fsprogs
	@$(RUN) tests/fuzz/main.ts

.PHONY: check
check: ## Checks format, lint, types, docs, publishing and conventions
	$(DENO) fmt --check --quiet
	$(DENO) lint --quiet
	$(DENO) check --quiet --doc $(IMPORTS)
	$(DENO) doc --lint --quiet $(IMPORTS) $(filter %.ts,$(CODE)) >/dev/null
	$(RUN) .ci/publish.ts $(IMPORTS)
	$(RUN) .ci/check.ts

# Ten rounds take about eight minutes; one is enough to see that all runs.
ROUNDS ?= 10

.PHONY: bench
bench: bin/cage ## Measures launches beside other programs: docs/benchmarks.md
	@.ci/need $(PEERS)
	@$(RUN) tests/bench/main.ts $(IMPORTS) --rounds=$(ROUNDS)

# What make built is installed as it is: root may have another PATH than the
# user who built it, and with it no Deno or another one.
.PHONY: install
install: $(if $(wildcard bin/cage),,bin/cage) $(if $(wildcard bin/share),,bin/share) ## Installs it setuid root: PREFIX=/usr/local DESTDIR=
	install -D -o 0 -g 0 -m 4755 bin/cage $(DESTDIR)$(PREFIX)/bin/cage
	for file in $(PAGES); do install -D -o 0 -g 0 -m 644 bin/share/$$file \
		$(DESTDIR)$(PREFIX)/share/$$file || exit; done

.PHONY: uninstall
uninstall: ## Removes it again
	rm -f $(DESTDIR)$(PREFIX)/bin/cage \
		$(addprefix $(DESTDIR)$(PREFIX)/share/,$(PAGES))

.PHONY: clean
clean: ## Removes what was built, and Deno if it was got for this
	rm -rf bin .deno

.PHONY: help
help: ## Shows this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12
	@echo
	@echo 'STD=/path/to/denoland/std make test    takes @std from its sources'

#!/usr/bin/env bash
# The one test command: installs what is missing, then checks everything. Some forty minutes on two cores, of which most
# goes into building everything five times.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }
give_up() {
    printf '\ntest.sh: %s\n' "$*" >&2
    exit 1
}

# --- what must be on the machine ------------------------------------------------------------------------------------

command -v cargo >/dev/null || give_up "no cargo on the PATH; install a Rust toolchain (rustup.rs) and run this again"
for part in fmt clippy; do
    cargo "$part" --version >/dev/null 2>&1 || give_up "cargo $part is missing: rustup component add ${part/fmt/rustfmt}"
done

# install COMMAND PACKAGE: unless the command is there.
install() {
    command -v "$1" >/dev/null && return
    say "installing $2, for $1"
    if command -v apt-get >/dev/null; then
        local sudo=""
        [ "$(id -u)" = 0 ] || sudo="sudo"
        $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "$2"
    elif command -v brew >/dev/null; then
        brew install "$2"
    else
        give_up "$1 is missing, and there is neither apt-get nor brew to install $2 with"
    fi
    command -v "$1" >/dev/null || give_up "$2 is installed but $1 is not on the PATH"
}
command -v cc >/dev/null || install gcc gcc # build scripts are linked with it
install memcached memcached # the example of that name
# valgrind exists for Linux only on the machines that brew knows.
[ "$(uname)" = Linux ] && install valgrind valgrind

# What waits for a wake-up that was lost waits for ever: no step may take longer than this. (macOS has no timeout
# command.)
limit() {
    if command -v timeout >/dev/null; then timeout -k 10 1200 "$@"; else "$@"; fi
}

# --- the checks -----------------------------------------------------------------------------------------------------

# Flags of the caller's would build everything once more, or hide a warning.
unset RUSTFLAGS CARGO_TARGET_DIR CARGO_ENCODED_RUSTFLAGS
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

say "format"
cargo fmt --all --check

say "clippy, warnings denied"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

say "clippy over the models, warnings denied"
loom="--cfg dogpile_loom -C debug-assertions"
RUSTFLAGS="$loom" CARGO_TARGET_DIR="$target/loom" \
    cargo clippy --release -p dogpile-loom-tests --tests --locked -- -D warnings

say "documentation, warnings denied"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --document-private-items --locked

say "tests and doctests"
limit cargo test --workspace --all-features --locked

say "the readers' fences, optimized: in a debug build a missing one hardly ever shows"
limit cargo test --release -p dogpile --test rm_lock --test full_fences --locked -- l9_the_fences

say "clippy and tests with the clocks and the parking of other platforms"
RUSTFLAGS="--cfg dogpile_portable" CARGO_TARGET_DIR="$target/portable" \
    cargo clippy -p dogpile --all-targets --locked -- -D warnings
RUSTFLAGS="--cfg dogpile_portable" CARGO_TARGET_DIR="$target/portable" \
    limit cargo test -p dogpile --lib --tests --locked --quiet

say "loom models (LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2, the default})"
models=$(mktemp)
trap 'rm -f "$models"' EXIT
RUSTFLAGS="$loom" CARGO_TARGET_DIR="$target/loom" \
    limit cargo test --release -p dogpile-loom-tests --locked 2>&1 | tee "$models"
ran=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$models" | awk '{ n += $1 } END { print n + 0 }')
[ "$ran" -gt 0 ] || give_up "no loom model ran"
echo "$ran loom models ran"

if [ "$(uname)" = Linux ]; then
    say "instructions of a hit, counted by callgrind"
    limit cargo bench --bench instructions --locked
fi

if cargo +nightly --version >/dev/null 2>&1; then
    host=$(rustc +nightly -vV | sed -n 's/^host: //p')
    # sanitize CFG DIRECTORY TESTS…. No backtraces: the standard library prints them under locks that the sanitizer does
    # not see. What it reports comes last, where whoever looks for it finds it, not in the midst of thousands of lines.
    sanitize() {
        local report="$target/$2.report"
        rm -f "$report".*
        TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp log_path=$report" RUST_BACKTRACE=0 \
            RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer $1" CARGO_TARGET_DIR="$target/$2" \
            limit cargo +nightly test -p dogpile --target "$host" --locked "${@:3}" && return
        cat "$report".* 2>/dev/null | cut -c 1-200 | head -n 300 >&2
        give_up "ThreadSanitizer, $2: a test failed, or a race was seen:
$(cat "$report".* 2>/dev/null | grep '^SUMMARY' | sort | uniq -c)"
    }
    say "ThreadSanitizer over the concurrent tests"
    sanitize "" tsan --test contract --test dogpile --test getter_mode --test stamped_mode --test waiters \
        --test worked_examples --test rm_lock --test full_fences --test sync_reader --test cached --test registry \
        --test cached_by_key --test policy --test chaos --test background --test seen \
        --test destructors --test tasks
    say "ThreadSanitizer over the readers, with full fences"
    sanitize "--cfg dogpile_portable" tsan-portable --test contract --test worked_examples --test sync_reader
else
    say "ThreadSanitizer: left out, there is no nightly toolchain"
fi

say "all is well"

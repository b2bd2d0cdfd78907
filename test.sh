#!/usr/bin/env bash
# The tests, in two stages. `./test.sh --help` says what they are.
set -euo pipefail
cd "$(dirname "$0")"

help() {
    cat <<'END'
./test.sh              The first stage: words, format, clippy, documentation, unit tests, integration tests with the whole
                       contract, and doctests of the crates that users get. Minutes; no root, no installs.
./test.sh deep [PART…] The second stage: the named parts, or all of them. It installs what is missing.
./test.sh --help       This.

The parts of the second stage:
    loom       the loom models, and clippy over them
    model      the models of dogpile-cache's round, over an ideal backend and over the scripts of Redis, of the commands of
               memcached and of the statements of PostgreSQL, searched whole in an optimized build
    storm      random accesses and changes of a fleet over a backend that fails, for 30 s, judged by an observer
    portable   the tests with the clocks and the fences of platforms other than Linux, and clippy over that code
    fences     the readers' fences in an optimized build
    tsan       the concurrent tests under ThreadSanitizer (needs a nightly toolchain)
    callgrind  the instructions of a hit, counted (Linux on x86_64 only; needs valgrind)
    servers    the contract, regions, faults and chaos over real servers, and clippy over that (needs Redis, memcached,
               PostgreSQL, PgBouncer and faketime)
    ui         what the compiler says to those who misuse the crate, and clippy over that test (needs Rust 1.95)
    examples   the examples' tests, and clippy over them (needs memcached)
    peers      clippy over all benches; each bench, ours and those beside peers, runs once, unmeasured (needs redis-server,
               memcached, PostgreSQL and Rust 1.95)

What a stage leaves out, it says, with the reason; where CI=true that is a failure. Each step is bounded in time.
END
}

PARTS="loom model storm portable fences tsan callgrind servers ui examples peers"

# --- words ----------------------------------------------------------------------------------------------------------

give_up() {
    printf '\ntest.sh: %s\n' "$*" >&2
    exit 1
}

# What each step took, for the table at the end.
took=""
step="" begun=0
say() {
    end_step
    step=$1 begun=$SECONDS
    printf '\n== %s\n' "$1"
}
end_step() {
    [ -z "$step" ] || took+=$(printf '%6d s  %s' $((SECONDS - begun)) "$step")$'\n'
    step=""
}

left_out=""
leave_out() {
    [ "${CI:-}" != true ] || give_up "$1: $2; in CI nothing is left out"
    printf 'left out: %s: %s\n' "$1" "$2"
    left_out+="  left out: $1: $2"$'\n'
}

# limit SECONDS COMMAND…: a test that waits for a lost wake-up hangs, so each step is bounded.
limit() {
    # (macOS has no timeout command.)
    if ! command -v timeout >/dev/null; then
        "${@:2}"
        return
    fi
    timeout -k 10 "$@" || {
        local code=$?
        [ $code != 124 ] || echo "test.sh: ended after $1 s: ${*:2}" >&2
        return $code
    }
}

# install COMMAND PACKAGE: unless the command is there. Fails if it cannot be had.
install() {
    command -v "$1" >/dev/null && return
    printf 'installing %s, for %s\n' "$2" "$1"
    if command -v apt-get >/dev/null; then
        local sudo=""
        [ "$(id -u)" = 0 ] || sudo="sudo"
        $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "$2"
    elif command -v brew >/dev/null; then
        brew install "$2"
    fi
    command -v "$1" >/dev/null
}

# --- the first stage ------------------------------------------------------------------------------------------------

# The crates that users get.
CRATES="-p dogpile -p dogpile-cache"

# Every sentence names its subject (the glossary is in the crate docs), so none begins with "Who", and none has "whoever".
words() {
    local found
    found=$(grep -rnE --include='*.md' --include='*.rs' '\<(Who|Whose|Whom)\>|\<[Ww]ho(m|se)?ever\>' \
        README.md CHANGELOG.md CONTRIBUTING.md docs src cache/README.md cache/CHANGELOG.md cache/src || true)
    [ -z "$found" ] || give_up "a sentence does not name its subject:
$found"
}

first() {
    say "words"
    words

    say "format"
    cargo fmt --all --check

    say "clippy, warnings denied"
    limit 900 cargo clippy $CRATES --all-targets --all-features --locked -- -D warnings

    say "documentation, warnings denied"
    RUSTDOCFLAGS="-D warnings" limit 600 cargo doc $CRATES --no-deps --all-features --document-private-items --locked

    say "tests, built"
    limit 900 cargo test $CRATES --all-features --locked --no-run

    say "tests and doctests"
    limit 600 cargo test $CRATES --all-features --locked
}

# --- the second stage -----------------------------------------------------------------------------------------------

# What is left of the contract where a build is slow: the subjects without a policy, and those with everything.
SHORT_CONTRACT="--skip ::under_"

loom() {
    local flags="--cfg dogpile_loom -C debug-assertions" models ran
    say "loom: clippy over the models, warnings denied"
    RUSTFLAGS="$flags" CARGO_TARGET_DIR="$target/loom" \
        limit 600 cargo clippy --release -p dogpile-loom-tests --tests --locked -- -D warnings

    say "loom: the models (LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2, the default})"
    models=$(mktemp)
    # shellcheck disable=SC2064 # the name is that of now
    trap "rm -f '$models'" EXIT
    RUSTFLAGS="$flags" CARGO_TARGET_DIR="$target/loom" \
        limit 1200 cargo test --release -p dogpile-loom-tests --locked 2>&1 | tee "$models"
    ran=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$models" | awk '{ n += $1 } END { print n + 0 }')
    [ "$ran" -gt 0 ] || give_up "no loom model ran"
    echo "$ran loom models ran"
}

# (One search at a time: each has a thread for every core, and room for its states.)
model() {
    say "model: the round of dogpile-cache, searched whole"
    limit 1500 cargo test --release -p dogpile-cache --features memcached --test round --locked -- --test-threads 1
}

# (`DOGPILE_CACHE_SEED` repeats a seed that the test has printed.)
storm() {
    say "storm: a fleet over a backend that fails, for ${DOGPILE_CACHE_STORM:=30} s"
    DOGPILE_CACHE_STORM="$DOGPILE_CACHE_STORM" limit $((900 + DOGPILE_CACHE_STORM)) \
        cargo test --release -p dogpile-cache --test region --locked -- storm::
}

portable() {
    say "portable: clippy with the clocks and the fences of other platforms, warnings denied"
    RUSTFLAGS="--cfg dogpile_portable" CARGO_TARGET_DIR="$target/portable" \
        limit 600 cargo clippy -p dogpile --all-targets --locked -- -D warnings

    say "portable: tests"
    RUSTFLAGS="--cfg dogpile_portable" CARGO_TARGET_DIR="$target/portable" \
        limit 1200 cargo test -p dogpile --lib --tests --locked -- $SHORT_CONTRACT
}

# In a debug build a missing fence hardly ever shows.
fences() {
    say "fences: the readers' fences, optimized"
    limit 900 cargo test --release -p dogpile --test rm_lock --test full_fences --locked -- l9_the_fences
}

# sanitize NAME FLAGS TESTS…: under ThreadSanitizer, in a target directory of that name. No backtraces: the standard
# library prints them under locks that the sanitizer does not see. Its report comes last, where it is found, not in the
# midst of thousands of lines.
sanitize() {
    local name=$1 flags=$2 report="$target/$1.report"
    rm -f "$report".*
    TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp log_path=$report" RUST_BACKTRACE=0 \
        RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer $flags" CARGO_TARGET_DIR="$target/$name" \
        limit 1500 cargo +nightly test -p dogpile --target "$host" --locked "${@:3}" -- $SHORT_CONTRACT && return
    cat "$report".* 2>/dev/null | cut -c 1-200 | head -n 300 >&2
    give_up "ThreadSanitizer, $name: a test failed, or a race was seen:
$(cat "$report".* 2>/dev/null | grep '^SUMMARY' | sort | uniq -c)"
}

tsan() {
    local host
    if ! cargo +nightly --version >/dev/null 2>&1; then
        leave_out tsan "there is no nightly toolchain: rustup toolchain install nightly"
        return
    fi
    host=$(rustc +nightly -vV | sed -n 's/^host: //p')
    say "tsan: ThreadSanitizer over the concurrent tests"
    sanitize tsan "" --test contract --test dogpile --test getter_mode --test stamped_mode --test waiters \
        --test worked_examples --test rm_lock --test full_fences --test sync_reader --test cached --test reader \
        --test registry --test cached_by_key --test policy --test chaos --test background --test seen --test destructors --test tasks \
        --test asked --test wants --test by_key_many --test by_key_bounds
    say "tsan: ThreadSanitizer over the readers, with full fences"
    sanitize tsan-portable "--cfg dogpile_portable" --test contract --test worked_examples --test sync_reader
}

callgrind() {
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        leave_out callgrind "the goals are those of Linux on x86_64"
        return
    fi
    say "callgrind: instructions of a hit"
    if install valgrind valgrind; then
        limit 900 cargo bench -p dogpile-benches --bench instructions --locked
    else
        leave_out callgrind "valgrind is missing, and neither apt-get nor brew brings it"
    fi
}

# (`DOGPILE_CACHE_SEED` repeats a seed that the chaos has printed; `DOGPILE_CACHE_CHAOS` is its time, for each of Redis,
# one memcached and three.)
servers() {
    say "servers: clippy, warnings denied"
    limit 900 cargo clippy -p dogpile-servers --all-targets --locked -- -D warnings

    say "servers: tests over real servers, chaos for ${DOGPILE_CACHE_CHAOS:=30} s over each kind"
    # (Debian has the programs of PostgreSQL outside of the PATH, and `pg_ctlcluster` beside them.)
    if install redis-server redis-server && install memcached memcached && install faketime faketime &&
        install openssl openssl && { command -v initdb >/dev/null || install pg_ctlcluster postgresql; } &&
        install pgbouncer pgbouncer; then
        DOGPILE_CACHE_CHAOS="$DOGPILE_CACHE_CHAOS" limit $((1800 + 4 * DOGPILE_CACHE_CHAOS)) \
            cargo test -p dogpile-servers --locked
    else
        leave_out servers \
            "redis-server, memcached, PostgreSQL, PgBouncer, faketime or openssl is missing, and neither apt-get nor brew brings it"
    fi
}

# With another compiler than that of the messages the test fails, and says so.
ui() {
    say "ui: clippy, warnings denied"
    limit 600 cargo clippy -p dogpile-ui-tests --all-targets --locked -- -D warnings

    say "ui: what the compiler says to those who misuse the crate"
    limit 600 cargo test -p dogpile-ui-tests --test ui --locked
}

examples() {
    say "examples: clippy, warnings denied"
    limit 900 cargo clippy -p 'example-*' --all-targets --locked -- -D warnings

    say "examples: tests"
    if install memcached memcached; then
        limit 1200 cargo test -p 'example-*' --locked
    else
        leave_out examples "memcached is missing, and neither apt-get nor brew brings it"
    fi
}

BENCHES="-p dogpile-benches -p dogpile-peers -p dogpile-server-peers"

peers() {
    say "peers: clippy over the benches, warnings denied"
    limit 900 cargo clippy $BENCHES --all-targets --locked -- -D warnings

    say "peers: each bench once, unmeasured"
    # (As for `servers`.)
    if install redis-server redis-server && install memcached memcached &&
        { command -v initdb >/dev/null || install pg_ctlcluster postgresql; }; then
        limit 1200 cargo test $BENCHES --benches --locked
    else
        leave_out peers "redis-server, memcached or PostgreSQL is missing, and neither apt-get nor brew brings it"
    fi
}

deep() {
    local part
    for part in "$@"; do
        [[ " $PARTS " == *" $part "* ]] || give_up "there is no part called $part; the parts are: $PARTS"
    done
    command -v cc >/dev/null || install gcc gcc || give_up "no C compiler to link with"
    [ $# -gt 0 ] || set -- $PARTS
    for part in "$@"; do $part; done
}

# --- main -----------------------------------------------------------------------------------------------------------

case ${1:-} in
-h | --help)
    help
    exit
    ;;
deep | "") ;;
*) give_up "there is no stage called $1; see ./test.sh --help" ;;
esac

command -v cargo >/dev/null || give_up "no cargo on the PATH; install a Rust toolchain (rustup.rs) and run this again"
for tool in fmt clippy; do
    cargo "$tool" --version >/dev/null 2>&1 || give_up "cargo $tool is missing: rustup component add ${tool/fmt/rustfmt}"
done
# Flags of the caller's would build everything once more, or hide a warning.
unset RUSTFLAGS CARGO_TARGET_DIR CARGO_ENCODED_RUSTFLAGS
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

if [ "${1:-}" = deep ]; then deep "${@:2}"; else first; fi

end_step
printf '\n== all is well\n%s%6d s  in all\n%s' "$took" "$SECONDS" "$left_out"

# Shared by the scripts beside this file: where the checkout is, and how long steps are shown.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
# shellcheck disable=SC2034  # read by the scripts that source this file
BIN="$VENV/bin"

say() { printf '%s\n' "$@"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# step TEXT COMMAND...: run a long command quietly, show that it is alive, and show what it said
# only when it failed. On a terminal one line counts the seconds; elsewhere a line every 20 s.
step() {
    local text="$1" log started pid status=0 seconds
    shift
    log="$(mktemp)"
    started=$SECONDS
    [ -t 1 ] || say "  $text ..."
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        seconds=$((SECONDS - started))
        if [ -t 1 ]; then
            printf '\r  %s ... %d s ' "$text" "$seconds"
        elif [ $((seconds % 20)) -eq 0 ] && [ "$seconds" -ne "${shown:-0}" ]; then
            local shown=$seconds
            say "    still at it after $seconds s"
        fi
    done
    wait "$pid" || status=$?
    [ -t 1 ] && printf '\r\033[K'
    if [ "$status" -ne 0 ]; then
        say "  $text: failed after $((SECONDS - started)) s" >&2
        tail -n 40 "$log" | sed 's/^/    /' >&2
        rm -f "$log"
        return "$status"
    fi
    rm -f "$log"
    say "  $text: done ($((SECONDS - started)) s)"
}

# missing_packages PACKAGE...: print those that dpkg does not have installed.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || say "$package"
    done
}

# install_packages PACKAGE...: as root, install what is missing; the package lists are read anew
# only when something is missing.
install_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    step "reading Debian's package lists" apt-get update
    step "installing ${missing[*]}" \
        apt-get install --yes --no-install-recommends "${missing[@]}"
}

# install_group NAME: install the dependency group of that name into the virtual environment.
install_group() {
    local wanted
    mapfile -t wanted < <("$BIN/python" -c 'import sys, tomllib
with open("pyproject.toml", "rb") as file:
    print("\n".join(tomllib.load(file)["dependency-groups"][sys.argv[1]]))' "$1")
    step "installing ${wanted[*]}" \
        "$BIN/python" -m pip install --disable-pip-version-check --progress-bar off "${wanted[@]}"
}

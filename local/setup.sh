#!/usr/bin/env bash
# Installs what the local stack and the tests need beside Rust and a C compiler: Postgres 15 or newer, Redis, and, in a
# Python virtual environment under target/, moto (an SQS endpoint) and what translates and lints the template. With the
# argument `checks` also what `make audit` and `make contract-fuzz` run, and with `package` what `make package` does, each in
# an environment of its own. Does nothing when all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly OLDEST_POSTGRES=15

missing() {
    echo "setup: $*" >&2
    exit 1
}

has_postgres() {
    local initdb
    for initdb in /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb \
        /usr/local/opt/postgresql@*/bin/initdb "$(command -v initdb || true)"; do
        if [ -x "$initdb" ] && [ "$("$initdb" --version | grep -oE '[0-9]+' | head -1)" -ge "$OLDEST_POSTGRES" ]; then
            return 0
        fi
    done
    return 1
}

has_redis() { command -v redis-server >/dev/null && command -v redis-cli >/dev/null; }

# Debian ships Python without the part that fills a new virtual environment.
has_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        missing "cannot install packages: neither root nor sudo. Install by hand: Postgres $OLDEST_POSTGRES+, Redis, python3-venv."
    fi
}

install_debian() {
    local packages=()
    has_postgres || packages+=(postgresql)
    has_redis || packages+=(redis-server)
    has_python || packages+=(python3 python3-venv)
    [ ${#packages[@]} -eq 0 ] && return
    echo "setup: installing ${packages[*]}"
    as_root apt-get update -qq || missing "apt-get update failed; not installed: ${packages[*]}."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        missing "apt-get could not install: ${packages[*]}."
}

# Written for macOS but never run there.
install_homebrew() {
    has_postgres || brew install postgresql@16 || missing "brew could not install postgresql@16."
    has_redis || brew install redis || missing "brew could not install redis."
    has_python || brew install python || missing "brew could not install python."
}

install_packages() {
    if has_postgres && has_redis && has_python; then
        return
    elif command -v apt-get >/dev/null; then
        install_debian
    elif command -v brew >/dev/null; then
        install_homebrew
    else
        missing "neither apt-get nor brew is here. Install by hand: Postgres $OLDEST_POSTGRES+, Redis, Python 3 with venv."
    fi
    has_postgres || missing "the system's packages have no Postgres $OLDEST_POSTGRES or newer. Install it from postgresql.org."
    has_redis || missing "redis-server and redis-cli could not be installed."
    has_python || missing "Python 3 with venv could not be installed."
}

# The copy of the requirements is made last, and the environment is tried: a broken or outdated one is made anew.
install_python() {
    local requirements=$1 venv=$2 program=$3
    cmp -s "$requirements" "$venv/requirements.txt" && "$venv/bin/$program" --help >/dev/null 2>&1 && return
    echo "setup: installing what $requirements names into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" || missing "cannot create $venv."
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" ||
        missing "pip could not install what $requirements names."
    cp "$requirements" "$venv/requirements.txt"
}

command -v cargo >/dev/null || missing "Rust is not installed; see https://rustup.rs."
command -v cc >/dev/null || missing "there is no C compiler."
install_packages
install_python local/requirements.txt target/venv moto_server
case "${1:-}" in
    checks) install_python local/checks-requirements.txt target/checks schemathesis ;;
    package) install_python local/package-requirements.txt target/package cargo-lambda ;;
esac

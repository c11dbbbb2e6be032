#!/usr/bin/env bash
# Builds functions as Lambda takes them: target/lambda/<arch>/<function>/bootstrap.zip, and prints their sizes. All of them, or
# those that the arguments name. ARCH=arm64 builds for Graviton, where the Rust toolchain has that target.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly ARCH=${ARCH:-x86_64}
readonly OUT=target/lambda/$ARCH
# That of Amazon Linux 2023: what needs a newer one does not start there.
readonly NEWEST_GLIBC=2.34

refuse() {
    echo "package: $*" >&2
    exit 1
}

all_functions() { find functions -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort; }

rust_target() {
    case "$ARCH" in
        x86_64) echo x86_64-unknown-linux-gnu ;;
        arm64) echo aarch64-unknown-linux-gnu ;;
        *) refuse "ARCH is $ARCH, but has to be x86_64 or arm64." ;;
    esac
}

# For the machine's own processor its own linker does it; for another one zig does.
compiler() {
    if [ "${TARGET%%-*}" = "$(uname -m)" ]; then
        echo "--compiler cargo --target $TARGET"
    else
        echo "--compiler cargo-zigbuild --target $TARGET.$NEWEST_GLIBC"
    fi
}

check_request() {
    local function
    for function in "$@"; do
        [ -f "functions/$function/Cargo.toml" ] ||
            refuse "there is no function $function; there are: $(all_functions | xargs)."
    done
    [ -d "$(rustc --print target-libdir --target "$TARGET")" ] ||
        refuse "the Rust toolchain cannot build for $ARCH yet: rustup target add $TARGET."
}

install_tools() {
    local/setup.sh package
    [[ "$COMPILER" == *zigbuild* ]] && target/package/bin/pip install --quiet --disable-pip-version-check ziglang==0.15.1
    export PATH="$PWD/target/package/bin:$PATH"
}

# Cargo.toml's profile says how what ships is built, so that it is what `make bench` measures; cargo-lambda's own would add to it.
build() {
    # shellcheck disable=SC2086
    cargo lambda build --release --locked --disable-optimizations --skip-target-check $COMPILER \
        --output-format zip --lambda-dir "$OUT" $(printf -- '-p %s ' "$@")
}

# What the zip holds is looked at, not what it was made of.
check_zip() {
    local zip=$1 folder needed
    folder=$(mktemp -d)
    python3 -m zipfile -e "$zip" "$folder"
    needed=$(readelf --version-info "$folder/bootstrap" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
    rm -r "$folder"
    [ "$(printf '%s\n' "${needed#GLIBC_}" "$NEWEST_GLIBC" | sort -V | tail -1)" = "$NEWEST_GLIBC" ] ||
        refuse "$zip needs $needed, and Lambda has $NEWEST_GLIBC: build on Debian 12 or another system with a glibc of its age."
}

TARGET=$(rust_target)
COMPILER=$(compiler)
[ $# -gt 0 ] || mapfile -t chosen < <(all_functions)
[ $# -eq 0 ] || chosen=("$@")
check_request "${chosen[@]}"
install_tools
build "${chosen[@]}"
for function in "${chosen[@]}"; do
    check_zip "$OUT/$function/bootstrap.zip"
done
echo "Packages for $ARCH, in $OUT:"
for function in "${chosen[@]}"; do
    printf '%-24s %10d bytes\n' "$function" "$(stat -c %s "$OUT/$function/bootstrap.zip")"
done

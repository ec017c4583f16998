# shellcheck shell=bash disable=SC2154
# `make_venv NAME REQUIREMENTS` prints the folder of a Python environment that has exactly what the
# file pins. It is kept in the cache, named after the file's contents. Sourced by ./dev.

make_venv() {
    local requirements=$root/tools/$2 dir
    dir=$cache/$1-$({
        cat "$requirements"
        echo "$root_python"
    } | sha256sum | cut -c1-16)
    if [ ! -e "$dir/complete" ]; then
        echo "-- making the Python environment for $2" >&2
        rm -rf "$dir"
        mkdir -p "$cache"
        "$root_python" -m venv "$dir" >&2
        "$dir/bin/pip" install -q --disable-pip-version-check -r "$requirements" >&2 </dev/null
        touch "$dir/complete"
    fi
    echo "$dir"
}

# shellcheck shell=bash disable=SC2154
# The builds that ./dev knows, each in build/<flavour>. Sourced by ./dev.
#
#   release   what is shipped; warnings are errors
#   asan      AddressSanitizer and UndefinedBehaviorSanitizer, assertions on
#   tsan      ThreadSanitizer, assertions on
#   fuzz      libFuzzer targets by Clang, with both of the sanitizers of `asan`

flavour_options() {
    local checked=(-Dbuildtype=custom -Doptimization=1 -Ddebug=true -Db_ndebug=false
        -Db_lundef=false)
    case $1 in
    release) echo --werror -Dbuildtype=release -Dbenchmarks=true -Dtests=enabled ;;
    asan) echo "${checked[@]}" -Db_sanitize=address,undefined -Dtests=enabled ;;
    tsan) echo "${checked[@]}" -Db_sanitize=thread -Dtests=enabled ;;
    fuzz) echo "${checked[@]}" -Db_sanitize=address,undefined -Dtests=disabled -Dexamples=false \
        -Dfuzzing=true ;;
    *) return 1 ;;
    esac
}

# configure FLAVOUR: sets up its folder, or does nothing when it is as it should be.
configure() {
    local flavour=$1 dir=$root/build/$1 options wanted log again=()
    need_packages "${packages_build[@]}" "${packages_test[@]}"
    if [ "$flavour" = release ]; then
        for peer in "${packages_peers[@]}"; do
            need_packages "$peer" || echo "-- without $peer the tests that need it are skipped"
        done
    fi
    [ "$flavour" != fuzz ] || need_packages "${packages_fuzz[@]}"
    venv=$(make_venv venv requirements.txt)
    options="$(flavour_options "$flavour") -Ddeps_prefix=$("$root/tools/deps.sh")"
    # A folder keeps the defaults of when it was made, so it is made anew when they change.
    wanted="$venv $options $(cksum <"$root/meson_options.txt")"
    [ "$(cat "$dir/.options" 2>/dev/null)" != "$wanted" ] || return 0
    echo "-- configuring build/$flavour"
    [ ! -e "$dir/build.ninja" ] || again=(--wipe)
    log=$root/build/configure-$flavour.log
    mkdir -p "$dir"
    (
        if [ "$flavour" = fuzz ]; then export CC=clang-19 CXX=clang++-19; fi
        # shellcheck disable=SC2086  # a list of options
        "$venv/bin/meson" setup "${again[@]}" $options "$dir" "$root" >"$log" 2>&1 </dev/null
    ) || {
        tail -25 "$log"
        return 1
    }
    echo "$wanted" >"$dir/.options"
}

# build FLAVOUR [TARGET]...
build() {
    local flavour=$1
    shift
    configure "$flavour" || return 1
    if ! ninja -C "$root/build/$flavour" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
        echo "-- building build/$flavour"
        ninja -C "$root/build/$flavour" --quiet "$@" </dev/null || return 1
    fi
}

# shellcheck shell=bash disable=SC2154
# Source archives from a Debian mirror, each checked against pins.txt. The system's own apt
# configuration is read, never changed. Sourced by tools/deps.sh, which sets `downloads` and `pins`.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
index_state=untried

# The mirror that this machine's apt uses for the suite whose name ends so ("" or "-security").
mirror_of() {
    local codename
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CREATED_BY)' |
        awk -v suite="$codename$1" \
            '$2 == suite && $3 == "Packages" { sub(/\/$/, "", $1); print $1; exit }'
}

# An apt of our own: its own lists and cache, no user but the one who calls.
private_apt() { APT_CONFIG=$downloads/apt/apt.conf "$@"; }

private_apt_setup() {
    local dir=$downloads/apt suite security
    mirror=${HTTPCORE_MIRROR:-$(mirror_of "")}
    [ -n "$mirror" ] || {
        echo "apt knows no mirror of this Debian: name one in HTTPCORE_MIRROR" >&2
        return 1
    }
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    {
        for suite in trixie trixie-backports sid; do
            echo "deb-src [signed-by=$keyring] $mirror $suite main"
        done
        security=$(mirror_of -security)
        [ -z "$security" ] || echo "deb-src [signed-by=$keyring] $security trixie-security main"
    } >"$dir/sources.list"
    cat >"$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
APT::Sandbox::User "$(id -un)";
CONF
}

# The signed index of sources: fetched once, and only when a pinned file cannot be had without it.
need_index() {
    if [ "$index_state" = untried ]; then
        echo "   fetching the signed index of sources"
        index_state=present
        private_apt apt-get update -qq || index_state=absent
    fi
    [ "$index_state" = present ]
}

pins_of() { awk -v source="$1" '$1 == source { print $5, $6 }' "$pins"; }
field_of() { awk -v source="$1" -v n="$2" '$1 == source { print $n; exit }' "$pins"; }

# True when every pinned file of the source is here with the right contents.
have_pinned() {
    local file sum
    while read -r file sum; do
        echo "$sum  $file" | sha256sum -c --status 2>/dev/null || return 1
    done < <(pins_of "$1")
}

from_pool() {
    local source=$1 file sum folder=${1:0:1}
    [[ $source != lib* ]] || folder=${source:0:4}
    while read -r file sum; do
        private_apt /usr/lib/apt/apt-helper -qq download-file \
            "$mirror/pool/main/$folder/$source/$file" "$file" "SHA256:$sum" || return 1
    done < <(pins_of "$source")
}

from_index() {
    local source=$1 version=$2 only=--tar-only
    pins_of "$source" | grep -q '\.dsc ' && only=
    # shellcheck disable=SC2086  # an empty option must vanish
    private_apt apt-get source -qq --download-only $only "$source=$version"
}

newer_in_range() {
    local source=$1 minimum maximum version
    minimum=$(field_of "$source" 3) maximum=$(field_of "$source" 4)
    for version in $(private_apt apt-cache showsrc "$source" | sed -n 's/^Version: //p' |
        sort -Vru); do
        dpkg --compare-versions "$version" ge "$minimum" || continue
        dpkg --compare-versions "$version" lt "$maximum" || continue
        rm -f ./*
        from_index "$source" "$version" && echo "$version" && return
    done
    return 1
}

# fetch SOURCE: its files in $downloads/SOURCE. The way they came is said in one line.
fetch() {
    local source=$1 log=$logs/fetch-$1.log how version
    mkdir -p "$downloads/$source"
    cd "$downloads/$source" || return 1
    if have_pinned "$source"; then
        how="here already"
    elif rm -f ./* && from_pool "$source" >>"$log" 2>&1 && have_pinned "$source"; then
        how="from the mirror, as pinned"
    elif need_index && from_index "$source" "$(field_of "$source" 2)" >>"$log" 2>&1 &&
        have_pinned "$source"; then
        how="through the signed index, as pinned"
    elif [ "$index_state" = present ] && version=$(newer_in_range "$source" 2>>"$log"); then
        how="NOT AS PINNED: the mirror no longer has $(field_of "$source" 2); took $version,"
        how+=" vouched for by the signed index"
    else
        tail -5 "$log" >&2
        echo "$source: neither $(field_of "$source" 2) as pinned nor a newer version below" \
            "$(field_of "$source" 4) can be had from $mirror" >&2
        return 1
    fi
    echo "   $source: $how"
}

# unpack SOURCE [TAR OPTION]...: its tree in $work/SOURCE, Debian's patches applied if it has a .dsc
unpack() {
    local source=$1 dsc tarball
    shift
    rm -rf "${work:?}/$source"
    for dsc in "$downloads/$source"/*.dsc; do
        if [ -e "$dsc" ]; then
            # The archives' sums were checked when they were fetched.
            dpkg-source --no-check -x "$dsc" "$work/$source"
            return
        fi
    done
    for tarball in "$downloads/$source"/*.orig.tar.*; do
        [[ $tarball != *.asc ]] || continue
        mkdir -p "$work/$source"
        tar -xf "$tarball" -C "$work/$source" --strip-components=1 "$@"
        return
    done
    return 1
}

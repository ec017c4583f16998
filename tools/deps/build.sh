# shellcheck shell=bash disable=SC2154
# How each dependency is built. Sourced by tools/deps.sh, which sets `work` (the trees), `stage`
# (where they are installed) and `jobs`. No function may leave a path of this machine in a library.

optimise="-O2 -g0 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections"
licence() { install -Dm644 "$2" "$stage/licenses/$1/$(basename "${3:-$2}")"; }

# OpenSSL as this library uses it: TLS 1.2 and 1.3 and what certificates need. It loads nothing at
# run time (no modules, engines or configuration), so the folders named for that do not exist.
openssl_without=(
    shared tests apps docs legacy engine module dso autoload-config pinshared ktls quic
    ssl3 tls1 tls1_1 dtls comp zlib nextprotoneg srp srtp
    gost cms cmp ts rfc3779 ct ui-console uplink
    idea seed camellia aria sm2 sm3 sm4 bf cast des rc2 rc4 md4 mdc2 whirlpool rmd160
    blake2 siphash siv ocb scrypt argon2 ec2m dsa slh-dsa
)
build_openssl() {
    unpack openssl
    cd "$work/openssl" || return 1
    ./Configure --release --prefix="$stage" --libdir=lib --openssldir=/etc/ssl \
        "${openssl_without[@]/#/no-}" enable-ec_nistp_64_gcc_128 CFLAGS="$optimise"
    make -j"$jobs" build_libs ENGINESDIR=/nonexistent MODULESDIR=/nonexistent
    make install_dev ENGINESDIR=/nonexistent MODULESDIR=/nonexistent
    licence openssl LICENSE.txt
}

# cmake_build NAME TREE [OPTION]...
cmake_build() {
    local name=$1 tree=$2
    shift 2
    cmake -S "$tree" -B "$work/$name/out" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_FLAGS="$optimise -ffile-prefix-map=$work/=" \
        -DCMAKE_C_FLAGS_RELEASE=-DNDEBUG -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
        -DCMAKE_INSTALL_PREFIX="$stage" -DCMAKE_INSTALL_LIBDIR=lib \
        -DCMAKE_PREFIX_PATH="$stage" -DBUILD_TESTING=OFF -DBUILD_SHARED_LIBS=OFF "$@"
    ninja -C "$work/$name/out" -j"$jobs" install
}

build_ngtcp2() { # after openssl
    unpack ngtcp2
    cmake_build ngtcp2 "$work/ngtcp2" -DENABLE_LIB_ONLY=ON -DENABLE_SHARED_LIB=OFF \
        -DENABLE_STATIC_LIB=ON -DENABLE_OPENSSL=ON -DOPENSSL_ROOT_DIR="$stage" \
        -DOPENSSL_USE_STATIC_LIBS=TRUE
    licence ngtcp2 "$work/ngtcp2/COPYING"
}

# nghttp2 and nghttp3 both carry sfparse with the same names: in nghttp3 they get another name.
build_nghttp3() {
    unpack nghttp3
    cmake_build nghttp3 "$work/nghttp3" -DENABLE_LIB_ONLY=ON -DENABLE_SHARED_LIB=OFF \
        -DENABLE_STATIC_LIB=ON
    nm -A --defined-only "$stage/lib/libnghttp3.a" |
        awk '$NF ~ /^sfparse_/ { print $NF, "nghttp3_" $NF }' | sort -u >"$work/nghttp3/renames"
    test -s "$work/nghttp3/renames"
    objcopy --redefine-syms="$work/nghttp3/renames" "$stage/lib/libnghttp3.a"
    licence nghttp3 "$work/nghttp3/COPYING"
    licence nghttp3 "$work/nghttp3/lib/sfparse/COPYING" COPYING.sfparse
}

build_nghttp2() {
    unpack nghttp2 --exclude='*/third-party/mruby' --exclude='*/fuzz'
    cmake_build nghttp2 "$work/nghttp2" -DENABLE_LIB_ONLY=ON -DBUILD_STATIC_LIBS=ON -DENABLE_DOC=OFF
    licence nghttp2 "$work/nghttp2/COPYING"
}

# The generated C of llhttp comes with nghttp2, without its licence: that is kept beside this file.
build_llhttp() { # after nghttp2
    cd "$work/nghttp2/third-party/llhttp" || return 1
    local file version
    for file in llhttp api http; do
        # shellcheck disable=SC2086  # several options in one word
        gcc $optimise -DNDEBUG -Iinclude -c "src/$file.c" -o "$file.o"
    done
    ar rcs "$stage/lib/libllhttp.a" llhttp.o api.o http.o
    install -m644 include/llhttp.h "$stage/include/"
    version=$(awk '/define LLHTTP_VERSION_/ { printf "%s%s", dot, $3; dot = "." }' include/llhttp.h)
    cat >"$stage/lib/pkgconfig/libllhttp.pc" <<PC
prefix=$stage
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: libllhttp
Description: HTTP/1.1 parser
Version: $version
Libs: -L\${libdir} -lllhttp
Cflags: -I\${includedir}
PC
    licence llhttp "$here/licenses/llhttp/LICENSE"
}

# Only what is used is compiled: no example, program or second form of a library.
build_zlib() {
    unpack zlib
    cd "$work/zlib" || return 1
    CFLAGS="$optimise" ./configure --static --prefix="$stage" --libdir="$stage/lib"
    make -j"$jobs" libz.a
    install -m644 libz.a "$stage/lib/"
    install -m644 zlib.h zconf.h "$stage/include/"
    install -Dm644 zlib.pc "$stage/lib/pkgconfig/zlib.pc"
    licence zlib LICENSE
}

build_brotli() {
    unpack brotli
    cmake_build brotli "$work/brotli" -DBROTLI_DISABLE_TESTS=ON -DBROTLI_BUILD_TOOLS=OFF
    rm -f "$stage/bin/brotli"
    licence brotli "$work/brotli/LICENSE"
}

build_zstd() {
    unpack libzstd
    cmake_build libzstd "$work/libzstd/build/cmake" -DZSTD_BUILD_SHARED=OFF -DZSTD_BUILD_STATIC=ON \
        -DZSTD_BUILD_PROGRAMS=OFF -DZSTD_BUILD_TESTS=OFF -DZSTD_BUILD_DICTBUILDER=OFF \
        -DZSTD_BUILD_DEPRECATED=OFF -DZSTD_LEGACY_SUPPORT=OFF -DZSTD_MULTITHREAD_SUPPORT=OFF
    licence zstd "$work/libzstd/LICENSE"
}

# Header-only libraries whose code is compiled into ours; they come as packages.
collect_header_licences() {
    licence fmt /usr/share/doc/libfmt-dev/copyright
    licence nlohmann-json /usr/share/doc/nlohmann-json3-dev/copyright
}

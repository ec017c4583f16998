"""The shape of the shared library: what it exports, what it needs, what it must not contain.

Run by pytest with HTTPCORE_LIBRARY set. Each check is a function of the text that a tool printed,
so that the canaries at the end can show it a library that is wrong.
"""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ROOT / "capi/include/httpcore"
NEWEST_GLIBC = (2, 34)
NEEDED_ALLOWED = re.compile(r"(libc|libm|libgcc_s|ld-linux-[\w-]+)\.so\.\d+")
# With -Ddeps=system the distribution's libraries come on top.
NEEDED_OF_SYSTEM = re.compile(
    r"lib(llhttp|ssl|crypto|nghttp2|z|brotli(enc|dec|common)|zstd)\.so\.[\d.]+"
)


def tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def library():
    return os.environ["HTTPCORE_LIBRARY"]


def strip_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)


def declared(header):
    """The functions that a header declares with HC_API."""
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", strip_comments(header), flags=re.MULTILINE)
    return set(re.findall(r"\bHC_API\b[^;{}()]*?\b(hc_\w+)\s*\(", code))


def exported(nm):
    """The names that `nm -D --defined-only` shows, the version's own name aside."""
    names = set()
    for line in nm.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":
            names.add(name.split("@")[0])
    return names


def newer_symbols(nm):
    """The undefined symbols of `nm -D` that need a newer C library than we promise."""
    found = []
    for name, version in re.findall(r"\bU (\S+?)@GLIBC_([\d.]+)", nm):
        if tuple(map(int, version.split("."))) > NEWEST_GLIBC:
            found.append(f"{name}@GLIBC_{version}")
    return found


def foreign_symbols(nm):
    """Undefined symbols of the C++ library: they would come from a libstdc++ beside ours."""
    return re.findall(r"\b[Uw] (\S+@(?:GLIBCXX|CXXABI)_\S+)", nm)


def dynamic(readelf, tag):
    return re.findall(rf"\({tag}\)[^\[\n]*\[([^\]]*)\]", readelf)


def wrong_needs(readelf):
    return [name for name in dynamic(readelf, "NEEDED") if not NEEDED_ALLOWED.fullmatch(name)]


def header_version(header):
    numbers = [
        re.search(rf"#define HC_VERSION_{part} (\d+)", header)
        for part in ("MAJOR", "MINOR", "PATCH")
    ]
    return ".".join(number.group(1) for number in numbers)


def test_exports_are_what_the_headers_declare():
    names = set()
    for header in HEADERS.glob("*.h"):
        names |= declared(header.read_text(encoding="utf-8"))
    assert names, "no function found in the headers"
    shown = exported(tool("nm", "-D", "--defined-only", library()))
    assert not shown - names, "exported, not declared"
    assert not names - shown, "declared, not exported"
    assert all(name.startswith("hc_") for name in shown)


def test_exports_carry_the_version_of_the_map():
    text = tool("nm", "-D", "--defined-only", "--with-symbol-versions", library())
    for line in text.splitlines():
        name = line.split()[-1]
        assert name == "HTTPCORE_1" or name.endswith("@@HTTPCORE_1"), name


def test_nothing_newer_than_the_promised_c_library():
    assert newer_symbols(tool("nm", "-D", "--with-symbol-versions", library())) == []


def test_no_symbol_of_another_cxx_library():
    assert foreign_symbols(tool("nm", "-D", "--with-symbol-versions", library())) == []


def test_needs_only_the_c_library():
    wrong = wrong_needs(tool("readelf", "-dW", library()))
    if not os.environ.get("HTTPCORE_DEPS"):
        wrong = [name for name in wrong if not NEEDED_OF_SYSTEM.fullmatch(name)]
    assert wrong == []


def test_name_and_flags():
    text = tool("readelf", "-dW", library())
    assert dynamic(text, "SONAME") == ["libhttpcore.so.1"]
    assert not re.search(r"\((RPATH|RUNPATH|TEXTREL|INIT_ARRAY_PATH)\)", text)
    flags = re.search(r"\(FLAGS_1\)\s+Flags: (.*)", text).group(1).split()
    assert {"NOW", "NODELETE"} <= set(flags)
    assert re.search(r"\(FLAGS\)\s.*\bSYMBOLIC\b", text)


def test_stack_is_not_executable():
    stack = re.search(r"GNU_STACK.*", tool("readelf", "-lW", library())).group(0)
    assert "RWE" not in stack


def test_no_path_of_the_machine_that_built_it():
    text = Path(library()).read_bytes()
    places = [ROOT, Path(os.environ["HTTPCORE_BUILD_ROOT"]), Path.home() / ".cache"]
    if os.environ.get("HTTPCORE_DEPS"):
        places.append(Path(os.environ["HTTPCORE_DEPS"]))
    assert [str(place) for place in places if str(place).encode() in text] == []


def test_versions_agree():
    header = (HEADERS / "httpcore.h").read_text(encoding="utf-8")
    meson = (ROOT / "meson.build").read_text(encoding="utf-8")
    assert header_version(header) == re.search(r"\bversion: '([\d.]+)'", meson).group(1)


# Canaries: each of the checks above sees what it is there to see.


def test_canary_declared():
    header = "/* HC_API int hc_no(void); */\n#define HC_API\nHC_API int\nhc_a(int (*f)(int));"
    assert declared(header + "\ntypedef void (*hc_fn)(void);") == {"hc_a"}


def test_canary_exported():
    assert exported("0 A HTTPCORE_1\n10 T hc_a@@HTTPCORE_1\n20 V _ZTS1x\n") == {"hc_a", "_ZTS1x"}


def test_canary_newer_symbols():
    nm = "  U read@GLIBC_2.2.5\n  U _dl_find_object@GLIBC_2.35\n  U arc4random@GLIBC_2.36\n"
    assert newer_symbols(nm) == ["_dl_find_object@GLIBC_2.35", "arc4random@GLIBC_2.36"]


def test_canary_foreign_symbols():
    assert foreign_symbols("  U _ZSt9terminatev@GLIBCXX_3.4\n  U read@GLIBC_2.2.5\n") == [
        "_ZSt9terminatev@GLIBCXX_3.4"
    ]


def test_canary_needs():
    line = " 0x1 (NEEDED)  Shared library: [%s]\n"
    good = [line % name for name in ("libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2")]
    assert wrong_needs("".join(good)) == []
    assert wrong_needs(line % "libstdc++.so.6") == ["libstdc++.so.6"]

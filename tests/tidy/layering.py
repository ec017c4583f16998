#!/usr/bin/env python3
"""Checks the shape of the tree: who includes whom, and how large things grow.

    layering.py [ROOT]        report every breach, one a line; exit 1 if there is any
    layering.py --self-test   prove on made-up trees that each rule can fail

Rules
 1. A layer includes itself, the layers named for it in LAYERS, and whatever lies below those.
 2. Headers of the operating system are for core/sys, tests and examples.
 3. Headers of a third-party library are for the layers named for it in THIRD_PARTY.
 4. Includes are written from the root ("core/base/result.hpp") and name a file that exists.
 5. A line has at most 100 columns, a file 600 lines, a function 70.
 6. What a condition awaits has a name, `if (auto got = co_await next())`: in a coroutine without
    local variables GCC 12 keeps it where the coroutine itself is.
"""

import re
import sys
import tempfile
from pathlib import Path

LAYERS = {
    "core/base": (),
    "core/sys": ("core/base",),
    "core/runtime": ("core/sys",),
    "core/net": ("core/runtime",),
    "core/http": ("core/base",),
    "core/tls": ("core/base",),
    "core/proto": ("core/http", "core/tls"),
    "core/link": ("core/proto", "core/net"),
    "core/server": ("core/link",),
    "core/client": ("core/link",),
    "core/app": ("core/server",),
    "capi": ("core/app", "core/client", "capi/include"),
    # These may use only what a program outside has: the C header.
    "bindings": ("capi/include",),
    "examples": ("capi/include",),
    # But for these: C++ on the static layers.
    "examples/cpp": ("core/server",),
    "capi/include": (),
}
# The test kit of the application layer drives the server through a client.
EXTRA = {"core/app/testing": ("core/client",)}

OS_HEADERS = re.compile(
    r"(sys|netinet|net|arpa|linux|asm|bits)/.*\.h$"
    r"|(unistd|fcntl|pthread|signal|poll|netdb|sched|dirent|dlfcn|ifaddrs|termios|syslog|spawn"
    r"|ucontext|semaphore|mqueue|aio|grp|pwd|utime|glob|ftw|libgen|strings|syscall|liburing"
    r"|windows|winsock2|ws2tcpip|mswsock)\.h$",
    re.IGNORECASE,
)
OS_ALLOWED = ("core/sys", "tests", "examples")

THIRD_PARTY = {
    r"llhttp\.h": ("core/proto/h1", "capi/src"),  # capi/src: what is bundled, by version
    r"nghttp2/": ("core/proto/h2",),
    r"nghttp3/": ("core/proto/h3",),
    r"ngtcp2/": ("core/proto/quic", "core/proto/h3"),
    r"openssl/": ("core/tls", "core/proto/quic"),
    r"(zlib|zstd|zstd_errors)\.h|brotli/": ("core/proto", "capi/src"),
    r"nlohmann/": ("core/app", "capi/src"),
    r"pybind11/|Python\.h": ("bindings",),
    r"(gtest|gmock)/": (),
}

COLUMNS_MAX, FILE_LINES_MAX, FUNCTION_LINES_MAX = 100, 600, 70
# The contract of the C ABI is one file, so that one include and one reading give all of it.
FILE_LINES_ALLOWED = {"capi/include/httpcore/httpcore.h": 1000}
SOURCES = {".c", ".cpp", ".h", ".hpp"}
TREES = ("core", "capi", "bindings", "examples", "tests")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]')
AWAIT_IN_CONDITION = re.compile(r"\b(if|while) \((?:[^()=]|\([^()]*\))*\bco_await\b")
# What may stand before a brace that opens a scope of functions, not a function.
TEMPLATE = re.compile(r"\btemplate\s*<[^<>]*(?:<[^<>]*(?:<[^<>]*>[^<>]*)*>[^<>]*)*>")
TYPE = re.compile(r"^\s*(?:typedef\s+)?(?:class|struct|union|enum)\b")
NAMESPACE = re.compile(r'^\s*(?:inline\s+)?(?:namespace\b|extern\s*")')
# A constructor's list of initialisers, up to a brace that initialises one of them.
INITIALISER = re.compile(
    r"\)\s*(?:noexcept\s*(?:\([^)]*\)\s*)?)?(?<!:):(?!:).*[\w>]\s*$", re.DOTALL
)


def below(layer):
    """The layer itself and every layer that it may include."""
    found, todo = {layer}, list(LAYERS[layer])
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(LAYERS[name])
    return found


def layer_of(path):
    """The layer that owns a path from the root; None for tests and unknown places."""
    names = [name for name in LAYERS if path == name or path.startswith(name + "/")]
    return max(names, key=len, default=None)


def under(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def strip_code(text):
    """The text with comments and the contents of literals blanked; line breaks stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
        re.DOTALL,
    )

    def blank(match):
        quote = match.group(0)[-1] if match.group(0)[0] in "\"'R" else ""
        return quote + re.sub(r"[^\n]", " ", match.group(0)) + quote

    return pattern.sub(blank, text)


def opens_function(head):
    """Whether the brace after `head` opens a function's body."""
    head = TEMPLATE.sub("", head)
    if ")" not in head or NAMESPACE.match(head):
        return False
    return not TYPE.match(head) or head.rstrip().endswith(")")


def functions(text):
    """(first line, lines) of each outermost function body, found by a scan of braces."""
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", strip_code(text), flags=re.MULTILINE)
    line, head, start, depth, initialiser = 1, "", 0, 0, 0
    for char in code:
        line += char == "\n"
        if depth:
            depth += (char == "{") - (char == "}")
            if depth == 0:
                yield start, line - start + 1
                head = ""
        elif initialiser:
            initialiser += (char == "{") - (char == "}")
        elif char == "{" and INITIALISER.search(head):
            initialiser, head = 1, head.rstrip() + "()"
        elif char == "{":
            if opens_function(head):
                depth, start = 1, line - head.strip().count("\n")
            head = ""
        elif char in "};":
            head = ""
        else:
            head += char


def check_include(root, path, quote, target):
    """Why this include is a breach, or None."""
    if target.startswith("httpcore/"):
        target = "capi/include/" + target
    elif quote == '"' and target != "hc_build.h":
        if not target.startswith(TREES):
            return f'"{target}" is not written from the root'
        if not (root / target).is_file():
            return f'"{target}" does not exist'
    layer, other = layer_of(path), layer_of(target)
    if other is not None and layer is not None and other not in below(layer):
        extra = next((v for k, v in EXTRA.items() if under(path, (k,))), ())
        if other not in {name for start in extra for name in below(start)}:
            return f'{layer} must not include "{target}" of {other}'
    if under(target, ("tests",)) and not under(path, ("tests",)):
        return f'"{target}" is for tests only'
    if OS_HEADERS.match(target) and not under(path, OS_ALLOWED):
        return f"<{target}> belongs to the operating system: only core/sys may include it"
    for pattern, homes in THIRD_PARTY.items():
        if re.match(pattern, target) and not under(path, homes + ("tests",)):
            return f"<{target}> may be included only in {', '.join(homes) or 'tests'}"
    return None


def check_file(root, file):
    """Every breach in one file as (line, text)."""
    path = file.relative_to(root).as_posix()
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns, more than {COLUMNS_MAX}"
        if AWAIT_IN_CONDITION.search(line):
            yield number, "a condition that awaits without naming the value"
        match = INCLUDE.match(line)
        reason = check_include(root, path, match.group(1), match.group(2)) if match else None
        if reason:
            yield number, reason
    lines_max = FILE_LINES_ALLOWED.get(path, FILE_LINES_MAX)
    if len(lines) > lines_max:
        yield 1, f"{len(lines)} lines, more than {lines_max}"
    for start, size in functions(text):
        if size > FUNCTION_LINES_MAX:
            yield start, f"a function of {size} lines, more than {FUNCTION_LINES_MAX}"
    first = path.split("/")[0]
    if layer_of(path) is None and first == "core":
        yield 1, "the folder is no layer that tests/tidy/layering.py knows"


def sources(root):
    for tree in TREES:
        for file in sorted((root / tree).rglob("*")):
            if file.suffix in SOURCES and file.is_file():
                yield file


def breaches(root):
    return [
        f"{file.relative_to(root)}:{line}: {reason}"
        for file in sources(root)
        for line, reason in check_file(root, file)
    ]


BASE = "#pragma once\n"
LONG = "int f(int x) {\n" + "    x += 1;\n" * 70 + "    return x;\n}\n"
# name: (files of a tree, part of the one breach expected; None for none)
CASES = {
    "a clean tree": (
        {
            "core/base/a.hpp": BASE,
            "core/sys/b.cpp": '#include <unistd.h>\n#include "core/base/a.hpp"\n',
            "core/server/c.cpp": '#include <vector>\n#include "core/base/a.hpp"\n',
            "tests/unit/d.cpp": '#include <sys/socket.h>\n#include "core/base/a.hpp"\n',
        },
        None,
    ),
    "a layer above": (
        {"core/sys/a.hpp": BASE, "core/base/b.hpp": '#include "core/sys/a.hpp"\n'},
        "core/base must not include",
    ),
    "a sibling": (
        {"core/http/a.hpp": BASE, "core/net/b.cpp": '#include "core/http/a.hpp"\n'},
        "core/net must not include",
    ),
    "server and client": (
        {"core/client/a.hpp": BASE, "core/server/b.cpp": '#include "core/client/a.hpp"\n'},
        "core/server must not include",
    ),
    "an application includes the client": (
        {"core/client/a.hpp": BASE, "core/app/b.cpp": '#include "core/client/a.hpp"\n'},
        "core/app must not include",
    ),
    "its test kit may": (
        {"core/client/a.hpp": BASE, "core/app/testing/b.cpp": '#include "core/client/a.hpp"\n'},
        None,
    ),
    "an example looks inside": (
        {"core/base/a.hpp": BASE, "examples/c/b.c": '#include "core/base/a.hpp"\n'},
        "examples must not include",
    ),
    "an example takes the C header": (
        {"examples/c/b.c": "#include <httpcore/httpcore.h>\n#include <signal.h>\n"},
        None,
    ),
    "the core takes the C header": (
        {"core/link/b.cpp": "#include <httpcore/httpcore.h>\n"},
        "core/link must not include",
    ),
    "a socket header": ({"core/net/a.cpp": "#include <sys/socket.h>\n"}, "operating system"),
    "the C ABI takes pthread": ({"capi/src/a.cpp": "#include <pthread.h>\n"}, "operating system"),
    "llhttp in its place": ({"core/proto/h1/a.cpp": "#include <llhttp.h>\n"}, None),
    "llhttp elsewhere": ({"core/link/a.cpp": "#include <llhttp.h>\n"}, "may be included only in"),
    "not from the root": (
        {"core/base/a.hpp": BASE, "core/base/b.cpp": '#include "a.hpp"\n'},
        "not written from the root",
    ),
    "a missing file": ({"core/base/b.cpp": '#include "core/base/a.hpp"\n'}, "does not exist"),
    "an unknown layer": ({"core/misc/a.cpp": "int a;\n"}, "no layer"),
    "an await as a condition": (
        {"core/base/a.cpp": "while (!co_await queue.at(0).recv()) f();\n"},
        "a condition that awaits",
    ),
    "an await in a loop": (
        {"core/base/a.cpp": "while (f()) co_await g();\nif (auto x = co_await h()) {}\n"},
        None,
    ),
    "a long line": ({"core/base/a.cpp": "// " + "x" * 98 + "\n"}, "columns"),
    "a long file": ({"core/base/a.cpp": "int a;\n" * 601}, "601 lines"),
    "a long function": ({"core/base/a.cpp": LONG}, "a function of 73 lines"),
    "a long method": (
        {"core/base/a.cpp": "namespace a {\nclass A final : B {\n" + LONG + "};\n}\n"},
        "a function of 73 lines",
    ),
    "a long template": (
        {"core/base/a.cpp": "template <class T, class U = A<B<T>>>\n" + LONG},
        "a function of 74 lines",
    ),
    "a long constructor": (
        {"core/base/a.cpp": LONG.replace("int f(int x)", "A::A(int x) : b_{x}, c_{{1}}")},
        "a function of 73 lines",
    ),
    "a long function in C that gives a struct": (
        {"examples/c/a.c": LONG.replace("int f", "struct s *f")},
        "a function of 73 lines",
    ),
    "a long class": (
        {"core/base/a.cpp": "class alignas(64) A {\n" + "    int f(int) {}\n" * 80 + "};\n"},
        None,
    ),
    "braces in literals": (
        {"core/base/a.cpp": "char a(){ return '{'; }\nauto b = \"{{{\"; // {\n" + "int c;\n" * 80},
        None,
    ),
    "a long table is no function": (
        {"core/base/a.cpp": "int a[] = {\n" + "    1,\n" * 80 + "};\n"},
        None,
    ),
}


def self_test():
    failed = 0
    for name, (files, expected) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            found = breaches(root)
        good = found == [] if expected is None else len(found) == 1 and expected in found[0]
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f": {found}"))
    return 1 if failed else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = Path(arguments[0] if arguments else Path(__file__).parents[2]).resolve()
    checked = sum(1 for _ in sources(root))
    found = breaches(root)
    print("\n".join(found + [f"{checked} files, {len(found)} breaches"]))
    return 1 if found or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

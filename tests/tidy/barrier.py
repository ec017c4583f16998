#!/usr/bin/env python3
"""Proves that every export of the C ABI passes the barrier, and that each is defined once.

usage: barrier.py SOURCE_ROOT | --self-test
"""

import re
import sys
from pathlib import Path

DECLARATION = re.compile(r"^HC_API\s+[\w\s*]+?\b(hc_\w+)\s*\(", re.M)
DEFINITION = re.compile(r"^(?:const )?\w+\*? (hc_\w+)\(([^;{]*)\)\s*\{", re.M)
DOORS = ("barrier(", "barrier_or<", "barrier_retain(", "barrier_release(", "on_exchange(")


def body_of(text, opening):
    """The text between the brace at `opening` and its counterpart."""
    depth = 0
    for at in range(opening, len(text)):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return text[opening + 1 : at]
    return text[opening + 1 :]


def passes(body):
    """True when the body is one return through a door, behind nothing but resets of outputs."""
    body = re.sub(r"if \(\w+ != nullptr\) \*\w+ = (nullptr|0);", "", body).strip()
    return body.startswith("return ") and body[len("return ") :].startswith(DOORS)


def check(header, sources):
    """Complaints about the exports of `header`, given {name: text} of the sources."""
    complaints = []
    declared = set(DECLARATION.findall(header))
    defined = {}
    for name, text in sources.items():
        for match in DEFINITION.finditer(text):
            export = match.group(1)
            if export not in declared:
                complaints.append(f"{name}: {export} is not declared in the header")
                continue
            if export in defined:
                complaints.append(f"{name}: {export} is defined in {defined[export]}, too")
            defined[export] = name
            if not passes(body_of(text, match.end() - 1)):
                complaints.append(f"{name}: {export} does not go through the barrier")
    complaints += [f"{export} is declared and not defined" for export in declared - set(defined)]
    return complaints


def self_test():
    header = "HC_API hc_status hc_a(int x);\nHC_API const char *hc_b(void);\n"
    good = {
        "a.cpp": "hc_status hc_a(int x) {\n    return barrier([&] { return x; });\n}\n",
        "b.cpp": 'const char* hc_b(void) { return barrier_or<const char*>("", [] {}); }\n',
    }
    assert check(header, good) == [], check(header, good)
    for bad in (
        "hc_status hc_a(int x) {\n    work();\n    return barrier([&] { return x; });\n}\n",
        "hc_status hc_a(int x) {\n    return x;\n}\n",
        "hc_status hc_a(int x) {\n    if (x) return 1;\n    return barrier([] {});\n}\n",
        "",
    ):
        assert check(header, good | {"a.cpp": bad}), bad
    assert check(header, good | {"c.cpp": "hc_status hc_c(void) { return barrier([] {}); }\n"})
    print("it can fail")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(sys.argv[1])
    header = (root / "capi/include/httpcore/httpcore.h").read_text()
    sources = {str(p.relative_to(root)): p.read_text() for p in root.glob("capi/src/*.cpp")}
    complaints = check(header, sources)
    if len(DECLARATION.findall(header)) < 40:
        complaints.append("the header's declarations were not understood")
    print("\n".join(complaints) or "every export passes the barrier")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

"""Installs into an empty prefix and builds programs against it that know nothing of the tree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(os.environ["HTTPCORE_SOURCE_ROOT"])
BUILD = Path(os.environ["HTTPCORE_BUILD_ROOT"])

PROGRAM = """
#include <httpcore/httpcore.h>
#include <stdio.h>

int main(void) {
    printf("%lu\\n", (unsigned long)hc_version());
    return 0;
}
"""


def run(*command, **options):
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installed tree at a place that the build never heard of."""
    place = tmp_path_factory.mktemp("installed")
    environment = {**os.environ, "DESTDIR": str(place)}
    run(
        sys.executable,
        "-m",
        "mesonbuild.mesonmain",
        "install",
        "-C",
        BUILD,
        "--no-rebuild",
        env=environment,
    )
    found = list(place.rglob("libhttpcore.pc"))
    assert len(found) == 1
    return next(p for p in found[0].parents if (p / "include/httpcore/httpcore.h").is_file())


@pytest.fixture(scope="module")
def pkg_config(prefix):
    """Calls pkg-config for the installed tree alone."""
    folder = next(prefix.rglob("libhttpcore.pc")).parent

    def call(*options):
        return run(
            "pkg-config",
            f"--define-variable=prefix={prefix}",
            *options,
            "libhttpcore",
            env={**os.environ, "PKG_CONFIG_LIBDIR": str(folder)},
        ).split()

    return call


def build_and_run(compiler, suffix, flags, prefix, folder):
    source, program = folder / f"program{suffix}", folder / "program"
    source.write_text(PROGRAM, encoding="utf-8")
    run(*compiler, source, "-o", program, *flags)
    library = next(prefix.rglob("libhttpcore.so.1")).parent
    return run(program, env={**os.environ, "LD_LIBRARY_PATH": str(library)})


def version_number():
    text = (SOURCE / "capi/include/httpcore/httpcore.h").read_text(encoding="utf-8")
    major, minor, patch = (
        int(text.split(f"#define HC_VERSION_{part} ")[1].split()[0])
        for part in ("MAJOR", "MINOR", "PATCH")
    )
    return major << 16 | minor << 8 | patch


@pytest.mark.parametrize(
    ("compiler", "suffix"),
    [
        (["cc", "-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror"], ".c"),
        (["c++", "-std=c++11", "-pedantic-errors", "-Wall", "-Wextra", "-Werror"], ".cpp"),
        (["c++", "-std=c++23", "-pedantic-errors", "-Wall", "-Wextra", "-Werror"], ".cpp"),
    ],
    ids=["c99", "c++11", "c++23"],
)
def test_a_program_outside_builds_and_runs(compiler, suffix, prefix, pkg_config, tmp_path):
    flags = pkg_config("--cflags", "--libs")
    output = build_and_run(compiler, suffix, flags, prefix, tmp_path)
    assert int(output) == version_number()


def test_pkg_config_asks_for_nothing_else(pkg_config, prefix):
    assert [flag for flag in pkg_config("--libs") if flag.startswith("-l")] == ["-lhttpcore"]
    assert pkg_config("--modversion") == [
        run("pkg-config", "--modversion", str(next(prefix.rglob("libhttpcore.pc")))).strip()
    ]


def test_what_is_installed(prefix):
    installed = {p.relative_to(prefix).as_posix() for p in prefix.rglob("*") if not p.is_dir()}
    names = {Path(path).name for path in installed}
    assert {"libhttpcore.so", "libhttpcore.so.1", "libhttpcore.pc", "httpcore.h"} <= names
    assert not [path for path in installed if path.endswith(".a")]
    assert "share/licenses/libhttpcore/LICENSE" in installed


def test_the_licence_of_everything_bundled_is_installed(prefix):
    deps = os.environ.get("HTTPCORE_DEPS")
    if not deps:
        pytest.skip("the dependencies are the system's: their licences come with their packages")
    installed = prefix / "share/licenses/libhttpcore"
    for name in ("llhttp", "fmt", "nlohmann-json"):
        texts = [p.read_text(encoding="utf-8") for p in (installed / name).iterdir()]
        assert any("Permission is hereby granted" in text for text in texts), name


def test_the_header_is_found_by_the_path_of_pkg_config_alone(pkg_config, tmp_path):
    source = tmp_path / "only.c"
    source.write_text("#include <httpcore/httpcore.h>\n", encoding="utf-8")
    run("cc", "-std=c99", "-fsyntax-only", *pkg_config("--cflags"), source)

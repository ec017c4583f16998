"""What tests in Python share: the modules of tests/support, and the programs that they start."""

import os
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1]
os.environ.setdefault("HTTPCORE_SOURCE_ROOT", str(SOURCE))
os.environ.setdefault("HTTPCORE_BUILD_ROOT", str(SOURCE / "build" / "release"))
sys.path.insert(0, str(SOURCE / "tests" / "support"))


def pytest_collection_modifyitems(items):
    if os.environ.get("HTTPCORE_IO"):
        from programs import backend_refused

        if backend_refused():
            for item in items:
                item.add_marker(pytest.mark.skip(reason=backend_refused()))


@pytest.fixture
def start():
    """start(name, *arguments): a program of examples on a free port; it ends with the test."""
    from programs import Program

    started = []

    def call(name, *arguments, **options):
        started.append(Program(name, *arguments, **options))
        return started[-1]

    yield call
    for program in started:
        program.kill()


@pytest.fixture(scope="module")
def demo():
    """One demo server for the tests of a file; it must end without a fault."""
    from programs import Program

    program = Program("demo_server", "--port", "0")
    yield program
    assert program.running(), program.errors()
    program.end()

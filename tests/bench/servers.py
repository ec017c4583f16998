"""Who is measured: the floor, ours in its deliveries, and the peers, each with the smallest
configuration that lets it do its best at one small answer on one core.

Peers are looked for on PATH, then brought into the cache folder: Debian packages are unpacked there
(not installed, so no service starts and no root is needed), bun comes from npm. One that cannot be
had is reported with the reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator

from processes import SERVER_CORE, Failed, free_port, read_port, running, wait_until_listening

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(
    os.environ.get("HTTPCORE_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    / "libhttpcore"
)
BUN_VERSION = "1.4.5"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
CONNECTIONS_MAX = 16_384

NGINX_CONF = """
worker_processes 1;
error_log stderr crit;
pid {folder}/pid;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    default_type text/plain;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 "hello"; }}
    }}
}}
"""

# This version has no handler that answers from memory; it keeps the file open and reads it.
H2O_CONF = """
listen: {{ host: 127.0.0.1, port: {port} }}
num-threads: 1
max-connections: {connections}
http1-request-timeout: 300
{user}
file.etag: OFF
hosts:
  default:
    paths:
      /:
        file.dir: {folder}
        file.index: [ 'hello.txt' ]
"""


@dataclasses.dataclass
class Program:
    """Something that can be started: its command for a folder and a port, and what it needs."""

    command: Callable[[pathlib.Path, int], list[str]]
    version: str
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    prints_port: bool = True


@dataclasses.dataclass
class Server:
    name: str
    what: str
    find: Callable[[], Program]
    # A just-in-time compiler under valgrind is a measurement of the compiler.
    compiles: bool = False
    # Measured only when it is named: no machine has to have what it needs.
    on_request: bool = False


@contextlib.contextmanager
def started(
    program: Program, wrapper: tuple[str, ...] = (), patience_s: float = 10
) -> Iterator[tuple[int, int]]:
    """Runs a server, under `wrapper` if given, and gives its process id and port."""
    with tempfile.TemporaryDirectory(prefix="httpcore-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # nginx's worker gives up root
        port = 0 if program.prints_port else free_port()
        with running(
            [*wrapper, *program.command(folder, port)],
            SERVER_CORE,
            cwd=folder,
            env={**os.environ, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program.prints_port else subprocess.DEVNULL,
            stderr=None if os.environ.get("HTTPCORE_BENCH_VERBOSE") else subprocess.DEVNULL,
        ) as process:
            if program.prints_port:
                port = read_port(process)
            wait_until_listening(process, port, patience_s)
            yield process.pid, port


# ---- ours ----------------------------------------------------------------------------------------


def built(name: str) -> str:
    path = pathlib.Path(os.environ.get("HTTPCORE_BUILD_ROOT", ROOT / "build/release"))
    program = path / "tests/bench" / name
    if not program.exists():
        raise Failed(f"{program} is not built: run ./dev bench")
    return str(program)


def floor() -> Program:
    program = built("bench_floor")
    return Program(lambda _folder, _port: [program], version())


def ours(*arguments: str) -> Callable[[], Program]:
    def find() -> Program:
        program = built("bench_h1_server")
        return Program(lambda _folder, _port: [program, *arguments], version())

    return find


def version() -> str:
    """The commit that is measured."""
    asked = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=10"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"


# ---- peers ---------------------------------------------------------------------------------------


def shell(script: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-euc", script], cwd=ROOT, capture_output=True, text=True, check=False
    )


def last_line(done: subprocess.CompletedProcess) -> str:
    lines = (done.stderr + done.stdout).strip().splitlines()
    return lines[-1].strip() if lines else f"ended with {done.returncode}"


def need_package(package: str, program: str) -> str:
    """The path of a tool, whose Debian package is installed when it is missing."""
    if not shutil.which(program, path=PATH):
        done = shell(f". tools/packages.sh; need_packages {package}")
        if done.returncode != 0:
            raise Failed(f"{program} cannot be installed: {last_line(done)}")
    return shutil.which(program, path=PATH) or program


def unpack(package: str) -> pathlib.Path:
    """A Debian package and those of its dependencies that the system lacks, in the cache."""
    into = CACHE / "bench" / package
    if (into / "complete").exists():
        return into
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    fetch = f"""
        plan=$(apt-get -s install --no-install-recommends {package})
        names=$(awk '$1 == "Inst" {{ print $2 }}' <<<"$plan")
        cd "{into}"
        apt-get download $names
        for deb in *.deb; do dpkg -x "$deb" .; done
        rm -f ./*.deb
        touch complete
    """
    done = shell(fetch)
    if done.returncode != 0:
        shell(". tools/packages.sh; as_root apt-get update -qq")
        done = shell(fetch)
    if done.returncode != 0:
        raise Failed(f"cannot be had: {last_line(done)}")
    return into


def packaged(package: str, program: str) -> tuple[str, dict[str, str]]:
    """Where a program of a Debian package is, and the environment it needs to run there."""
    found = shutil.which(program, path=PATH)
    if found:
        return found, {}
    folder = unpack(package)
    found = shutil.which(program, path=f"{folder}/usr/sbin:{folder}/usr/bin")
    if not found:
        raise Failed(f"the package {package} contains no {program}")
    libraries = ":".join(str(path) for path in folder.glob("usr/lib/*-linux-gnu"))
    return found, {"LD_LIBRARY_PATH": libraries}


def version_of(command: list[str], environment: dict[str, str]) -> str:
    try:
        asked = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"cannot be run: {error}") from None
    found = re.search(r"\d+\.\d+\.\d+", asked.stdout + asked.stderr)
    if not found:
        raise Failed(f"cannot be run: {last_line(asked)}")
    return found[0]


def nginx() -> Program:
    program, environment = packaged("nginx", "nginx")

    def command(folder: pathlib.Path, port: int) -> list[str]:
        conf = folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(folder=folder, port=port, connections=CONNECTIONS_MAX))
        return [program, "-p", str(folder), "-e", "stderr", "-c", str(conf), "-g", "daemon off;"]

    found = version_of([program, "-v"], environment)
    return Program(command, found, environment, prints_port=False)


def h2o() -> Program:
    program, environment = packaged("h2o", "h2o")

    def command(folder: pathlib.Path, port: int) -> list[str]:
        conf = folder / "h2o.conf"
        files = folder / "files"
        files.mkdir()
        (files / "hello.txt").write_text("hello")
        # Else it would become nobody, whom callgrind's files do not belong to.
        user = "user: root" if os.geteuid() == 0 else ""
        conf.write_text(
            H2O_CONF.format(folder=files, port=port, connections=CONNECTIONS_MAX, user=user)
        )
        return [program, "-c", str(conf)]

    found = version_of([program, "--version"], environment)
    return Program(command, found, environment, prints_port=False)


def node() -> Program:
    program = shutil.which("node", path=PATH)
    if not program:
        raise Failed("cannot be had: no node on PATH")
    script = str(HERE / "hello_node.js")
    return Program(lambda _folder, _port: [program, script], version_of([program, "--version"], {}))


def bun() -> Program:
    program = shutil.which("bun", path=PATH) or bun_of_npm()
    script = str(HERE / "hello_bun.js")
    return Program(lambda _folder, _port: [program, script], version_of([program, "--version"], {}))


def bun_of_npm() -> str:
    folder = CACHE / "bench" / f"bun-{BUN_VERSION}"
    program = folder / "node_modules/.bin/bun"
    if not program.exists():
        npm = shutil.which("npm", path=PATH)
        if not npm:
            raise Failed("cannot be had: neither bun nor npm on PATH")
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", folder, f"bun@{BUN_VERSION}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not program.exists():
            raise Failed(f"cannot be had: {last_line(done)}")
    return str(program)


SERVERS = [
    Server("floor", "no HTTP at all: an answer for each blank line", floor),
    Server("inline", "ours, answered in a callback on the worker", ours("inline")),
    Server("queue", "ours, answered by a thread that consumes a queue", ours("queue")),
    Server("pool", "ours, answered by a function on the server's pool of threads", ours("pool")),
    Server("driven", "ours, turned by the host's own poll loop", ours("driven")),
    Server("inline-uring", "inline, on io_uring", ours("inline", "io_uring"), on_request=True),
    Server("driven-uring", "driven, on io_uring", ours("driven", "io_uring"), on_request=True),
    Server("nginx", "`return 200`, one worker", nginx),
    Server("h2o", "a static file, one thread", h2o),
    Server("bun", "`Bun.serve`", bun, compiles=True),
    Server("node", "`node:http`", node, compiles=True),
]

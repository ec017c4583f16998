"""`./dev bench h2`: HTTP/2 in clear text and encrypted, and TLS handshakes, beside the floor
(nghttp2 and a loop) and the peers in the same run. See docs/performance.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import tempfile

import report
from figures import Cost, own_s
from processes import Cores, Failed, cpu_s, run_load
from rounds import conditions, join, measure, say, table
from servers import (
    CONNECTIONS_MAX,
    H2O_CONF,
    NGINX_CONF,
    Program,
    built,
    need_package,
    packaged,
    version,
    version_of,
)

BEGIN = "<!-- h2: begin -->"
END = "<!-- h2: end -->"
CONNECTIONS = 8
STREAMS = 32


# -- servers ---------------------------------------------------------------------------------------


@functools.cache
def certificate() -> tuple[str, str]:
    """A P-256 certificate for all servers, as files."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="httpcore-bench-"))
    folder.chmod(0o755)
    names = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = [need_package("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-nodes"]
    command += ["-pkeyopt", "ec_paramgen_curve:P-256", "-days", "30", "-subj", "/CN=localhost"]
    command += ["-out", names[0], "-keyout", names[1]]
    subprocess.run(command, check=True, capture_output=True)
    pathlib.Path(names[1]).chmod(0o644)
    return names


def ours(tls: bool) -> Program:
    command = [built("bench_h1_server"), "inline", "auto"]
    if tls:
        command += certificate()
    return Program(lambda _folder, _port: command, version())


def floor(_tls: bool) -> Program:
    return Program(lambda _folder, _port: [built("bench_h2_floor")], version())


def nginx(tls: bool) -> Program:
    program, environment = packaged("nginx", "nginx")

    def command(folder: pathlib.Path, port: int) -> list[str]:
        text = NGINX_CONF.format(folder=folder, port=port, connections=CONNECTIONS_MAX)
        how = " ssl http2" if tls else " http2"
        text = text.replace(" backlog=4096", f"{how} backlog=4096")
        if tls:
            chain, key = certificate()
            text = text.replace(
                "location /",
                f"ssl_certificate {chain}; ssl_certificate_key {key}; "
                "ssl_protocols TLSv1.3; ssl_session_cache shared:s:10m; location /",
            )
        conf = folder / "nginx.conf"
        conf.write_text(text)
        return [program, "-p", str(folder), "-e", "stderr", "-c", str(conf), "-g", "daemon off;"]

    return Program(
        command, version_of([program, "-v"], environment), environment, prints_port=False
    )


def h2o(tls: bool) -> Program:
    program, environment = packaged("h2o", "h2o")

    def command(folder: pathlib.Path, port: int) -> list[str]:
        files = folder / "files"
        files.mkdir()
        (files / "hello.txt").write_text("hello")
        user = "user: root" if os.geteuid() == 0 else ""
        text = H2O_CONF.format(folder=files, port=port, connections=CONNECTIONS_MAX, user=user)
        if tls:
            chain, key = certificate()
            listen = f"port: {port}, ssl: {{ certificate-file: {chain}, key-file: {key} }} }}"
            text = text.replace(f"port: {port} }}", listen)
        conf = folder / "h2o.conf"
        conf.write_text(text)
        return [program, "-c", str(conf)]

    return Program(
        command, version_of([program, "--version"], environment), environment, prints_port=False
    )


# -- works -----------------------------------------------------------------------------------------


def requests_by_h2load(port: int, seconds: int, tls: bool) -> int:
    command = [need_package("nghttp2-client", "h2load"), f"-c{CONNECTIONS}", f"-m{STREAMS}", "-t1"]
    command += [f"-D{seconds}", f"{'https' if tls else 'http'}://127.0.0.1:{port}/"]
    text = run_load(command, seconds + 30)
    found = re.search(r"requests: (\d+) total.* (\d+) succeeded, (\d+) failed, (\d+) err", text)
    good = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", text)
    if not found or not good or int(found[3]) > 0 or int(good[1]) == 0:
        raise Failed(f"h2load: {text.strip().splitlines()[-1] if text.strip() else 'nothing'}")
    return int(good[1])


def handshakes(port: int, seconds: int, reuse: bool) -> int:
    command = [need_package("openssl", "openssl"), "s_time", "-connect", f"127.0.0.1:{port}"]
    command += ["-www", "/", "-time", str(seconds), "-reuse" if reuse else "-new"]
    text = run_load(command, seconds + 30)
    found = re.search(r"(\d+) connections in [\d.]+ real seconds", text)
    if not found or int(found[1]) == 0:
        raise Failed("openssl s_time: no connections")
    return int(found[1])


@dataclasses.dataclass
class Work:
    name: str
    what: str
    tls: bool
    count: object  # (port, seconds) -> how many
    servers: dict


WORKS = [
    Work(
        "h2 clear text",
        f"a small answer, {CONNECTIONS} connections with {STREAMS} streams each, h2load; a request",
        False,
        lambda port, seconds: requests_by_h2load(port, seconds, False),
        {"floor": floor, "inline": ours, "h2o": h2o, "nginx": nginx},
    ),
    Work(
        "h2 over TLS 1.3",
        "the same, encrypted; a request",
        True,
        lambda port, seconds: requests_by_h2load(port, seconds, True),
        {"inline": ours, "h2o": h2o, "nginx": nginx},
    ),
    Work(
        "handshake",
        "a connection with a whole handshake (P-256 certificate) and one request, openssl s_time",
        True,
        lambda port, seconds: handshakes(port, seconds, False),
        {"inline": ours, "nginx": nginx},
    ),
    Work(
        "handshake, resumed",
        "the same with a session that is taken up",
        True,
        lambda port, seconds: handshakes(port, seconds, True),
        {"inline": ours, "nginx": nginx},
    ),
]


def cost(work: Work, pid: int, port: int, seconds: int) -> Cost:
    cores, own = Cores(), own_s(pid)
    user, system = cpu_s(pid)
    count = work.count(port, seconds)
    user, system = (
        after - before for after, before in zip(cpu_s(pid), (user, system), strict=True)
    )
    return Cost(
        (user + system) / count * 1e6, user / count * 1e6, cores.others_share(own_s(pid) - own)
    )


def measured(work: Work, rounds: int, seconds: int, failures: list[str]) -> dict[str, list[Cost]]:
    servers = {name: functools.partial(find, work.tls) for name, find in work.servers.items()}
    ask = functools.partial(cost, work)
    return measure(work.name, servers, ask, rounds, seconds, failures)


def render(found, failures, command: str, rounds: int, seconds: int) -> str:
    legend = [f"{work.name}: {work.what}. " for work in WORKS]
    legend.append("floor: nghttp2 and an epoll loop that writes once for each read, nothing else.")
    parts = [conditions(found, command, rounds, seconds), table(found), ["".join(legend)]]
    return join(parts, failures)


def bench_h2(args: argparse.Namespace) -> int:
    rounds, seconds = (3, 1) if args.quick else (5, args.seconds)
    failures: list[str] = []
    found = [(work.name, measured(work, rounds, seconds, failures)) for work in WORKS]
    if not any(costs for _, costs in found):
        raise Failed("; ".join(failures))
    text = render(found, failures, args.command, rounds, seconds)
    print(text, end="")
    if args.write:
        report.replace_between_markers(args.write, text, BEGIN, END)
        say(f"written to {args.write}")
    return 1 if any(", inline:" in one or ", floor:" in one for one in failures) else 0

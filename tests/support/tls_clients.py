"""Clients of several makers, with the same face: each fetches a path and says what came of it."""

import functools
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0
HERE = Path(__file__).resolve().parent


@dataclass
class Outcome:
    """An answer, or else why there is none."""

    error: str = ""
    status: int = 0
    digest: str = ""
    version: str = ""
    cipher: str = ""
    group: str = ""


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


@dataclass
class Wish:
    """What is fetched, and how."""

    port: int
    host: str
    roots: Path
    path: str = "/hello"
    certificate: tuple = ()  # the client's own: (chain, key)
    oldest: str = "1.2"
    newest: str = "1.3"


def _run(command, **options):
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, **options)


def curl(wish):
    command = [
        "curl",
        "-sS",
        "--http1.1",
        "--cacert",
        wish.roots,
        "--resolve",
        f"{wish.host}:{wish.port}:127.0.0.1",
        "-w",
        "%{stderr}%{http_code}",
        "--tlsv" + wish.oldest,
        "--tls-max",
        wish.newest,
    ]
    if wish.certificate:
        command += ["--cert", wish.certificate[0], "--key", wish.certificate[1]]
    done = _run([*command, f"https://{wish.host}:{wish.port}{wish.path}"])
    text = done.stderr.decode()
    if done.returncode != 0:
        return Outcome(error=text)
    return Outcome(status=int(text), digest=digest_of(done.stdout))


def python(wish):
    context = ssl.create_default_context(cafile=wish.roots)
    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    context.minimum_version, context.maximum_version = versions[wish.oldest], versions[wish.newest]
    if wish.certificate:
        context.load_cert_chain(*wish.certificate)
    connection = http.client.HTTPSConnection(wish.host, wish.port, context=context)
    try:
        plain = socket.create_connection(("127.0.0.1", wish.port), PATIENCE)
        connection.sock = context.wrap_socket(plain, server_hostname=wish.host)
        for _ in range(2):
            connection.request("GET", wish.path)
            answer = connection.getresponse()
            body = answer.read()
        return Outcome(
            status=answer.status,
            digest=digest_of(body),
            version="TLS " + connection.sock.version().removeprefix("TLSv"),
            cipher=connection.sock.cipher()[0],
        )
    except (ssl.SSLError, OSError, http.client.HTTPException) as error:
        return Outcome(error=f"{type(error).__name__}: {error}")
    finally:
        connection.close()


NODE = """
const fs = require('fs'), https = require('https'), crypto = require('crypto');
const wish = JSON.parse(process.argv[1]);
const options = {host: '127.0.0.1', port: wish.port, path: wish.path, servername: wish.host,
  headers: {host: wish.host}, ca: fs.readFileSync(wish.roots), minVersion: 'TLSv' + wish.oldest,
  maxVersion: 'TLSv' + wish.newest, agent: new https.Agent({keepAlive: false})};
if (wish.certificate.length) {
  options.cert = fs.readFileSync(wish.certificate[0]);
  options.key = fs.readFileSync(wish.certificate[1]);
}
https.get(options, (answer) => {
  const digest = crypto.createHash('sha256'), socket = answer.socket;
  const facts = {version: socket.getProtocol(), cipher: socket.getCipher().standardName};
  answer.on('data', (bytes) => digest.update(bytes));
  answer.on('error', (error) => console.log(JSON.stringify({error: String(error)})));
  answer.on('end', () => console.log(JSON.stringify({status: answer.statusCode,
    digest: digest.digest('hex'), ...facts})));
}).on('error', (error) => console.log(JSON.stringify({error: error.code + ': ' + error.message})));
"""


def node(wish):
    facts = {
        **vars(wish),
        "roots": str(wish.roots),
        "certificate": [str(part) for part in wish.certificate],
    }
    done = _run(["node", "-e", NODE, json.dumps(facts)])
    assert done.stdout, done.stderr.decode()
    told = json.loads(done.stdout)
    told["version"] = told.get("version", "").replace("TLSv", "TLS ")
    return Outcome(**told)


@functools.cache
def _go_program():
    folder = Path(os.environ["HTTPCORE_BUILD_ROOT"]) / "tls_peer"
    folder.mkdir(exist_ok=True)
    done = _run(
        ["go", "build", "-o", folder / "tls_peer", HERE / "tls_peer" / "main.go"],
        env={**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "off"},
    )
    assert done.returncode == 0, done.stderr.decode()
    return folder / "tls_peer"


def go(wish):
    command = [
        _go_program(),
        "-address",
        f"127.0.0.1:{wish.port}",
        "-host",
        wish.host,
        "-path",
        wish.path,
        "-roots",
        wish.roots,
    ]
    for name in ("oldest", "newest"):
        command += [f"-{name}", str({"1.2": 0x303, "1.3": 0x304}[getattr(wish, name)])]
    if wish.certificate:
        command += ["-certificate", wish.certificate[0], "-key", wish.certificate[1]]
    # Outside of a module it would do as releases of years ago did.
    done = _run(command, env={**os.environ, "GODEBUG": "tlsmlkem=1"})
    told = json.loads(done.stdout)
    return Outcome(**{name: told.get(name, default) for name, default in vars(Outcome()).items()})


CLIENTS = {"curl": curl, "python": python, "node": node, "go": go}


def missing(name):
    """Why this machine does not have a client; "" when it does."""
    return "" if name == "python" or shutil.which(name) else f"there is no {name} here"

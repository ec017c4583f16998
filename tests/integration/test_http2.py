"""HTTP/2 with clients of other makers, and what a service must never lose: a drain, and new
certificates under load."""

import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from clients import Http2, Response
from programs import CACHE, PATIENCE, wait_until

HERE = Path(__file__).parent

NODE = """
const http2 = require('http2');
const session = http2.connect(process.argv[1], {rejectUnauthorized: false});
const ask = (head, body) => new Promise((resolve, reject) => {
    const stream = session.request(head);
    let status, text = '';
    stream.on('response', fields => status = fields[':status']);
    stream.on('data', chunk => text += chunk);
    stream.on('end', () => resolve([status, text]));
    stream.on('error', reject);
    stream.end(body);
});
(async () => {
    const body = 'x'.repeat(1000000);
    const all = await Promise.all([
        ask({':path': '/hello'}),
        ask({':path': '/echo', ':method': 'POST'}, body),
        ...Array.from({length: 50}, () => ask({':path': '/hello'})),
    ]);
    const good = all.every(([status]) => status === 200) && all[1][1] === body;
    console.log(good ? 'good' : JSON.stringify(all.map(([status]) => status)));
    session.close();
})();
"""

GO = """package main

import (
    "bytes"
    "crypto/tls"
    "fmt"
    "io"
    "net/http"
    "os"
    "strings"
)

func main() {
    transport := &http.Transport{
        TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
    client := &http.Client{Transport: transport}
    answer, err := client.Get(os.Args[1] + "hello")
    if err != nil || answer.StatusCode != 200 || answer.ProtoMajor != 2 {
        fmt.Println("hello:", answer, err)
        return
    }
    io.Copy(io.Discard, answer.Body)
    body := strings.Repeat("x", 1000000)
    answer, err = client.Post(os.Args[1]+"echo", "text/plain", bytes.NewBufferString(body))
    if err != nil {
        fmt.Println("echo:", err)
        return
    }
    back, err := io.ReadAll(answer.Body)
    if err != nil || string(back) != body {
        fmt.Println("echo:", len(back), err)
        return
    }
    fmt.Println("good")
}
"""


@pytest.fixture(scope="module")
def server():
    from programs import Program

    program = Program("demo_server", "--port", "0", "--tls-port", "0")
    yield program
    assert program.running(), program.errors()
    program.end()


def output_of(command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, **options
    )
    return done.stdout.strip() or done.stderr


def test_curl(server):
    base = server.tls_url
    assert output_of(["curl", "-sk", "--http2", "-w", "%{http_version}", f"{base}hello"]) == (
        "Hello, world!\n2"
    )
    clear = ["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version}"]
    assert output_of([*clear, f"{server.url}hello"]) == "Hello, world!\n2"
    # A polite offer in clear text is passed over.
    offer = ["curl", "-s", "--http2", "-w", "%{http_version}", f"{server.url}hello"]
    assert output_of(offer) == "Hello, world!\n1.1"


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node")
def test_node(server):
    for url in (server.url, server.tls_url):
        assert output_of(["node", "-e", NODE, url]) == "good"


UNDICI = """
const {Agent, fetch, request} = require('undici');
const [base, http2] = [process.argv[1], process.argv[2] === '2'];
const dispatcher = new Agent({allowH2: http2, connect: {rejectUnauthorized: false}});
const body = 'x'.repeat(1000000);
(async () => {
    const hello = await request(`${base}hello`, {dispatcher});
    const text = await hello.body.text();
    const echo = await request(`${base}echo`, {dispatcher, method: 'POST', body});
    const many = await Promise.all(Array.from({length: 50}, async () => {
        const answer = await fetch(`${base}hello`, {dispatcher});
        return answer.status === 200 && await answer.text() === text;
    }));
    const good = text === 'Hello, world!\\n' && await echo.body.text() === body;
    console.log(good && many.every(each => each) ? 'good' : [text, echo.statusCode, many]);
    await dispatcher.close();
})();
"""


@pytest.fixture(scope="module")
def node_modules():
    """The packages that node/package-lock.json pins, installed once."""
    pins = HERE / "node"
    digest = hashlib.sha256((pins / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = CACHE / f"node-{digest}"
    if not (folder / "done").exists():
        shutil.copytree(pins, folder, dirs_exist_ok=True)
        output = output_of(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder)
        assert (folder / "node_modules" / "undici").exists(), output
        (folder / "done").touch()
    return folder / "node_modules"


@pytest.mark.skipif(not shutil.which("npm"), reason="there is no npm")
def test_undici(server, node_modules):
    for base, version in ((server.url, "1"), (server.tls_url, "1"), (server.tls_url, "2")):
        environment = {**os.environ, "NODE_PATH": str(node_modules), "NODE_NO_WARNINGS": "1"}
        command = ["node", "-e", UNDICI, base, version]
        assert output_of(command, env=environment) == "good", (base, version)


@pytest.mark.skipif(not shutil.which("nghttp"), reason="there is no nghttp")
def test_nghttp(server, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(bytes(range(256)) * 4000)
    for base in (server.url, server.tls_url):
        assert output_of(["nghttp", f"{base}hello"]) == "Hello, world!"
        many = output_of(["nghttp", "-ns", "-m", "100", f"{base}hello"])
        assert len(re.findall(r"\s200\s.*/hello", many)) == 100, many
        echo = ["nghttp", "--no-verify-peer", "-d", body, "-w", "16", "-W", "20", f"{base}echo"]
        done = subprocess.run(echo, capture_output=True, timeout=120, check=False)
        assert done.stdout == body.read_bytes(), done.stderr


@pytest.mark.skipif(
    not shutil.which("go", path="/usr/local/go/bin:/usr/bin:/usr/local/bin"), reason="no Go"
)
def test_go(server, tmp_path):
    (tmp_path / "main.go").write_text(GO)
    go = shutil.which("go", path="/usr/local/go/bin:/usr/bin:/usr/local/bin")
    assert output_of([go, "run", "main.go", server.tls_url], cwd=tmp_path) == "good"


@pytest.mark.parametrize("protocol", ["http/1.1", None])
def test_encrypted_only_what_was_agreed_upon_is_spoken(server, protocol):
    """RFC 9113, section 3.2: over TLS it is ALPN that says so, and not the preface."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocol:
        context.set_alpn_protocols([protocol])
    url = urlsplit(server.tls_url)
    with (
        socket.create_connection((url.hostname, url.port), PATIENCE) as bare,
        context.wrap_socket(bare, server_hostname="localhost") as sock,
    ):
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        assert sock.recv(100).startswith(b"HTTP/1.1 505 ")


DRAINED = """
const http2 = require('http2');
const session = http2.connect(process.argv[1], {rejectUnauthorized: false});
let told = 0, good = 0, uploads = [];
session.on('goaway', () => ++told);
session.on('error', error => console.log('session', error));
function watch(stream, expected) {
    let text = '', status;
    stream.on('response', fields => status = fields[':status']);
    stream.on('data', chunk => text += chunk);
    stream.on('error', error => console.log('stream', error));
    stream.on('end', () => {
        if (status === 200 && (expected === undefined || text === expected)) ++good;
    });
}
for (let i = 0; i < 40; ++i) {
    const stream = session.request({':path': `/slow?ms=${500 + 10 * i}`});
    watch(stream);
    stream.end();
}
for (let i = 0; i < 5; ++i) {
    const stream = session.request({':path': '/echo', ':method': 'POST'});
    watch(stream, 'before and after');
    stream.write('before ');
    stream.once('response', () => { if (uploads.push(stream) === 5) console.log('ready'); });
}
process.stdin.once('data', () => uploads.forEach(stream => stream.end('and after')));
session.on('close', () => { console.log(`told ${told > 0}, good ${good}`); process.exit(); });
"""


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node")
def test_a_drain_loses_no_stream(start):
    program = start("demo_server", "--port", "0", "--tls-port", "0")
    client = subprocess.Popen(
        ["node", "-e", DRAINED, program.tls_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout.readline() == "ready\n"
    program.signal(signal.SIGTERM)
    wait_until(lambda: "finishing what runs" in program.errors(), "the drain")
    output, _ = client.communicate("go on\n", timeout=PATIENCE)
    assert output == "told true, good 45\n"
    assert program.wait() == 0


def test_new_certificates_under_load(start, tmp_path):
    authority = trustme.CA()

    def issue():
        made = authority.issue_cert("localhost", "127.0.0.1")
        for name, text in (
            ("key.pem", made.private_key_pem.bytes()),
            ("certificate.pem", b"".join(blob.bytes() for blob in made.cert_chain_pems)),
        ):
            (tmp_path / "new").write_bytes(text)
            (tmp_path / "new").rename(tmp_path / name)

    issue()
    program = start(
        "05_https",
        "127.0.0.1:0",
        str(tmp_path / "certificate.pem"),
        str(tmp_path / "key.pem"),
    )
    address = program.address
    counts, failures, stop = [0] * 4, [], threading.Event()

    def ask_again_and_again(index):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        context.set_alpn_protocols(["h2"])
        try:
            while not stop.is_set():
                client = Http2(address, tls=True, context=context)
                for _ in range(5):
                    response = Response(client.request("GET", "/"))
                    assert response.status == 200
                    counts[index] += 1
                client.close()
        except BaseException as why:  # noqa: BLE001  whatever it is, it is a failed request
            failures.append(why)

    threads = [threading.Thread(target=ask_again_and_again, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 21):
        issue()
        program.signal(signal.SIGHUP)
        wait_until(
            lambda number=number: program.errors().count("new certificates") == number, "a reload"
        )
        before = sum(counts)
        wait_until(lambda before=before: sum(counts) > before + 20 or failures, "requests")
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures, failures[0]
    assert min(counts) > 0

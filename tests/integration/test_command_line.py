"""The demo server as a program: its flags, its addresses, and how it ends."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from programs import BUILD, PATIENCE, wait_until


def run(*arguments):
    """A run that ends by itself: (exit code, stdout, stderr)."""
    done = subprocess.run(
        [BUILD / "examples/c/demo_server", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class TestFlags:
    def test_help(self):
        code, out, err = run("--help")
        assert (code, err) == (0, "")
        for flag in ("--host", "--port", "--set", "FOLDER"):
            assert flag in out

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["--port", "65536"], 2, "a port is a number from 0 to 65535"),
            (["--port", "-1"], 2, "a port is a number from 0 to 65535"),
            (["--port=80a"], 2, "a port is a number from 0 to 65535"),
            (["--port"], 2, "its value is missing"),
            (["--tls-port", "65536"], 2, "a port is a number from 0 to 65535"),
            (["--host="], 2, "an address is missing"),
            (["--prot", "1"], 2, "there is no such option"),
            (["-x"], 2, "there is no such option"),
            (["a", "b"], 2, "there can be one folder only"),
            (["--set", "limits.idle_timeout_ms"], 2, "--set takes KEY=VALUE"),
            (["--set", "limits.idle_timeout=5"], 1, "limits.idle_timeout_ms"),
            (["--set", "limits.idle_timeout_ms=soon"], 1, "limits.idle_timeout_ms"),
            (["--port", "0", "--host", "nowhere.invalid"], 1, "nowhere.invalid"),
            (["--port", "0", "--host", "192.0.2.1"], 1, "192.0.2.1"),
            (["--port", "0", "/nonexistent"], 1, "/nonexistent: No such file or directory"),
            (["--port", "0", "/etc/passwd"], 1, "/etc/passwd: Not a directory"),
        ],
    )
    def test_mistakes_are_told(self, arguments, code, said):
        got, out, err = run(*arguments)
        assert (got, out) == (code, "")
        assert said in err
        assert err.startswith("demo_server: ")
        assert err.count("\n") == 1

    def test_a_port_in_use_for_tls(self, start):
        first = start("demo_server", "--port", "0")
        port = str(first.address[1])
        code, out, err = run("--port", "0", "--tls-port", port)
        assert (code, out) == (1, "")
        taken = f"127.0.0.1:{port} is in use; --tls-port takes another one, 0 any\n"
        assert err == f"demo_server: {taken}"

    def test_a_port_in_use(self, start):
        first = start("demo_server", "--port", "0")
        port = str(first.address[1])
        code, out, err = run("--port", port)
        assert (code, out) == (1, "")
        assert err == f"demo_server: 127.0.0.1:{port} is in use; --port takes another one, 0 any\n"
        assert first.curl("/hello") == "Hello, world!\n"


class TestAddresses:
    def test_ipv6(self, start):
        program = start("demo_server", "--host", "::1", "--port", "0")
        assert program.url.startswith("http://[::1]:")
        assert program.curl("/hello") == "Hello, world!\n"
        program.end()

    def test_both_families(self, start):
        program = start("demo_server", "--host", "[::]", "--port", "0")
        for host in ("127.0.0.1", "::1"):
            program.address = (host, program.address[1])
            with program.peer() as peer:
                assert peer.ask("GET", "/hello").status == 200

    def test_localhost(self, start):
        assert start("demo_server", "--host=localhost", "--port=0").url.startswith(
            "http://127.0.0.1:"
        )

    def test_unix(self, start, tmp_path):
        place = tmp_path / "socket"
        program = start("demo_server", "--host", f"unix:{place}")
        assert program.url == f"unix:{place}"
        assert program.curl("/hello") == "Hello, world!\n"
        with program.peer() as peer:
            assert peer.ask("POST", "/echo", body=b"abc").body == b"abc"
        code, _, err = run("--host", f"unix:{place}")
        assert code == 1
        assert "is in use" in err
        program.end()
        assert not place.exists()

    def test_several_workers(self, start):
        program = start("demo_server", "--port", "0", "--set", "runtime.workers=4")
        peers = [program.peer() for _ in range(64)]
        for peer in peers:
            peer.request("POST", "/echo", body=b"x" * 1000)
        for peer in peers:
            assert peer.response().body == b"x" * 1000
            peer.close()
        program.end()


class TestEnd:
    @pytest.fixture
    def demo(self, start):
        return start("demo_server", "--port", "0")

    @staticmethod
    def busy(demo, ms):
        """A peer whose /slow the server has begun."""
        peer = demo.peer()
        peer.request("GET", f"/slow?ms={ms}")
        wait_until(lambda: demo.metric("requests_active") >= 2, "the request is read")
        return peer

    @staticmethod
    def closed_to_new_ones(demo):
        try:
            with demo.peer() as peer:
                peer.request("GET", "/hello")
                return peer.at_end()
        except ConnectionError:
            return True

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_what_runs_is_finished(self, demo, number):
        with self.busy(demo, 2000) as peer, demo.peer() as idle:
            assert idle.ask("GET", "/hello").status == 200
            demo.signal(number)
            assert idle.at_end()
            wait_until(lambda: self.closed_to_new_ones(demo), "no new connections")
            assert demo.running(), "it did not wait"
            response = peer.response()
            assert response.status == 200
            assert response.body == b"That was slow.\n"
            assert response.get("Connection") == "close"
            assert peer.at_end()
        assert demo.wait() == 0, demo.errors()

    def test_a_body_under_way_is_finished(self, demo):
        with demo.peer() as peer:
            peer.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
            wait_until(lambda: demo.metric("requests_active") >= 2, "the request is read")
            demo.signal()
            wait_until(lambda: self.closed_to_new_ones(demo), "no new connections")
            peer.send("world")
            assert peer.response().body == b'{"bytes":10}\n'
        assert demo.wait() == 0, demo.errors()

    def test_a_second_signal_stops_at_once(self, demo):
        with self.busy(demo, 60_000) as peer:
            demo.signal()
            wait_until(lambda: "once more ends at once" in demo.errors(), "it drains")
            demo.signal()
            assert demo.process.wait(10) == 1
            assert peer.at_end()

    def test_idle_ends_at_once(self, demo):
        demo.signal()
        assert demo.process.wait(10) == 0

    def test_descriptors_are_not_inherited(self, demo):
        for name in os.listdir(f"/proc/{demo.process.pid}/fdinfo"):
            if int(name) > 2:
                text = Path(f"/proc/{demo.process.pid}/fdinfo/{name}").read_text(encoding="ascii")
                flags = int(text.split("flags:")[1].split()[0], 8)
                assert flags & 0o2000000, f"descriptor {name} has no close-on-exec"

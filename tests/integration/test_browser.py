"""The demo server's pages in a real browser: over HTTP/2, with WebSockets and event streams."""

import shutil
from urllib.parse import urlsplit

import pytest
from browser import Browser
from cutter import Cutter
from programs import Program

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium")


@pytest.fixture(scope="module")
def server():
    program = Program("demo_server", "--port", "0", "--tls-port", "0")
    yield program
    assert program.running(), program.errors()
    program.end()


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def proxy(server):
    parts = urlsplit(server.tls_url)
    proxy = Cutter((parts.hostname, parts.port))
    yield proxy
    proxy.close()


def protocol(browser):
    return browser.run("performance.getEntriesByType('navigation')[0].nextHopProtocol")


def test_pages_load(browser, server):
    browser.open(server.tls_url)
    assert protocol(browser) == "h2"
    assert "/hello" in browser.run("document.body.innerText")
    browser.open(server.url)
    assert protocol(browser) == "http/1.1"
    assert browser.run("fetch('/bytes/3000000').then(r => r.blob()).then(b => b.size)") == 3000000


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_a_chat(browser, server, tls):
    browser.open((server.tls_url if tls else server.url) + "chat")
    browser.until("document.getElementById('state').textContent === 'open'")
    browser.run(
        "document.getElementById('text').value = 'hello, all';"
        "document.getElementById('form').requestSubmit()"
    )
    browser.until("document.getElementById('log').innerText.includes('hello, all')")


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_messages_come_back(browser, server, tls):
    browser.open(server.tls_url if tls else server.url)
    script = """new Promise((resolve, reject) => {
        const got = [], socket = new WebSocket(
            `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/echo`);
        socket.onopen = () => {
            socket.send('text \\u00e4\\u{1f600}');
            socket.send('x'.repeat(100000));
        };
        socket.onmessage = event => {
            got.push(event.data);
            if (got.length === 2) socket.close(1000, 'done');
        };
        socket.onclose = event => resolve([got[0], got[1].length, event.code, event.wasClean,
                                           socket.extensions]);
        socket.onerror = reject;
    })"""
    text, length, code, clean, extensions = browser.run(script)
    assert (text, length, code, clean) == ("text \u00e4\U0001f600", 100000, 1000, True)
    assert extensions.startswith("permessage-deflate")


def test_events_go_on_after_a_cut(browser, proxy):
    browser.open(f"https://127.0.0.1:{proxy.port}/clock")
    assert protocol(browser) == "h2"
    browser.until("document.getElementById('state').textContent === 'open'")
    browser.run("""window.ids = [];
        events.addEventListener('message', event => ids.push(Number(event.lastEventId)));""")
    browser.until("ids.length >= 2")
    assert proxy.cut() >= 1
    browser.until("document.getElementById('state').textContent === 'reconnecting'")
    before = browser.run("ids.length")
    browser.until(f"ids.length >= {before} + 2")
    ids = browser.run("ids")
    assert ids == list(range(ids[0], ids[0] + len(ids))), "what was missed came later, once"

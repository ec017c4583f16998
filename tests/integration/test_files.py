"""/files/ of the demo server: ranges, conditions, and no way out of its folder."""

import email.utils
import os

import pytest
from programs import Program, wait_until

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with a secret beside it."""
    place = tmp_path_factory.mktemp("files")
    (place / "secret.txt").write_text("secret", encoding="ascii")
    folder = place / "served"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "with index").mkdir()
    (folder / "data.bin").write_bytes(CONTENT)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "page.HTML").write_text("<p>page", encoding="ascii")
    (folder / "ä <&>'\".txt").write_text("odd name", encoding="ascii")
    (folder / "100%.txt").write_text("percent", encoding="ascii")
    (folder / "sub" / "deep" / "x.json").write_text("{}", encoding="ascii")
    (folder / "with index" / "index.html").write_text("<p>index", encoding="ascii")
    (folder / ".hidden").write_text("hidden", encoding="ascii")
    (folder / "sub" / ".git").mkdir()
    (folder / "sub" / ".git" / "config").write_text("hidden", encoding="ascii")
    (folder / "out.txt").symlink_to(place / "secret.txt")
    (folder / "out").symlink_to(place)
    (folder / "root").symlink_to("/")
    (folder / "unreal").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    os.utime(folder / "data.bin", (1_000_000_000, 1_000_000_000))
    return folder


@pytest.fixture(scope="module")
def files(tree):
    program = Program("demo_server", "--port", "0", tree)
    yield program
    assert program.running(), program.errors()
    program.end()


@pytest.fixture
def peer(files):
    with files.peer() as peer:
        yield peer
        # Whatever was asked, the connection is still in step.
        assert peer.ask("GET", "/hello").body == b"Hello, world!\n"


def ask(peer, path, *fields, method="GET"):
    return peer.ask(method, "/files/" + path, *fields)


def test_a_file(peer):
    response = ask(peer, "data.bin")
    assert response.status == 200
    assert response.body == CONTENT
    assert response.get("content-type") == "application/octet-stream"
    assert response.get("accept-ranges") == "bytes"
    assert response.get("last-modified") == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert response.get("etag").startswith('"')


def test_head(peer):
    full, head = ask(peer, "data.bin"), ask(peer, "data.bin", method="HEAD")
    assert head.status == 200
    for name in ("Content-Length", "etag", "last-modified", "content-type"):
        assert head.get(name) == full.get(name)
    assert ask(peer, "data.bin", ("Range", "bytes=0-1"), method="HEAD").status == 200


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("page.HTML", "text/html"),
        ("sub/deep/x.json", "application/json"),
        ("empty.txt", "text/plain"),
    ],
)
def test_content_types(peer, name, kind):
    assert ask(peer, name).get("content-type").split(";")[0] == kind


def test_an_empty_file(peer):
    assert ask(peer, "empty.txt").body == b""
    assert ask(peer, "empty.txt", ("Range", "bytes=0-0")).status == 416
    assert ask(peer, "empty.txt", ("Range", "bytes=-5")).status == 200


def test_names_are_decoded(peer):
    assert ask(peer, "%C3%A4%20%3C%26%3E%27%22.txt").body == b"odd name"
    assert ask(peer, "100%25.txt").body == b"percent"
    assert ask(peer, "%64%61ta.bin").body == CONTENT


def test_methods(files):
    assert "405" in files.curl("/files/data.bin", "-X", "POST", "-d", "x", "-i").splitlines()[0]


class TestRanges:
    @pytest.mark.parametrize(
        ("value", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=0-99", 0, 99),
            ("bytes=100-", 100, 255_999),
            ("bytes=-1", 255_999, 255_999),
            ("bytes=-300000", 0, 255_999),
            ("bytes=255999-", 255_999, 255_999),
            ("bytes=0-99999999999999999999999", 0, 255_999),
            ("BYTES=5-6", 5, 6),
        ],
    )
    def test_a_part(self, peer, value, first, last):
        response = ask(peer, "data.bin", ("Range", value))
        assert response.status == 206
        assert response.body == CONTENT[first : last + 1]
        assert response.get("content-range") == f"bytes {first}-{last}/256000"
        assert response.get("Content-Length") == str(last - first + 1)

    @pytest.mark.parametrize("value", ["bytes=256000-", "bytes=999999999999999999999-", "bytes=-0"])
    def test_outside(self, peer, value):
        response = ask(peer, "data.bin", ("Range", value))
        assert response.status == 416
        assert response.get("content-range") == "bytes */256000"

    @pytest.mark.parametrize(
        "value",
        [
            "bytes=5-4",
            "bytes=-",
            "bytes=a-b",
            "lines=1-2",
            "bytes=",
            "bytes=0-1,5-6",
            "bytes 0-1",
            "bytes=1",
            "bytes=0x1-2",
        ],
    )
    def test_what_is_ignored(self, peer, value):
        response = ask(peer, "data.bin", ("Range", value))
        assert response.status == 200
        assert response.body == CONTENT

    def test_if_range(self, peer):
        part = ("Range", "bytes=1-2")
        full = ask(peer, "data.bin")
        etag, date = full.get("etag"), full.get("last-modified")
        assert ask(peer, "data.bin", part, ("If-Range", etag)).status == 206
        assert ask(peer, "data.bin", part, ("If-Range", date)).status == 206
        assert ask(peer, "data.bin", part, ("If-Range", '"other"')).status == 200
        assert ask(peer, "data.bin", part, ("If-Range", "W/" + etag)).status == 200
        later = "Sun, 09 Sep 2001 01:46:41 GMT"
        assert ask(peer, "data.bin", part, ("If-Range", later)).status == 200

    def test_resumed_by_curl(self, files, tmp_path):
        target = tmp_path / "part"
        target.write_bytes(CONTENT[:1000])
        files.curl("/files/data.bin", "-C", "-", "-o", target)
        assert target.read_bytes() == CONTENT


class TestConditions:
    def test_none_match(self, peer):
        etag = ask(peer, "data.bin").get("etag")
        for value in (etag, "*", f'"x", {etag}', f"W/{etag}", f'"a,b",{etag}'):
            for method in ("GET", "HEAD"):
                response = ask(peer, "data.bin", ("If-None-Match", value), method=method)
                assert response.status == 304
                assert response.get("etag") == etag
        assert ask(peer, "data.bin", ("If-None-Match", '"x"')).status == 200
        twice = (("If-None-Match", '"x"'), ("If-None-Match", etag))
        assert ask(peer, "data.bin", *twice).status == 304

    @pytest.mark.parametrize(
        ("date", "status"),
        [
            ("Sun, 09 Sep 2001 01:46:40 GMT", 304),
            ("Sunday, 09-Sep-01 01:46:40 GMT", 304),
            ("Sun Sep  9 01:46:40 2001", 304),
            ("Sun, 09 Sep 2001 01:46:39 GMT", 200),
            ("nonsense", 200),
        ],
    )
    def test_modified_since(self, peer, date, status):
        assert ask(peer, "data.bin", ("If-Modified-Since", date)).status == status

    def test_none_match_goes_before_modified_since(self, peer):
        now = email.utils.formatdate(usegmt=True)
        conditions = (("If-None-Match", '"x"'), ("If-Modified-Since", now))
        assert ask(peer, "data.bin", *conditions).status == 200

    def test_match(self, peer):
        etag = ask(peer, "data.bin").get("etag")
        assert ask(peer, "data.bin", ("If-Match", etag)).status == 200
        assert ask(peer, "data.bin", ("If-Match", "*")).status == 200
        assert ask(peer, "data.bin", ("If-Match", '"x"')).status == 412
        assert ask(peer, "data.bin", ("If-Match", "W/" + etag)).status == 412
        before = "Sun, 09 Sep 2001 01:46:39 GMT"
        assert ask(peer, "data.bin", ("If-Unmodified-Since", before)).status == 412

    def test_conditions_go_before_ranges(self, peer):
        etag = ask(peer, "data.bin").get("etag")
        part = ("Range", "bytes=0-1")
        assert ask(peer, "data.bin", ("If-None-Match", etag), part).status == 304

    def test_a_new_state_has_a_new_tag(self, peer, tree):
        file = tree / "changing.txt"
        tags = set()
        for text in ("one", "two", "three"):
            file.write_text(text, encoding="ascii")
            os.utime(file, ns=(0, 1_700_000_000_000_000_000 + len(tags)))
            tags.add(ask(peer, "changing.txt").get("etag"))
        assert len(tags) == 3


class TestFolders:
    def test_a_page_of_links(self, peer):
        page = ask(peer, "").body.decode()
        assert 'href="./data.bin"' in page
        assert 'href="./sub/"' in page
        assert 'href="./%C3%A4%20%3C%26%3E%27%22.txt"' in page
        assert "&lt;&amp;&gt;&#39;&quot;.txt</a>" in page
        for name in (".hidden", "out.txt", "unreal", "pipe"):
            assert name not in page

    def test_its_index(self, peer):
        assert ask(peer, "with%20index/").body == b"<p>index"

    def test_a_slash_is_added(self, peer):
        response = ask(peer, "sub?x=1")
        assert response.status == 301
        assert response.get("location") == "/files/sub/?x=1"
        assert ask(peer, "sub/").status == 200
        assert ask(peer, "sub/deep/x.json/").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "%2E%2E%2Fsecret.txt",
        "sub/%2e%2e/%2e%2e/secret.txt",
        "./data.bin",
        "sub/./deep/x.json",
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "..",
        "%2e",
        "...",
        "..;/secret.txt",
        "out.txt",
        "out/secret.txt",
        "root/etc/passwd",
        "unreal",
        ".hidden",
        "%2ehidden",
        "sub/.git/config",
        "sub/%2egit/config",
        "data.bin%00.txt",
        "%00",
        "data.bin%",
        "data.bin%2",
        "data.bin%zz",
        "sub//deep/x.json",
        "sub/deep//",
        "..\\secret.txt",
        "pipe",
        "nothing",
        "data.bin/x",
        "a" * 5000,
        "%c0%ae%c0%ae/secret.txt",
        "%252e%252e/secret.txt",
    ],
)
def test_what_is_not_there(peer, path):
    response = ask(peer, path)
    assert response.status == 404
    assert b"secret" not in response.body


def test_no_descriptor_stays_open(files):
    paths = ("data.bin", "empty.txt", "sub/", "sub", "pipe", "nothing", "with%20index/", "")

    def ask_all():
        for path in paths:
            for fields in (
                (),
                (("Range", "bytes=1-2"),),
                (("Range", "bytes=999999-"),),
                (("If-None-Match", "*"),),
            ):
                for method in ("GET", "HEAD"):
                    with files.peer() as peer:
                        ask(peer, path, *fields, method=method)
        for _ in range(20):  # gone in the middle of a file
            with files.peer(buffer=4096) as peer:
                peer.request("GET", "/files/data.bin")
                peer.head()

    ask_all()
    wait_until(lambda: files.metric("connections_open") == 1, "the connections close")
    before = files.descriptors()
    ask_all()
    wait_until(lambda: files.metric("connections_open") == 1, "the connections close")
    wait_until(lambda: files.descriptors() <= before, "the descriptors close")


def test_a_large_file_takes_no_memory(files, tree):
    size = 1_000_000_000
    with open(tree / "large.bin", "wb") as file:
        file.truncate(size)
    before = files.resident()
    got = files.curl("/files/large.bin", "-o", "/dev/null", "-w", "%{size_download}")
    assert int(got) == size
    assert files.resident() - before < 8_000_000

"""A second of many requests, without one error."""

import pytest
from load import wrk


@pytest.mark.parametrize(
    "path", ["/hello", "/headers", "/bytes/100000", "/stream/20", "/slow?ms=5"]
)
def test_wrk(demo, path):
    assert wrk(demo.base + path, 1) > 10


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("01_hello", "/"),
        ("02_queue", "/hello/you"),
        ("02b_driven", "/hello/you"),
        ("03_upload_download", "/download/100000"),
    ],
)
def test_examples(start, name, path):
    assert wrk(start(name, "127.0.0.1:0").base + path, 1) > 10

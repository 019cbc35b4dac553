"""An S3 server as a process of its own, and a bucket in it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import s3fs

BUCKET = "results"


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server; gives its endpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def use_in_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Point every S3 library of this process and its children to the server."""
    for name, value in (
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "key-id"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)


def open_bucket(endpoint: str) -> Any:
    """A new empty bucket, as fsspec sees it."""
    files = s3fs.S3FileSystem(
        endpoint_url=endpoint, key="key-id", secret="planted-secret", use_listings_cache=False, skip_instance_cache=True
    )
    if files.exists(BUCKET):
        files.rm(BUCKET, recursive=True)
    files.mkdir(BUCKET)
    return files


def _await(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the S3 server does not answer")

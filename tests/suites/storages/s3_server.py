"""An S3 server on a socket, which can fail, and whose signed addresses expire."""

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

BUCKETS = ("site", "renditions", "example-images", "example-renditions", "example-recompositions")
ACCESS = {
    "access_key": "test",
    "secret_key": "test",
    "region_name": "us-east-1",
}
#: No retries, so that errors show at once; a site would let its client try again first.
CLIENT = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    retries={"total_max_attempts": 1},
    connect_timeout=2,
    read_timeout=10,
)

SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


class Call(NamedTuple):
    method: str
    path: str
    """With the bucket: "/site/images/photo.png"."""
    by_site: bool
    """True where its headers were signed, as a storage does; visitors' calls are not."""


Refused = Callable[[Call], bool]


class _Quiet(MotoRequestHandler):
    def log(self, *args: Any, **kwargs: Any) -> None:
        pass


class S3Server:
    """moto's S3 behind a WSGI function that a test can make fail."""

    def __init__(self) -> None:
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self._expired_at = ""
        self._forget()
        self._port = 0
        self._start()
        self._client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS["access_key"],
            aws_secret_access_key=ACCESS["secret_key"],
            region_name=ACCESS["region_name"],
            config=CLIENT,
        )
        self.clear()

    def _start(self) -> None:
        self._server = make_server(
            "127.0.0.1", self._port, self._answer, threaded=True, request_handler=_Quiet
        )
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def clear(self) -> None:
        """Empty the buckets and the records."""
        there = {bucket["Name"] for bucket in self._client.list_buckets()["Buckets"]}
        for bucket in BUCKETS:
            if bucket in there:
                for name in self._names(bucket):
                    self._client.delete_object(Bucket=bucket, Key=name)
            else:
                self._client.create_bucket(Bucket=bucket)
        self._forget()

    def _forget(self) -> None:
        self.calls: list[Call] = []
        self.overwritten: list[str] = []
        self._stored: set[str] = set()

    def names(self) -> list[str]:
        """Return the names of all objects in all buckets."""
        return [name for bucket in BUCKETS for name in self._names(bucket)]

    def _names(self, bucket: str) -> list[str]:
        listed = self._client.list_objects_v2(Bucket=bucket)
        return [each["Key"] for each in listed.get("Contents", [])]

    # Failures

    _refused: Refused | None = None

    @contextlib.contextmanager
    def refusing(self, refused: Refused) -> Iterator[None]:
        """Answer these calls with 503, which is botocore's ClientError."""
        self._refused = refused
        try:
            yield
        finally:
            self._refused = None

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Close the port, which is botocore's EndpointConnectionError."""
        self.stop()
        try:
            yield
        finally:
            self._start()

    def expire(self) -> None:
        """Refuse all addresses that were signed until now."""
        self._expired_at = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        # Signatures have whole seconds.
        time.sleep(1.1)

    # Answers

    def _answer(self, environ: Any, start_response: Any) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        call = Call(method, path, "HTTP_AUTHORIZATION" in environ)
        self.calls.append(call)
        if self._refused and self._refused(call):
            return _refuse(start_response, "503 Slow Down", SLOW_DOWN)
        signed = parse_qs(environ["QUERY_STRING"]).get("X-Amz-Date")
        if signed and signed[0] <= self._expired_at:
            return _refuse(start_response, "403 Forbidden", EXPIRED)
        if method == "PUT" and path in self._stored:
            self.overwritten.append(path)
        if method == "PUT":
            self._stored.add(path)
        elif method == "DELETE":
            self._stored.discard(path)
        return self._s3(environ, start_response)


def _refuse(start_response: Any, status: str, body: bytes) -> list[bytes]:
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]

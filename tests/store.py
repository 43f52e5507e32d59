"""An S3-compatible store on loopback, over HTTP, and what goes wrong with such stores.

moto's server behind middleware of ours. Two ports lead to one store: at the first everything is well, at the second
requests fail, are slow, are answered with half of the bytes, or are carried out and then said to have failed. Which
one does is drawn from a seed, the request and how often it has come.

`python tests/store.py SEED SHARE SECONDS` starts one, prints its ports as JSON, and ends with its standard input.
SHARE of the requests meet a fault; a slow one takes up to SECONDS.
"""

import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from functools import cached_property
from io import BytesIO
from pathlib import Path

KEY = "convcli"
_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>{}</Message></Error>'
_STATUS = {
    "SlowDown": ("503 Slow Down", "Please reduce your request rate."),
    "InternalError": ("500 Internal Server Error", "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": ("403 Forbidden", "The AWS Access Key Id you provided does not exist in our records."),
    "AccessDenied": ("403 Forbidden", "Access Denied"),
}


def refused(code, method, start_response):
    status, message = _STATUS[code]
    body = b"" if method == "HEAD" else _ERROR.format(code, message).encode()
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


class Guard:
    """Checks the access key; nobody may write to the bucket `locked`. Keeps a digest of all that is put."""

    def __init__(self, app):
        self.app, self.log, self.lock = app, [], threading.Lock()

    def __call__(self, environ, start_response):
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/-/log":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self.log).encode()]
        if f"Credential={KEY}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return refused("InvalidAccessKeyId", method, start_response)
        if method == "PUT" and path.startswith("/locked/"):
            return refused("AccessDenied", method, start_response)
        if method != "PUT":
            return self.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)

        def begin(status, headers, *others):
            if status.startswith("200"):
                with self.lock:
                    self.log.append([path, hashlib.sha256(body).hexdigest()])
            return start_response(status, headers, *others)

        return self.app(environ, begin)


class Faults:
    """Gets in the way of a share of the requests. The same request comes through at the sixth time, at the latest."""

    def __init__(self, app, seed, share, seconds):
        self.app, self.seed, self.share, self.seconds = app, seed, share, seconds
        self.seen, self.counts, self.lock = Counter(), Counter(), threading.Lock()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/-/faults":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self.counts).encode()]
        method = environ["REQUEST_METHOD"]
        request = (method, environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        with self.lock:
            self.seen[request] += 1
            draw = random.Random(f"{self.seed} {request} {self.seen[request]}")
            fault = None
            if draw.random() < self.share and self.seen[request] < 6:
                kinds = ["SlowDown", "InternalError", "slow", {"PUT": "lost", "GET": "cut"}.get(method, "slow")]
                fault = draw.choice(kinds)
                self.counts[fault] += 1
        if fault == "slow":
            time.sleep(draw.uniform(0, self.seconds))
        elif fault == "lost":
            list(self.app(environ, lambda *words: None))
            return refused("InternalError", method, start_response)
        elif fault == "cut":
            return self._cut(environ, start_response)
        elif fault:
            return refused(fault, method, start_response)
        return self.app(environ, start_response)

    def _cut(self, environ, start_response):
        body = b"".join(self.app(environ, start_response))
        yield body[: len(body) // 2]
        raise ConnectionAbortedError  # the server closes the connection


def serve(seed, share, seconds):
    import logging

    from moto.moto_server.werkzeug_app import create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    guard = Guard(create_backend_app("s3"))
    apps = (guard, Faults(guard, seed, share, seconds))
    servers = [make_server("127.0.0.1", 0, app, threaded=True) for app in apps]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps([server.port for server in servers]), flush=True)
    sys.stdin.read()


class Store:
    """A running store, as a test sees it."""

    def __init__(self, ports, folder):
        self.well, self.faulty = (f"http://127.0.0.1:{port}" for port in ports)
        (folder / "empty").touch()
        self.env = {
            "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(folder / "empty"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "empty"),
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_ENDPOINT_URL": self.well,
        }  # fmt: skip

    @cached_property
    def client(self):
        """A client of the port where everything is well."""
        import s3fs

        return s3fs.S3FileSystem(
            key=KEY, secret="secret", endpoint_url=self.well, skip_instance_cache=True, use_listings_cache=False
        )

    def log(self):
        """(path, digest of the bytes) of every object that was put."""
        return [tuple(entry) for entry in _json(f"{self.well}/-/log")]

    def faults(self):
        """How many requests met which fault."""
        return _json(f"{self.faulty}/-/faults")


def _json(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


@contextlib.contextmanager
def started(folder, seed=0, share=0.3, seconds=0.05):
    """A store that ends with the block."""
    command = [sys.executable, str(Path(__file__)), str(seed), str(share), str(seconds)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    try:
        yield Store(json.loads(process.stdout.readline()), folder)
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))

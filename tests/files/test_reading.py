"""What is opened to be read: regular files alone where they were found, and an end to every input."""

import gzip
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ConvcliError, ImageError
from convcli.files.reading import NotRegular, is_pipe, open_regular, read_regular, read_to_end, told
from convcli.images import Reading

PATIENCE = 120  # seconds after which a command hangs: nothing here takes two
MEMORY = 3 << 30  # bytes of address space, so that an endless input is met before the machine is full


def bounded():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def convcli(*words, **how):
    return subprocess.run(
        [sys.executable, "-m", "convcli", *map(str, words)],
        capture_output=True, timeout=PATIENCE, check=False, preexec_fn=bounded, **how,
    )  # fmt: skip


def png():
    stream = BytesIO()
    Image.fromarray(np.full((20, 20), 90, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def pipe(path):
    os.mkfifo(path)


def link_to_pipe(path):
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe").name)


def link_to_zero(path):
    path.symlink_to("/dev/zero")


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


ODD = (pipe, link_to_pipe, link_to_zero, unix_socket)


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "good.png").write_bytes(png())
    return tmp_path


@pytest.mark.parametrize("odd", ODD)
def test_a_file_is_opened_and_nothing_else(room, odd):
    odd(room / "a.png")
    assert is_pipe("a.png") and not is_pipe("good.png") and not is_pipe("absent") and not is_pipe("\0")
    with pytest.raises(NotRegular, match="not a file"):
        open_regular("a.png")
    with pytest.raises(ImageError, match=r"a\.png can't be read: it is a (pipe|device|socket), not a file"):
        Reading("a.png")
    with pytest.raises(IsADirectoryError):
        open_regular(room)
    assert read_regular("good.png") == png()


@pytest.mark.parametrize("odd", ODD)
def test_what_becomes_a_pipe_after_the_look_is_not_waited_for(room, odd, monkeypatch):
    odd(room / "a.png")
    looked_at = (room / "good.png").stat()
    monkeypatch.setattr(os, "stat", lambda path: looked_at)
    with pytest.raises(OSError, match=r"not a file|such device"):
        open_regular("a.png")


@pytest.mark.parametrize("odd", ODD)
def test_a_batch_names_what_is_no_file_and_goes_on(room, odd):
    (room / "in").mkdir()
    odd(room / "in" / "a.png")
    if not (room / "in" / "a.png").is_symlink():  # what is none under its own name is not even listed
        (room / "in" / "a.png").rename(room / "in" / "a.odd")
        (room / "in" / "a.png").symlink_to("a.odd")
    for name in ("b.png", "c.png"):
        (room / "in" / name).write_bytes(png())
    done = convcli("batch", "-k", "box", "in", "out", "--json", "--gallery", "page.html", text=True)
    assert done.returncode == 1 and '"done": 2' in done.stdout and "not a file" in done.stderr
    assert sorted(path.name for path in (room / "out").iterdir()) == ["b.png", "c.png"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("words", [
    ("apply", "-k", "sobel-x", "good.png", "out.png"),
    ("size", "9x9", "-k", "sobel-x"),
    ("kernels", "list"),
    ("kernels", "show", "sobel-x"),
    ("explain", "-k", "sobel-x", "--at", "1,1", "good.png"),
    ("explain", "-k", "sobel-x", "--html", "page.html", "good.png"),
    ("layer", "-k", "sobel-x", "good.png", "out.npy"),
], ids=" ".join)  # fmt: skip
def test_no_kernel_folder_stops_a_command(room, odd, words):
    """Whatever is no file there, under a built-in name or another, in each kind of file that is looked into."""
    for folder in ("kernels", "config/convcli/kernels"):
        (room / folder).mkdir(parents=True)
        for number, suffix in enumerate((".yaml", ".json", ".csv", ".npy")):
            for name in (f"x{number}", "sobel-x"):
                odd(room / folder / f"{name}{suffix}")
                made = room / folder / f"{name}.pipe"
                if made.exists() and odd is link_to_pipe:
                    made.rename(room / folder / f"{name}{suffix}.pipe")
                    (room / folder / f"{name}{suffix}").unlink()
                    (room / folder / f"{name}{suffix}").symlink_to(f"{name}{suffix}.pipe")
    done = convcli(*words, text=True)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert "kernels/sobel-x.yaml can't be read: it is a" in done.stderr


def test_completion_waits_for_no_pipe(room):
    (room / "kernels").mkdir()
    pipe(room / "kernels" / "x.yaml")
    environment = {**os.environ, "_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": "convcli apply -k sob",
                   "COMP_CWORD": "3"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['convcli']; from convcli.cli import main; main()"],
        env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert "sobel-x" in done.stdout and "Traceback" not in done.stderr


class TestAnEnd:
    """Of every input that does not tell its length."""

    @pytest.mark.parametrize("command", [
        ("apply", "-k", "box", "--max-bytes", "4M", "-", "out.png"),
        ("apply", "-k", "box", "--max-bytes", "4M", "/dev/stdin", "out.png"),
        ("apply", "-k", "box", "--max-bytes", "4M", "/dev/zero", "out.png"),
    ])  # fmt: skip
    def test_standard_input_pipes_and_devices(self, room, command):
        with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless:
            done = convcli(*command, stdin=endless.stdout)
            endless.stdout.close()
            endless.kill()
        assert done.returncode == 1 and b"has more than 4 MiB" in done.stderr and b"--max-bytes" in done.stderr
        assert not (room / "out.png").exists()

    @pytest.mark.parametrize("command", [
        ("explain", "-k", "box", "--at", "1,1", "-"), ("compare", "-k", "box", "-", "out.png"), ("show", "-"),
        ("plan", "-k", "box", "-"), ("layer", "-k", "box", "-", "out.npy"),
    ], ids=" ".join)  # fmt: skip
    def test_every_command_that_reads_standard_input(self, room, command):
        with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless:
            done = convcli(*command, stdin=endless.stdout)
            endless.stdout.close()
            endless.kill()
        assert done.returncode == 1 and b"standard input has more than 1 GiB" in done.stderr

    def test_a_pipe_that_ends_is_read(self, room):
        pipe(room / "a.png")
        writer = threading.Thread(target=lambda: (room / "a.png").write_bytes(png()))
        writer.start()
        done = convcli("apply", "-k", "box", "a.png", "out.png")
        writer.join()
        assert done.returncode == 0, done.stderr

    def test_what_a_decoder_takes_at_once(self, room):
        with (room / "a.webp").open("wb") as stream:
            stream.write(b"RIFF\0\0\0\x40WEBPVP8L")
            stream.truncate(1 << 40)
        with pytest.raises(ImageError, match="has more than 1 GiB"):
            Reading("a.webp")

    def test_streams(self):
        assert read_to_end(BytesIO(b"x" * 10), "a", 10) == b"x" * 10
        with pytest.raises(ImageError, match="a has more than 9 bytes"):
            read_to_end(BytesIO(b"x" * 10), "a", 9)
        assert [told(n) for n in (1 << 30, 1536 << 20, 5 << 10, 7)] == ["1 GiB", "1,536 MiB", "5 KiB", "7 bytes"]


class Hostile(BaseHTTPRequestHandler):
    """Bodies without an end: of no length, of pieces, and unpacked."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        zeros = bytes(1 << 20)
        if self.path == "/packed.png":
            body = gzip.compress(bytes(64 << 20))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if self.path == "/pieces.png":
            self.send_header("Transfer-Encoding", "chunked")
            zeros = b"100000\r\n" + zeros + b"\r\n"
        self.end_headers()
        try:
            while True:
                self.wfile.write(zeros)
        except OSError:
            self.close_connection = True

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as made:
        made.daemon_threads = True
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


@pytest.mark.parametrize("name", ["endless.png", "pieces.png", "packed.png"])
def test_a_server_without_an_end(room, server, name):
    done = convcli("apply", "-k", "box", "--max-bytes", "8M", f"{server}/{name}", "out.png", text=True)
    assert done.returncode == 1 and f"{name} has more than 8 MiB" in done.stderr, done.stderr
    assert not (room / "out.png").exists()


def test_an_entry_of_an_archive_that_unpacks_to_more(room):
    with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(64 << 20))
        archive.writestr("good.png", png())
    done = convcli("batch", "-k", "box", "--max-bytes", "8M", "zip://::a.zip", "out", text=True)
    assert done.returncode == 1 and "bomb.png has more than 8 MiB" in done.stderr
    assert [path.name for path in (room / "out").iterdir()] == ["good.png"]


class TestArrays:
    """A head of .npy may claim any shape."""

    def claimed(self, shape):
        stream = BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
        return stream.getvalue() + bytes(64)

    @pytest.mark.parametrize("shape", [(2000, 2000), (3, 2048, 2048), (-1, -2)])
    def test_as_a_kernel(self, room, shape):
        (room / "k.npy").write_bytes(self.claimed(shape))
        done = convcli("kernels", "show", "k.npy", text=True)
        assert done.returncode == 2 and done.stderr.startswith("Error: k.npy: ") and "Traceback" not in done.stderr

    @pytest.mark.parametrize("shape", [(1, 1, 1 << 20, 1 << 20), (4, 1, 3, 3), (-1, 1, 3, 3)])
    @pytest.mark.parametrize("suffix", [".npy", ".npz"])
    def test_as_weights(self, room, shape, suffix):
        if suffix == ".npy":
            (room / "w.npy").write_bytes(self.claimed(shape))
        else:
            with zipfile.ZipFile("w.npz", "w") as archive:
                archive.writestr("w.npy", self.claimed(shape))
        done = convcli("layer", "--weights", f"w{suffix}:w", "good.png", "out.npy", text=True)
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr and "w." in done.stderr, done.stderr

    def test_an_entry_larger_than_memory(self, room, monkeypatch):
        from convcli.layers import weights

        np.savez("w.npz", w=np.ones((4, 1, 64, 64)))
        monkeypatch.setattr(weights, "free_memory", lambda: 100_000)
        with pytest.raises(ConvcliError, match=r"takes .* of memory and"):
            weights.TensorFile.open(room / "w.npz").tensor("w")


MAPPED = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append(args) if event == "mmap.__new__" and args[0] >= 0 else None)
from pathlib import Path
from convcli import load_kernel
from convcli.images import Reading
from convcli.layers.weights import TensorFile
load_kernel("k.npy")
for name in ("a.tif", "big.tif", "good.png"):
    with Reading(name) as reading:
        next(reading.frames())
        assert name == "good.png" or b"maker" in reading.metadata.exif
for name in ("w.npy", "w.npz"):
    TensorFile.open(Path(name)).tensor("w")
print(seen)
"""


def test_no_file_is_mapped_into_memory(room):
    """Cut off by somebody else, it would end the process with SIGBUS."""
    np.save("k.npy", np.ones((3, 3)))
    np.save("w.npy", np.ones((1, 1, 3, 3)))
    np.savez("w.npz", w=np.ones((1, 1, 3, 3)))
    exif = Image.Exif()
    exif[0x010F] = "maker"
    for name, big in (("a.tif", False), ("big.tif", True)):
        Image.open("good.png").save(name, "TIFF", exif=exif, big_tiff=big)
    done = subprocess.run([sys.executable, "-c", MAPPED], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_exif_of_a_tiff_that_ends_within_a_directory(room):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    Image.open("good.png").save("a.tif", "TIFF", exif=exif)
    whole = (room / "a.tif").read_bytes()
    (first,) = struct.unpack_from("<I", whole, 4)
    from convcli.images.exif import of_tiff

    for end in range(8, len(whole)):
        stream = BytesIO(whole[:end])
        stream.seek(3)
        try:
            of_tiff(stream)
        except struct.error:
            assert end < first + 2
        assert stream.tell() == 3

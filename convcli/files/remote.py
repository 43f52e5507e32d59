"""Files elsewhere, by URL: the only place that knows fsspec. The extras `cluster` and `remote`.

A file is read in one request and written whole: an object store gets the finished bytes in one put, which it shows all
or none of; elsewhere they go to a temporary name in the same folder, which is then moved to the right one.
"""

from __future__ import annotations

import contextlib
import posixpath
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from typing import Any, BinaryIO
from urllib.parse import unquote

from convcli.errors import AccessError, ConvcliError, ImageError, RecipeError, first_line
from convcli.files.names import PART, WRAPPERS, Stamp, folder_of, printable_path, protocol
from convcli.files.reading import MOST, read_to_end, too_much

try:
    import fsspec
except ImportError:
    raise ConvcliError("URLs need the extra `remote`: pip install 'convcli[remote]'") from None

# Stores that show an object whole or not at all, and have no folders that would have to be made.
_OBJECTS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "memory")
_UNCACHED = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")  # they would keep every listing in memory
_READ_ONLY = ("http", "https", "zip", "tar", "libarchive", "github", "git", "data", "reference", "dir")
_PACKAGES = {
    "s3": "convcli[remote]", "s3a": "convcli[remote]", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
    "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What a folder holds: a file, with its stamp, or a folder."""

    name: str
    stamp: Stamp | None

    @property
    def folder(self) -> bool:
        """Whether it is a folder."""
        return self.stamp is None


def read(url: str, most: int = MOST) -> bytes:
    """The file's content, of at most so many bytes.

    Raises ImageError where there is none or more, AccessError where it can't be had.
    """
    with _told(url, "read"):
        fs, path = _found(url)
        content = _content(fs, path, protocol(url), most)
        if len(content) > most:
            raise too_much(printable_path(url), most)
        return content


def _content(fs: Any, path: str, scheme: str, most: int) -> bytes:
    """No more than a byte more than `most`, in one request where the place is a store or a server."""
    if scheme not in _OBJECTS:  # a server need not tell a length, nor the true one; an entry of an archive tells any
        streamed = {"block_size": 0, "size": 1} if scheme in ("http", "https") else {}
        with fs.open(path, **streamed) as stream:
            return read_to_end(stream, printable_path(path), most)
    try:
        content: bytes = fs.cat_file(path, start=0, end=most + 1)
    except Exception:  # an empty file has no first byte, which stores take for an error
        if fs.info(path)["size"]:
            raise
        return b""
    return content


def exists(url: str) -> bool:
    """Whether there is such a file."""
    return stamp(url) is not None


def digest(url: str) -> str:
    """SHA-256 of the file's content, in hexadecimal."""
    return sha256(read(url)).hexdigest()


def entries(url: str) -> Iterator[tuple[str, bool]]:
    """Name of everything in the folder, and whether it is a folder."""
    return ((found.name, found.folder) for found in stamped_entries(url))


def stamp(url: str) -> Stamp | None:
    """The file's size, time of change and version; None where there is none."""
    with _told(url, "read"):
        fs, path = _found(url)
        try:
            info = fs.info(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if info["type"] == "directory" else _stamp(info)


def stamped_entries(url: str) -> Iterator[Entry]:
    """What the folder holds, in the order that the store tells it; from S3 page by page."""
    with _told(url, "listed"):
        fs, path = _found(url)
        if protocol(url) in ("s3", "s3a"):
            yield from _s3_entries(fs, path)
            return
        linked = protocol(url) in ("http", "https")
        told: set[str] = set()
        for info in fs.ls(path, detail=True):
            if info["name"].strip("/") == path.strip("/"):  # some list a file, or a folder's own mark, as its content
                continue
            if info["type"] == "other" and not info.get("islink"):  # a pipe or a device
                continue
            name = info["name"].rstrip("/").rpartition("/")[2]
            if linked:
                name = _linked(path, info["name"])
                if not name or unquote(name) in told:
                    continue
                told.add(unquote(name))
            yield Entry(name, None if info["type"] == "directory" else _stamp(info))


def _linked(folder: str, link: str) -> str:
    """The name in the folder of what its page links to; empty of what lies elsewhere."""
    begin, place = (text.partition("://")[2] for text in (folder.rstrip("/") + "/", link))
    name = posixpath.normpath(place.removeprefix(begin)) if place.startswith(begin) else ""
    return "" if name in (".", "..") or "/" in name else name


def check_input_folder(url: str) -> None:
    """Raise ConvcliError where inputs can't be listed there: the extra, the address, the credentials, the name."""
    found = next(stamped_entries(url), None)
    if found is None and stamp(url):
        raise ConvcliError(f"{printable_path(url)} is not a folder; convcli apply filters one picture")


def check_output(url: str, force: bool) -> None:
    """Raise where an output of that name can't be written, as far as can be told without writing."""
    _writable(url)
    if not folder_of(url)[1]:
        raise ConvcliError(f"{printable_path(url)} is a folder; name a file in it")
    if not force and stamp(url):
        raise ConvcliError(f"{printable_path(url)} exists; --force overwrites it")


def check_output_folder(url: str) -> None:
    """Raise where nothing can be written: a protocol that only reads, the extra, the address, the credentials, S3's
    bucket. What is allowed to whom, only writing tells."""
    _writable(url)
    with contextlib.suppress(StopIteration):
        try:
            next(stamped_entries(url))
        except ImageError as error:
            cause = error.__cause__
            absent = isinstance(cause, FileNotFoundError) and protocol(url) not in ("s3", "s3a")
            if not absent and _code(cause) not in ("AccessDenied", "403"):
                raise


@contextlib.contextmanager
def open_output(url: str, force: bool, when_complete: Callable[[BinaryIO], None] | None = None) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file when the block ends well; nothing is sent when it fails."""
    stream = BytesIO()
    yield stream
    if when_complete:
        when_complete(stream)
    _writable(url)
    with _told(url, "written"):
        fs, path = _found(url)
        if not force and fs.exists(path):
            raise ConvcliError(f"{printable_path(url)} has appeared meanwhile; --force overwrites it")
        if protocol(url) in _OBJECTS:
            fs.pipe_file(path, stream.getvalue())
            return
        folder, _, name = path.rpartition("/")
        part = f"{folder}/.{name[:100]}.{uuid.uuid4().hex[:8]}{PART}"
        try:
            fs.pipe_file(part, stream.getvalue())
            fs.mv(part, path)
        except BaseException:
            with contextlib.suppress(Exception):
                fs.rm_file(part)
            raise


def make_folder(url: str) -> None:
    """Make the folder that the file lies in, where there are folders."""
    if protocol(url) not in _OBJECTS:
        with _told(url, "written"):
            fs, path = _found(url)
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)


class ListedStamps:
    """The stamps of files that are asked for folder by folder, from one listing of each folder.

    Two folders are kept, that of the inputs and that of the outputs: asking the store about each file by itself would
    take a request a file.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Stamp | None]] = {}

    def stamp(self, url: str) -> Stamp | None:
        """As `stamp`."""
        if protocol(url) in ("http", "https"):  # may have no listing
            return stamp(url)
        folder, name = folder_of(url)
        if folder not in self._known:
            while len(self._known) > 1:
                del self._known[next(iter(self._known))]
            self._known[folder] = _stamps(folder)
        return self._known[folder].get(name)


def _stamps(folder: str) -> dict[str, Stamp | None]:
    try:
        return {entry.name: entry.stamp for entry in stamped_entries(folder)}
    except ImageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return {}
        raise


def _found(url: str) -> tuple[Any, str]:
    """The file system and the path there."""
    scheme = protocol(url)
    if scheme in WRAPPERS:
        if "::" not in url:
            raise RecipeError(
                f"{printable_path(url)} needs the archive behind ::, as {scheme}://photos::archive.{scheme}"
            )
        fs, path = fsspec.core.url_to_fs(url)
        return fs, str(path)
    kind = fsspec.get_filesystem_class(scheme)
    options = kind._get_kwargs_from_urls(url)
    if scheme in _UNCACHED:
        options["use_listings_cache"] = False
    return fsspec.filesystem(scheme, **options), str(kind._strip_protocol(url))


def _s3_entries(fs: Any, path: str) -> Iterator[Entry]:
    """A thousand at a time; the store tells them in the order of their names."""
    bucket, prefix, _ = fs.split_path(path)
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    words = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}
    while True:
        page = fs.call_s3("list_objects_v2", **words)
        for below in page.get("CommonPrefixes", ()):
            yield Entry(below["Prefix"][len(prefix) : -1], None)
        for item in page.get("Contents", ()):
            if item["Key"] != prefix:  # the mark of an empty folder
                yield Entry(item["Key"][len(prefix) :], _stamp({**item, "size": item["Size"]}))
        if not page.get("IsTruncated"):
            return
        words["ContinuationToken"] = page["NextContinuationToken"]


def _stamp(info: dict[str, Any]) -> Stamp:
    size = info.get("size")
    version = next((str(info[key]) for key in ("ETag", "etag", "generation") if info.get(key)), None)
    plain = (-1 if size is None else int(size), _changed(info))
    return (*plain, version) if version else plain


def _changed(info: dict[str, Any]) -> int:
    for key in ("LastModified", "last_modified", "mtime", "updated", "created"):
        when = info.get(key)
        if isinstance(when, str):
            try:
                when = datetime.fromisoformat(when)
            except ValueError:
                continue
        if isinstance(when, datetime):
            when = when.timestamp()
        if isinstance(when, int | float):
            return int(when * 1e9)
    return -1


def _writable(url: str) -> None:
    if protocol(url) in _READ_ONLY:
        raise RecipeError(
            f"{protocol(url)}:// is for reading only; write {printable_path(url)} to a folder or a store instead"
        )


@contextlib.contextmanager
def _told(url: str, what: str) -> Iterator[None]:
    """Whatever goes wrong with a store becomes one sentence; its client raises nearly every exception there is."""
    try:
        yield
    except (ConvcliError, MemoryError):
        raise
    except FileNotFoundError as error:
        words = first_line(error)
        why = f": {words}" if "bucket" in words or "container" in words else ""
        raise ImageError(f"{printable_path(url)} does not exist{why}") from error
    except ImportError as error:
        raise ConvcliError(_missing(protocol(url), error)) from None
    except NotImplementedError:
        raise RecipeError(f"{printable_path(url)} can't be {what}: {protocol(url)}:// has no way to") from None
    except Exception as error:
        if isinstance(error, ValueError) and "rotocol not known" in str(error):
            raise RecipeError(f"{printable_path(url)}: {protocol(url)}:// is no protocol that is known") from None
        raise AccessError(
            f"{printable_path(url)} can't be {what}: {first_line(error)}{_way_out(url, error)}"
        ) from error


def _missing(scheme: str, error: ImportError) -> str:
    package = _PACKAGES.get(scheme)
    way = f"pip install '{package}'" if package else first_line(error)
    return f"{scheme}:// needs a package that is not installed: {way}"


def _way_out(url: str, error: Exception) -> str:
    kind = type(error).__name__
    if isinstance(error, PermissionError) or "Credential" in kind or "Authentication" in kind:
        return f"; check the credentials for {protocol(url)}:// and what they allow"
    if "Connect" in kind or "Timeout" in kind or isinstance(error, ConnectionError) or kind == "gaierror":
        return "; check the address and the network"
    return ""


def _code(error: BaseException | None) -> str:
    """The store's own word for the error, S3's."""
    response: Any = getattr(getattr(error, "__cause__", None), "response", None)
    return str(response["Error"].get("Code")) if response else ""

"""Remote files by URL, through fsspec, which no other module uses; needs the extra `cluster` or `remote`.

A file is read in one request and written whole: an object store gets the finished bytes in one put, which is atomic;
elsewhere they go to a temporary file in the same folder, which is then renamed.
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

# Stores in which a put is atomic and folders need not be created.
_OBJECTS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "memory")
_UNCACHED = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")  # else fsspec keeps every listing in memory
_READ_ONLY = ("http", "https", "zip", "tar", "libarchive", "github", "git", "data", "reference", "dir")
_PACKAGES = {
    "s3": "convcli[remote]", "s3a": "convcli[remote]", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
    "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """An entry of a folder: a file with its stamp, or a folder with None."""

    name: str
    stamp: Stamp | None

    @property
    def folder(self) -> bool:
        """Whether the entry is a folder."""
        return self.stamp is None


def read(url: str, most: int = MOST) -> bytes:
    """Read the file's content, of at most `most` bytes.

    Raises ImageError if there is no file or it is larger, AccessError if it can't be read.
    """
    with _told(url, "read"):
        fs, path = _found(url)
        content = _content(fs, path, protocol(url), most)
        if len(content) > most:
            raise too_much(printable_path(url), most)
        return content


def _content(fs: Any, path: str, scheme: str, most: int) -> bytes:
    """Read at most `most` + 1 bytes, in one request to a store or a server."""
    if scheme not in _OBJECTS:  # the length from a server or an archive may be missing or false
        streamed = {"block_size": 0, "size": 1} if scheme in ("http", "https") else {}
        with fs.open(path, **streamed) as stream:
            return read_to_end(stream, printable_path(path), most)
    try:
        content: bytes = fs.cat_file(path, start=0, end=most + 1)
    except Exception:  # stores refuse a range of an empty file
        if fs.info(path)["size"]:
            raise
        return b""
    return content


def exists(url: str) -> bool:
    """Whether the file exists."""
    return stamp(url) is not None


def digest(url: str) -> str:
    """Return the SHA-256 of the file's content, in hexadecimal."""
    return sha256(read(url)).hexdigest()


def entries(url: str) -> Iterator[tuple[str, bool]]:
    """List the files and folders in a folder: the name of each, and whether it is a folder."""
    return ((found.name, found.folder) for found in stamped_entries(url))


def stamp(url: str) -> Stamp | None:
    """Return the file's size, modification time and version; None if there is no file."""
    with _told(url, "read"):
        fs, path = _found(url)
        try:
            info = fs.info(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if info["type"] == "directory" else _stamp(info)


def stamped_entries(url: str) -> Iterator[Entry]:
    """List the entries of a folder in the store's order; from S3 page by page."""
    with _told(url, "listed"):
        fs, path = _found(url)
        if protocol(url) in ("s3", "s3a"):
            yield from _s3_entries(fs, path)
            return
        linked = protocol(url) in ("http", "https")
        told: set[str] = set()
        for info in fs.ls(path, detail=True):
            if info["name"].strip("/") == path.strip("/"):  # some stores list the file or folder itself
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
    """Return the name of the file that a folder's web page links to; empty if the link leaves the folder."""
    begin, place = (text.partition("://")[2] for text in (folder.rstrip("/") + "/", link))
    name = posixpath.normpath(place.removeprefix(begin)) if place.startswith(begin) else ""
    return "" if name in (".", "..") or "/" in name else name


def check_input_folder(url: str) -> None:
    """Raise ConvcliError if inputs can't be listed in the folder: extra, address, credentials or name are wrong."""
    found = next(stamped_entries(url), None)
    if found is None and stamp(url):
        raise ConvcliError(f"{printable_path(url)} is not a folder; convcli apply filters one picture")


def check_output(url: str, force: bool) -> None:
    """Raise ConvcliError if the output can't be written, as far as is known without writing."""
    _writable(url)
    if not folder_of(url)[1]:
        raise ConvcliError(f"{printable_path(url)} is a folder; name a file in it")
    if not force and stamp(url):
        raise ConvcliError(f"{printable_path(url)} exists; --force overwrites it")


def check_output_folder(url: str) -> None:
    """Raise ConvcliError if nothing can be written to the folder: the protocol is read-only, or the extra, the
    address, the credentials or the S3 bucket are wrong. Missing permissions show only on writing."""
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
    """Open a stream whose content becomes the file if the block succeeds; nothing is sent if it fails."""
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
    """Create the parent folder of the file, unless the store has no folders."""
    if protocol(url) not in _OBJECTS:
        with _told(url, "written"):
            fs, path = _found(url)
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)


class ListedStamps:
    """Stamps of files from one listing per folder, for callers that go folder by folder.

    The listings of two folders are cached, one of inputs and one of outputs, because asking the store for single files
    would take a request each.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Stamp | None]] = {}

    def stamp(self, url: str) -> Stamp | None:
        """Return what the function `stamp` does, from the folder's listing."""
        if protocol(url) in ("http", "https"):  # a server may have no listing
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
    """Return fsspec's file system for the URL, and the path in it."""
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
    """List a folder in S3, a thousand entries per request; the store sorts them by name."""
    bucket, prefix, _ = fs.split_path(path)
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    words = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}
    while True:
        page = fs.call_s3("list_objects_v2", **words)
        for below in page.get("CommonPrefixes", ()):
            yield Entry(below["Prefix"][len(prefix) : -1], None)
        for item in page.get("Contents", ()):
            if item["Key"] != prefix:  # the marker object of an empty folder
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
    """Turn any exception of a store's client, which may be of almost any type, into a ConvcliError.

    what: the participle for the message: "read", "listed" or "written".
    """
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
    """Return the error code in S3's response."""
    response: Any = getattr(getattr(error, "__cause__", None), "response", None)
    return str(response["Error"].get("Code")) if response else ""

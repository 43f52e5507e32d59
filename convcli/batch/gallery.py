"""Write a web page with the results of a batch: thumbnails before and after, and the failures with their reasons.

The thumbnails are in a folder beside the page and are loaded lazily, so that a page of thousands opens at once.
Nothing is fetched from a network.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convcli.batch.work import Result
from convcli.errors import ConvcliError
from convcli.files import check_output, open_output
from convcli.files.names import local_path, printable_path, public
from convcli.files.web_pages import content_policy
from convcli.images.eight_bit import picture_of
from convcli.printable import printable
from convcli.system.cores import thread_count
from convcli.system.pool import ThreadPool
from convcli.words import counted, elapsed

_SIDE = 480  # the longer side of a thumbnail
_NAME = re.compile(r"[0-9]{5,}-(before|after)\.jpg")
_FEW = 12  # failures that are shown at first


def check_gallery(page: str | Path, force: bool) -> None:
    """Raise ConvcliError if the page or its thumbnails can't be written; called before any work is done.

    The user has not chosen the thumbnails' names, so a link with one of these names is never followed.
    """
    check_output(page, force)
    folder = _folder(Path(page))
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        what = "a link" if folder.is_symlink() else "a file"
        raise ConvcliError(f"{printable_path(folder)}, where thumbnails go, is {what}; remove it or rename the page")
    if not folder.is_dir():
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConvcliError(f"{printable_path(folder)}, where thumbnails go, is read-only; rename the page")
    for made in folder.iterdir():
        if not _NAME.fullmatch(made.name):
            continue
        if made.is_symlink() or not made.is_file():
            raise ConvcliError(f"{printable_path(made)} is in the way of a thumbnail; remove it or rename the page")
        if not force:
            raise ConvcliError(f"{printable_path(folder)} holds thumbnails already; --force overwrites them")


def _folder(page: Path) -> Path:
    return page.with_name(f"{page.stem}-thumbnails")


def write_gallery(page: str | Path, results: Sequence[Result], how: str, *, force: bool = False) -> None:
    """Write the page and its thumbnails; `how` is the recipe in words.

    Raises ConvcliError if they can't be written. A picture of which no thumbnail can be made is listed without one.
    """
    page = Path(page)
    folder = _folder(page)
    folder.mkdir(exist_ok=True)
    check_gallery(page, force)
    from PIL import Image  # noqa: F401  (before the threads that use it)

    done = [(number, result) for number, result in enumerate(results, 1) if result.status != "failed"]
    above = _above(str(result.job.output) for _, result in done)
    with ThreadPool(thread_count()) as pool:
        cards = list(pool.map(lambda one: _card(page, folder, above, force, *one), done))
    failed = [result for result in results if result.status == "failed"]
    text = _page(how, cards, failed, len(results))
    with open_output(page, force) as stream:
        stream.write(text.encode())


def _above(outputs: Iterable[str]) -> str:
    """Return the common parent folder of all outputs, with a slash at the end; empty if there is none."""
    shared = os.path.commonprefix([_plain(output) for output in outputs])  # noqa: RUF071 - the rest is cut off
    return shared[: shared.rfind("/") + 1]


def _plain(name: str) -> str:
    """Normalise a path and write it with slashes; return a URL without its password."""
    path = local_path(name)
    return public(name) if path is None else Path(os.path.normpath(path)).as_posix()


def _shown(name: str) -> str:
    """Format a file name as HTML text."""
    return html.escape(printable_path(name))


def _card(page: Path, folder: Path, above: str, force: bool, number: int, result: Result) -> str:
    job = result.job
    before = _thumbnail(job.source, folder / f"{number:05}-before.jpg", force)
    after = _thumbnail(job.output, folder / f"{number:05}-after.jpg", force)
    name = _shown(_plain(job.output).removeprefix(above))
    images = "".join(
        f'<img class="{kind}" loading="lazy" decoding="async" alt="{kind}: {name}" src="{_link(page, str(made))}">'
        for kind, made in (("before", before), ("after", after))
        if made
    )
    facts = "finished earlier"
    if result.outcome:
        (height, width), (rows, columns) = result.outcome.size, result.outcome.output_size
        facts = f"{width}x{height} to {columns}x{rows}, {elapsed(result.outcome.seconds)}"
    alone = "" if before and after else " alone"
    return (
        f'<li class="card{alone}" data-name="{_shown(job.source)}"><div class="pair">{images}</div>'
        f'<input type="range" min="0" max="100" value="50" aria-label="Before and after: {name}">'
        f'{_named(page, job.output, name)}<span class="facts">{facts}</span></li>'
    )


def _thumbnail(picture: str | Path, made: Path, force: bool) -> Path | None:
    """Write a small JPEG of the first frame to `made`; return None if the file can't be read as a picture."""
    from PIL import Image

    try:
        image = Image.fromarray(picture_of(picture))
    except ConvcliError:
        return None
    grown = max(1, _SIDE // (2 * max(image.size)))
    if grown > 1:
        image = image.resize((image.width * grown, image.height * grown), Image.Resampling.NEAREST)
    image.thumbnail((_SIDE, _SIDE))
    content = BytesIO()
    image.save(content, "JPEG", quality=84)
    with open_output(made, force) as stream:
        stream.write(content.getbuffer())
    return made


def _named(page: Path, output: str, name: str) -> str:
    """Format an output's name as HTML, with a link to the file if it is local."""
    link = _link(page, output)
    if link is None:
        return f'<span class="name" title="{_shown(output)}">{name}</span>'
    return f'<a class="name" href="{link}">{name}</a>'


def _link(page: Path, target: str) -> str | None:
    """Return the relative link from the page to a local file; None for a file in a store, which browsers can't open."""
    path = local_path(target)
    return None if path is None else quote(os.fsencode(Path(os.path.relpath(path, page.parent)).as_posix()))


def _reason(result: Result) -> str:
    """Return the reason of a failure without the file name, which the page shows beside it."""
    return printable(result.reason.removeprefix(f"{printable_path(result.job.source)} "), None)


def _page(how: str, cards: Sequence[str], failed: Sequence[Any], total: int) -> str:
    rows = "".join(
        f'<tr><td>{_shown(result.job.source)}</td><td class="reason">{html.escape(_reason(result))}</td></tr>'
        for result in failed
    )
    failures = (
        f'<details id="failed"{" open" if len(failed) <= _FEW else ""}><summary><h2>{len(failed)} failed</h2></summary>'
        f'<table><thead><tr><th scope="col">Picture</th><th scope="col">Reason</th></tr></thead><tbody>{rows}</tbody>'
        "</table></details>"
        if failed
        else ""
    )
    title = f"{len(cards)} of {counted(total, 'picture')}"
    style, script = (f"\n{_web_file(name)}" for name in ("gallery.css", "gallery.js"))
    policy = content_policy([script], [style], "img-src 'self' file:")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="convcli">
<title>convcli: {title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p class="how">{html.escape(how)}</p></header>
<main>
{failures}
<h2>Before and after</h2>
<div class="tools">
<label>Find <input type="search" id="find"></label>
<label>All at once <input type="range" id="all" min="0" max="100" value="50"></label>
<span id="shown" role="status">{len(cards)} of {len(cards)} shown</span>
</div>
<ul class="cards">
{chr(10).join(cards)}
</ul>
</main>
<script>{script}</script>
</body>
</html>
"""


def _web_file(name: str) -> str:
    """Read a part of the page that ships with the package."""
    return (resources.files("convcli.batch") / "web" / name).read_text(encoding="utf-8")

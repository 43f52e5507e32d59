"""A page over the results of a batch: thumbnails before and after, what failed and why.

The thumbnails lie in a folder beside the page and are loaded when they come into sight, so that a page of thousands
opens at once. Nothing is fetched from a network.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convcli.batch.work import Result
from convcli.errors import ConvcliError
from convcli.files import open_output
from convcli.files.names import printable_path
from convcli.files.web_pages import content_policy
from convcli.images.eight_bit import picture_of
from convcli.printable import printable
from convcli.system.cores import thread_count

_SIDE = 480  # the longer side of a thumbnail
_FEW = 12  # so many failures are listed at once, more when asked for


def write_gallery(page: str | Path, results: Sequence[Result], how: str, *, force: bool = False) -> None:
    """Write the page and its thumbnails; `how` is the recipe in words.

    Raises ConvcliError where they can't be written. A picture without a thumbnail is listed without one.
    """
    page = Path(page)
    folder = page.with_name(f"{page.stem}-thumbnails")
    folder.mkdir(exist_ok=True)
    from PIL import Image  # noqa: F401  (before the threads that use it)

    done = [(number, result) for number, result in enumerate(results, 1) if result.status != "failed"]
    above = _above(str(result.job.output) for _, result in done)
    with ThreadPoolExecutor(thread_count()) as pool:
        cards = list(pool.map(lambda one: _card(page, folder, above, *one), done))
    failed = [result for result in results if result.status == "failed"]
    text = _page(how, cards, failed, len(results))
    with open_output(page, force) as stream:
        stream.write(text.encode())


def _above(paths: Iterable[str]) -> str:
    """The folder that all paths are in."""
    folders = [Path(path).parent for path in paths]
    return os.path.commonpath(folders) if folders else ""


def _card(page: Path, folder: Path, above: str, number: int, result: Result) -> str:
    job = result.job
    before = _thumbnail(job.source, folder / f"{number:05}-before.jpg")
    after = _thumbnail(job.output, folder / f"{number:05}-after.jpg")
    name, link = _shown(Path(os.path.relpath(job.output, above or ".")).as_posix()), _link(page, job.output)
    images = "".join(
        f'<img class="{kind}" loading="lazy" decoding="async" alt="{kind}: {name}" src="{_link(page, made)}">'
        for kind, made in (("before", before), ("after", after))
        if made
    )
    facts = "finished earlier"
    if result.outcome:
        (height, width), (rows, columns) = result.outcome.size, result.outcome.output_size
        facts = f"{width}x{height} to {columns}x{rows}, {result.outcome.seconds:.2f} s"
    alone = "" if before and after else " alone"
    return (
        f'<li class="card{alone}" data-name="{_shown(job.source)}"><div class="pair">{images}</div>'
        f'<input type="range" min="0" max="100" value="50" aria-label="Before and after: {name}">'
        f'<a class="name" href="{link}">{name}</a><span class="facts">{facts}</span></li>'
    )


def _thumbnail(picture: str | Path, made: Path) -> Path | None:
    """A small JPEG of the first frame; None where the file is no picture (responses in .npy, say)."""
    from PIL import Image

    try:
        image = Image.fromarray(picture_of(picture))
    except ConvcliError:
        return None
    grown = max(1, _SIDE // (2 * max(image.size)))
    if grown > 1:
        image = image.resize((image.width * grown, image.height * grown), Image.Resampling.NEAREST)
    image.thumbnail((_SIDE, _SIDE))
    image.save(made, "JPEG", quality=84)
    return made


def _link(page: Path, target: str | Path) -> str:
    return quote(os.fsencode(Path(os.path.relpath(target, page.parent)).as_posix()))


def _reason(result: Result) -> str:
    """Why it failed, without the name, which stands beside it."""
    return printable(result.reason.removeprefix(f"{printable_path(result.job.source)} "), None)


def _shown(path: str | Path) -> str:
    return html.escape(printable_path(path))


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
    title = f"{len(cards)} of {total} pictures"
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
    """A part of the page that ships with the package."""
    return (resources.files("convcli.batch") / "web" / name).read_text(encoding="utf-8")

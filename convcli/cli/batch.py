"""`convcli batch`: the pictures of a folder."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.batch_progress import StopOnSignal, Tally, job_line, progress, result_line, waiting
from convcli.cli.options import (
    Address,
    combine_opt,
    force_opt,
    format_opt,
    paths,
    picture_options,
    picture_options_from,
    recipe_from,
    recipe_options,
    split_options,
    writing_from,
)

if TYPE_CHECKING:
    from convcli.batch.listing import FileJob, Listing
    from convcli.batch.work import Result


@click.command()
@recipe_options
@combine_opt
@picture_options
@click.option("-r", "--recursive", is_flag=True, help="Look into folders of the folder too.")
@click.option(
    "--pattern", "patterns", multiple=True, metavar="GLOB",
    help="Only files of such names (*.jpg, holiday/*), in upper or lower case; repeatable. Hidden files need a pattern "
    "that begins with a dot. [default: every picture]",
)  # fmt: skip
@format_opt
@click.option(
    "-j", "--jobs", type=click.IntRange(1), metavar="N",
    help="Files at a time. [default: one per core, four for URLs]",
)  # fmt: skip
@click.option(
    "--on-error", type=click.Choice(("continue", "stop")), default="continue", show_default=True,
    help="What to do after a file that failed.",
)  # fmt: skip
@click.option(
    "--retries", type=click.IntRange(0), default=0, metavar="N", show_default=True,
    help="Try a file that could not be read or written so many times again.",
)  # fmt: skip
@click.option(
    "--if-exists", type=click.Choice(("skip", "overwrite", "fail")),
    help="What to do where the output is there already. [default: fail; overwrite with --force]",
)  # fmt: skip
@click.option(
    "--resume", is_flag=True,
    help="Skip what an earlier run finished: by its --report and the disk together, or, without one, by an output "
    "that is newer than its input.",
)  # fmt: skip
@click.option(
    "--report", metavar="FILE.jsonl", shell_complete=paths, help="Write a line of JSON for each file as it finishes."
)
@click.option("-n", "--dry-run", is_flag=True, help="Only list what would be read and written, skipped or refused.")
@click.option("-q", "--quiet", is_flag=True, help="Tell of failures only.")
@click.option("-v", "--verbose", is_flag=True, help="A line for each file.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output.")
@click.option(
    "--gallery", metavar="FILE.html", shell_complete=paths, help="Write a page over the results, before and after."
)
@click.option(
    "--cluster", type=Address(), metavar="ADDRESS",
    help="Let the workers of a Dask scheduler (tcp://HOST:8786) do it; local starts one on this machine.",
)  # fmt: skip
@force_opt
@click.argument("source", metavar="INPUT_DIR", shell_complete=paths)
@click.argument("output", metavar="OUTPUT_DIR", shell_complete=paths)
def batch(
    source: str,
    output: str,
    recursive: bool,
    patterns: tuple[str, ...],
    format_: str | None,
    jobs: int | None,
    on_error: str,
    retries: int,
    if_exists: str | None,
    resume: bool,
    report: str | None,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    gallery: str | None,
    cluster: str | None,
    force: bool,
    **words: Any,
) -> None:
    """Filter every picture of INPUT_DIR into OUTPUT_DIR, under the same names.

    Both may be URLs (s3://bucket/photos) with the extra `remote`. A file that fails is named with its reason, the
    others are done, and the exit code is 1. Ctrl-C (130) and SIGTERM (143) finish the files in hand; the same command
    with --resume goes on.

    \b
    Example:
      convcli batch --kernel sobel-x samples edges
    """
    recipe_words, picture_words = split_options(words)
    recipe = recipe_from(**recipe_words)
    _check(force, if_exists, quiet, verbose)
    from convcli.batch.listing import Listing
    from convcli.batch.run import FolderOptions, plan_folder, run_folder
    from convcli.files.names import printable_path
    from convcli.images import Target

    writing, picture = writing_from(**picture_words), picture_options_from(**picture_words)
    if format_:
        Target.for_path(output, format_, **writing)
    listing = Listing(source, output, recursive, patterns, format_)
    with (
        contextlib.nullcontext()
        if quiet
        else waiting(f"Looking at {printable_path(source)} and {printable_path(output)}")
    ):
        planned = listing.check()
    if gallery:
        _check_gallery(gallery, listing, force or resume)
    options = FolderOptions(jobs, if_exists, force, resume, report, retries, on_error == "stop", cluster)
    if dry_run:
        _list(plan_folder(listing, recipe, options, picture, writing), planned)
        return
    tally = Tally(planned)
    results: list[Result] = []
    with StopOnSignal() as halt:
        try:
            with progress(tally, quiet, verbose) as show_result:

                def tell(result: Result) -> None:
                    tally.add(result)
                    if gallery:
                        results.append(result)
                    show_result(result)

                run_folder(listing, planned, recipe, options, picture, writing, tell, lambda: halt.asked)
        finally:
            tally.finish()
            begun = tally.counts.total() > 0 or halt.asked
            if begun and not quiet:
                tally.show()
            if begun and as_json:
                tally.show_json(halt.asked)
    if gallery:
        _write_gallery(gallery, results, recipe, force or resume, quiet)
    if halt.asked:
        if not quiet:
            click.echo("Interrupted; the same command with --resume goes on.", err=True)
        click.get_current_context().exit(halt.exit_code)
    if tally.counts["failed"]:
        click.get_current_context().exit(1)


def _check_gallery(page: str, listing: Listing, force: bool) -> None:
    from convcli.batch.gallery import check_gallery
    from convcli.errors import RecipeError
    from convcli.explain.page import check_page
    from convcli.files.names import is_url, printable_path

    check_page(page)
    if is_url(page):
        raise RecipeError(
            f"--gallery is a page of this machine, with a folder beside it; {printable_path(page)} is none"
        )
    if listing.in_place:
        raise RecipeError("--gallery shows before and after; in the same folder the pictures before are gone")
    check_gallery(page, force)


def _write_gallery(page: str, results: list[Result], recipe: Any, force: bool, quiet: bool) -> None:
    from convcli.batch.gallery import write_gallery
    from convcli.files.names import printable_path
    from convcli.filtering.notes import described
    from convcli.words import counted

    results.sort(key=lambda result: str(result.job.source))
    write_gallery(page, results, described(recipe), force=force)
    if not quiet:
        click.echo(f"{printable_path(page)}: {counted(len(results), 'picture')}; open it in a browser", err=True)


def _check(force: bool, if_exists: str | None, quiet: bool, verbose: bool) -> None:
    if force and if_exists in ("skip", "fail"):
        raise click.UsageError(f"--force and --if-exists {if_exists} contradict each other; leave one out")
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose contradict each other; leave one out")


def _list(plan: Iterable[tuple[FileJob, Result | None]], planned: int) -> None:
    """What would be done, one line a file, on standard output."""
    from convcli.words import counted

    counts = Counter[str]()
    for job, settled in plan:
        counts[settled.status if settled else "to do"] += 1
        click.echo(result_line(settled) if settled else job_line(job))
    others = [f"{counts[status]} {status}" for status in ("to do", "skipped", "failed") if counts[status]]
    told = f": {', '.join(others)}" if counts["skipped"] or counts["failed"] else ""
    click.echo(f"{counted(planned, 'picture')}{told}; nothing was written.", err=True)
    if counts["failed"]:
        click.get_current_context().exit(1)

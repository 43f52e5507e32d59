"""`convcli apply`: one picture."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from convcli.cli.large_options import bar, large_options, shape_of, stream_options_from, take_large_options
from convcli.cli.options import (
    combine_opt,
    force_opt,
    format_opt,
    paths,
    picture_options,
    picture_options_from,
    recipe_from,
    recipe_options,
    split_options,
    threads_opt,
    writing_from,
)


@click.command()
@recipe_options
@combine_opt
@picture_options
@format_opt
@force_opt
@click.option(
    "-n", "--dry-run", is_flag=True, help="Tell what would be done, as `convcli plan` does, and write nothing."
)
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: one object, for machines.")
@large_options
@threads_opt
@click.option("-v", "--verbose", is_flag=True, help="Tell which route the engine takes for each kernel, and why.")
@click.option("--show", is_flag=True, help="Draw the picture before and after in the terminal.")
@click.argument("source", metavar="INPUT", shell_complete=paths)
@click.argument("output", metavar="OUTPUT", shell_complete=paths)
def apply(
    source: str, output: str, format_: str | None, force: bool, dry_run: bool, as_json: bool, show: bool,
    threads: int | None, verbose: bool, **words: Any,
) -> None:  # fmt: skip
    """Filter the picture INPUT with a kernel and write the result to OUTPUT.

    The kernel slides over the picture; its weights multiply the pixels under it and the products are summed. OUTPUT's
    suffix names the format; .npy gets the float32 responses themselves. "-" is standard input or output. Both may be
    URLs (s3://bucket/a.png, https://...) with the extra `remote`.

    \b
    Example:
      convcli apply --kernel sobel-x samples/scene.png edges.png
    """
    if as_json and not dry_run:
        raise click.UsageError("--json prints the plan; it goes with --dry-run")
    asked = take_large_options(words)
    ahead = None
    if not dry_run:
        from convcli.images.early import start_decoding

        ahead = start_decoding(source)
    recipe_words, picture_words = split_options(words)
    recipe = recipe_from(**recipe_words)
    from convcli.filtering.file import filter_file
    from convcli.images import Target
    from convcli.large import streams
    from convcli.system.allocator import keep_freed
    from convcli.system.cores import thread_count

    keep_freed()
    streaming = stream_options_from(asked, picture_words, threads, force)
    lossy = picture_words["quality"] is not None or picture_words["lossless"]
    in_pieces = streams(source, output, format_, streaming, picture_words["max_pixels"], lossy)
    writing = writing_from(**picture_words)
    target = None if in_pieces else Target.for_path(output, format_, threads=thread_count(threads), **writing)
    if show and (in_pieces or "-" in (source, output) or (target and target.raw)):
        raise click.UsageError(
            "--show draws two picture files; standard input and output, .npy and what is filtered in pieces are none"
        )
    if dry_run:
        from convcli.cli.plan import tell
        from convcli.files import check_output

        options = picture_options_from(**picture_words)
        if in_pieces:
            tell(source, recipe, as_json, shape=shape_of(source, output, recipe, streaming, options))
            return
        if output != "-":
            check_output(output, force)
        reading = {name: getattr(options, name) for name in ("max_pixels", "max_bytes", "frame", "reduce_depth")}
        tell(source, recipe, as_json, **reading)
        return
    options = picture_options_from(**picture_words)
    if verbose:
        import logging

        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        logging.getLogger("convcli").setLevel(logging.INFO)
    if in_pieces:
        from convcli.large.run import filter_large

        with bar() as advance:
            done = filter_large(source, output, recipe, streaming, options, advance)
    else:
        assert target is not None
        with _patience(source, output):
            words = {"force": force, "threads": threads, "pipes": True, "ahead": ahead}
            done = filter_file(source, output, recipe, target, options, **words)
    click.echo(_line(source, output, recipe, done), err=True)
    for note in done.notes:
        click.echo(f"Note: {note}.", err=True)
    if show:
        from convcli.cli.show import draw

        draw([source, output])


def _patience(source: str, output: str) -> contextlib.AbstractContextManager[None]:
    """A word at times where a store has to answer."""
    from convcli.files.names import is_url, printable_path

    if not (is_url(source) or is_url(output)):
        return contextlib.nullcontext()
    from convcli.cli.batch_progress import waiting

    return waiting(f"{printable_path(source)} to {printable_path(output)}")


def _line(source: str, output: str, recipe: Any, done: Any) -> str:
    """One line: what was read, the kernel, the output's size, the time."""
    from convcli.files.names import printable_path
    from convcli.words import elapsed

    (height, width), (out_height, out_width) = done.size, done.output_size
    chain = ", ".join(f"{k.shown} {k.size[1]}x{k.size[0]}" for k in recipe.kernels)
    chain = f"{recipe.combine} of {chain}" if recipe.combine else chain
    return (
        f"{printable_path(source)}: {done.format} {done.mode} {width}x{height}; {chain}, range {done.range}; "
        f"{printable_path(output)}: {out_width}x{out_height}; {elapsed(done.seconds)}"
    )

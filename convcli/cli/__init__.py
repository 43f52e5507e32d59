"""The command line: the only place that knows Click. A command's module is imported when the command is used."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

from convcli.docstrings import docstring
from convcli.errors import ConvcliError
from convcli.files.names import printable_path
from convcli.files.pipes import in_order
from convcli.printable import printable_lines
from convcli.system import interrupts
from convcli.system.memory import address_limit
from convcli.version import __version__

# Command -> its line in `convcli --help`. The command is the function of that name in convcli/cli/<name>.py.
_COMMANDS = {
    "apply": "Filter one picture.",
    "batch": "Filter every picture of a folder.",
    "compare": "Draw one picture under several kernels, padding modes or strides.",
    "kernels": "List, show and check kernels.",
    "layer": "Run a convolutional layer, or a stack of them: feature maps out.",
    "size": "Show the size of the feature map, with the formula.",
    "explain": "Show how a pixel of the feature map comes about.",
    "plan": "Tell what a recipe would do, without doing it.",
    "show": "Draw pictures in the terminal.",
    "warmup": "Compile the engine for this machine now.",
}
_LONGEST = 2000  # characters of a message

_LEAST_MEMORY = 192 << 20  # bytes of address space; with less, libraries crash while they are loaded

_LEAST_MEMORY = 192 << 20  # bytes of address space; with less, libraries crash while they are loaded


class _Failure(click.ClickException):
    """An error in the user's words, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(printable_lines(message, _LONGEST))
        setattr(self, "exit_code", exit_code)  # noqa: B010 - Click declares it for the class


def _with_help(command: click.Command) -> click.Command:
    """The command with its help, which Click has missed where Python leaves docstrings out."""
    for each in (command, *getattr(command, "commands", {}).values()):
        if not each.help and each.callback:
            each.help = docstring(each.callback)
    return command


class _Commands(click.Group):
    """A group that imports a command only to run it, and in which every failure ends in one sentence."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line, as a process does.

        What a start imports is no garbage. To search it for some, while it is imported and once more when the process
        ends, takes longer than a small picture.
        """
        gc.set_threshold(50_000)
        atexit.register(gc.freeze)
        with in_order():
            try:
                with _in_one_sentence():
                    try:
                        return super().main(*args, **options)
                    finally:
                        sys.stdout.flush()
            except _Failure as failure:  # of --help, --version or completion, which come before any command
                if not options.get("standalone_mode", True):
                    raise
                failure.show()
                sys.exit(failure.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return _with_help(getattr(import_module(f"convcli.cli.{cmd_name}"), cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from convcli.choices import suggestion

            hint = suggestion(args[0], _COMMANDS, f"choose from {', '.join(_COMMANDS)}")
            ctx.fail(f"no such command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        limit = address_limit()
        if limit is not None and limit < _LEAST_MEMORY:
            given, least = limit >> 20, _LEAST_MEMORY >> 20
            raise _Failure(f"not enough memory: the limit (ulimit -v) is {given} MiB, and {least} are needed", 1)
        try:
            with interrupts.Raised(), _in_one_sentence():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            exec("")  # `python -m` would end by the signal, not with 130, had it fallen into a dataclass's own exec
            ctx.exit(130)


@contextlib.contextmanager
def _in_one_sentence() -> Iterator[None]:
    """What goes wrong in the block, as a sentence and an exit code."""
    try:
        yield
    except ConvcliError as error:
        raise _Failure(str(error), error.exit_code) from None
    except BrokenPipeError:  # the reader has gone, which Click ends quietly
        raise
    except MemoryError:
        raise _Failure("not enough memory for this picture and kernel", 1) from None
    except ImportError as error:
        if not any(words in str(error) for words in ("failed to map segment", "allocate memory")):
            raise
        raise _Failure("not enough memory to load what this command needs", 1) from None
    except RuntimeError as error:
        from convcli.system.pool import no_thread

        if not no_thread(error):
            raise
        raise _Failure("the system gives no more threads; raise its limit of processes (ulimit -u)", 1) from None
    except OSError as error:
        where = printable_path(os.fsdecode(error.filename)) if error.filename else "input/output"
        raise _Failure(f"{where}: {error.strerror or error}", 1) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="convcli", message="%(prog)s %(version)s")
def main() -> None:
    """Filter pictures with convolution kernels: stride, padding, depth, and the numbers shown.

    \b
    Example:
      convcli apply --kernel sobel-x samples/scene.png edges.png

    Every command has its own --help.
    """


_with_help(main)

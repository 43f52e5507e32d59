"""The command line: the only place that knows Click. A command's module is imported when the command is used."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module
from typing import Any

import click

from convcli.errors import ConvcliError
from convcli.system import interrupts
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


class _Failure(click.ClickException):
    """An error in the user's words, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        setattr(self, "exit_code", exit_code)  # noqa: B010 - Click declares it for the class


class _Commands(click.Group):
    """A group that imports a command only to run it, and in which every failure ends in one sentence."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line, as a process does.

        What a start imports is no garbage. To search it for some, while it is imported and once more when the process
        ends, takes longer than a small picture.
        """
        gc.set_threshold(50_000)
        atexit.register(gc.freeze)
        return super().main(*args, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"convcli.cli.{cmd_name}"), cmd_name)
        return command

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
        try:
            with interrupts.Raised():
                return super().invoke(ctx)
        except ConvcliError as error:
            raise _Failure(str(error), error.exit_code) from None
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            exec("")  # `python -m` would end by the signal, not with 130, had it fallen into a dataclass's own exec
            ctx.exit(130)
        except BrokenPipeError:
            # The reader has gone: Click ends quietly, and the interpreter must not complain on its way out.
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
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
            raise _Failure(f"{error.filename or 'input/output'}: {error.strerror or error}", 1) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="convcli", message="%(prog)s %(version)s")
def main() -> None:
    """Filter pictures with convolution kernels: stride, padding, depth, and the numbers shown.

    \b
    Example:
      convcli apply --kernel sobel-x samples/scene.png edges.png

    Every command has its own --help.
    """

"""Where `convcli` and `python -m convcli` begin."""

import os

from convcli.system import interrupts


def main() -> None:
    """Run the command line, as a process does. Imported only now, when a Ctrl-C in an import can do no harm."""
    interrupts.take_over()
    # NumPy's BLAS, which we hardly use, starts a thread a core; where it gets none it sends itself a Ctrl-C.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from convcli.cli import main as command

    command()


if __name__ == "__main__":
    main()

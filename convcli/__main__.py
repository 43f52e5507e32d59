"""Where `convcli` and `python -m convcli` begin."""

from convcli.system import interrupts


def main() -> None:
    """Run the command line, as a process does. Imported only now, when a Ctrl-C in an import can do no harm."""
    interrupts.take_over()
    import sys
    import warnings

    if not sys.warnoptions:  # what libraries say to programmers; what matters to a user, we say
        warnings.simplefilter("ignore")
    from convcli.cli import main as command

    command()


if __name__ == "__main__":
    main()

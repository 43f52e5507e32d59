"""`python -m convcli` is the command `convcli`."""

from convcli.cli import main

if __name__ == "__main__":
    main()

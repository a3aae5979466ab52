"""`python -m liteship`: the command line."""

from liteship.cli import main

if __name__ == "__main__":
    main()

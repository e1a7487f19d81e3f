"""`python -m unlabeled` is the command `unlabeled`."""

from unlabeled.cli import main

if __name__ == "__main__":
    main()

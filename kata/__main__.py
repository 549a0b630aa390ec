"""`python -m kata` is the `kata` script."""

from kata.cli import main

if __name__ == "__main__":
    main()

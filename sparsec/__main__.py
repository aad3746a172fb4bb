"""``python -m sparsec``."""

from sparsec.cli import main

if __name__ == "__main__":
    main()

"""`python -m translog` is `translog`."""

from translog.cli.main import main

if __name__ == "__main__":
    main()

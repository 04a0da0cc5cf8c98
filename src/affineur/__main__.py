"""`python -m affineur`."""

from affineur.cli.main import main

main()

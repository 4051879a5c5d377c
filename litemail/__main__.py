"""`python -m litemail`."""

from litemail.cli import main

main()

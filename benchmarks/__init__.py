"""The figures of Litemail, measured: `python -m benchmarks` prints them as a table. See docs/reference/figures.md."""

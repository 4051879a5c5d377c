"""Spelling of everything that people read."""

import subprocess
import sys
from pathlib import Path

import litemail

ROOT = Path(litemail.__file__).parent.parent
PROSE = ("README.md", "CHANGELOG.md", "docs", "litemail")
FINE = "fulfilment,als,inout,fo,additionals,befores"  # British, prefixes of ids, keywords, plurals of code


def test_prose_and_messages_are_spelled_right():
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "--ignore-words-list", FINE, "--skip", "*.json,*.png,*.pyc", *PROSE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

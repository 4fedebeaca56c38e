"""Runs a module as `python -m` does, but that the local AWS that it starts is looked through.

The suite's own processes are watched by a fixture; a command of ours is another process.
"""

import runpy
import sys
from pathlib import Path

# It is run by its path: the suite is no package.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.emulator import leaks

COMMAND = [sys.executable, "-P", __file__]
"""The command before the name of the module and its arguments."""

if __name__ == "__main__":
    del sys.argv[0]
    with leaks.watched():
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

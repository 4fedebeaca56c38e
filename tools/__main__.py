"""The entry of `./dev`."""

import sys

from tools import quiet

if __name__ == "__main__":
    sys.exit(quiet.start("tools.dev", sys.argv[1:]))

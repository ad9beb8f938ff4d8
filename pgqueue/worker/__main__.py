"""`python -m pgqueue.worker module:app`: the same as `pgqueue worker module:app`."""

import sys

from ..cli import main

if __name__ == "__main__":
    main(["worker", *sys.argv[1:]])

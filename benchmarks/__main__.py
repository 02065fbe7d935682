"""``python -m benchmarks <name>``: run one family of measurements."""

import importlib
import sys

NAMES = ("front",)

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        raise SystemExit(f"usage: python -m benchmarks {{{','.join(NAMES)}}} [options]")
    importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])

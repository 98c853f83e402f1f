"""What the installed pytest plugin costs a project that does not use it.

    python benchmarks/plugin_cost.py [--repeat 10]

An empty session with the plugin and without, alternating; medians of whole processes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

BASE = [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:jaxtyping"]


def seconds(folder: str, *more: str) -> float:
    start = time.perf_counter()
    subprocess.run([*BASE, *more], cwd=folder, capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=10)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder:
        seconds(folder), seconds(folder, "-p", "no:gradcheck")
        pairs = [(seconds(folder), seconds(folder, "-p", "no:gradcheck")) for _ in range(repeat)]
    with_it, without = (statistics.median(p[k] for p in pairs) for k in (0, 1))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"with {with_it * 1e3:.0f} ms, without {without * 1e3:.0f} ms, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()

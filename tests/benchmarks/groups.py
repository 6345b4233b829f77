"""What a change of 300 in a group of 5,000 members costs: `python tests/benchmarks/groups.py`.

Prints per target profile the calls, the largest body in bytes, and the seconds that
the connector and the simulated target took together, without a network.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.large_group import PROFILES, change_large_group


def main():
    print(f"{'profile':24}{'calls':>8}{'largest':>10}{'seconds':>9}")
    for profile in PROFILES:
        began = time.perf_counter()
        done = change_large_group(profile)
        took = time.perf_counter() - began
        largest = max(len(one.body or b"") for one in done.changed)
        print(f"{profile:24}{len(done.changed):8}{largest:10}{took:9.2f}")


if __name__ == "__main__":
    main()

"""The long form: `python -m tests.chaos sqlite postgresql`, or `make chaos`.

`CHAOS_SEED` repeats a storm (the draws, not the threads' interleaving), `CHAOS_OPERATIONS` sets its size.
"""

from __future__ import annotations

import os
import pickle
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos.checks import violations
from tests.chaos.report import report
from tests.chaos.storm import Plan, storm


def main() -> None:
    """Run the storms one after the other; the exit status says whether every promise held."""
    seed = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
    operations = int(os.environ.get("CHAOS_OPERATIONS", "3000"))
    good = True
    for database in sys.argv[1:] or ["sqlite", "postgresql"]:
        assert database in {"sqlite", "postgresql"}, f"`{database}` is no database: use sqlite or postgresql"
        print(f"chaos on {database}: seed {seed}, {operations} operations", flush=True)
        plan = Plan(
            seed=seed,
            database=database,  # type: ignore[arg-type]
            operations=operations,
            clients=6,
            shared=12,
            pace=0.1,
            pause=(3, 12),
            drain=900,
            most_users=100,
        )
        with tempfile.TemporaryDirectory(prefix="sluice-chaos-") as folder:
            after = storm(plan, Path(folder))
        found = violations(after.evidence)
        print(report(plan, after, found), flush=True)
        if any(found.values()):
            good = False
            kept = Path(tempfile.gettempdir()) / f"chaos-{database}-{seed}.pickle"
            kept.write_bytes(pickle.dumps(after.evidence))
            print(f"  the evidence is kept in {kept}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

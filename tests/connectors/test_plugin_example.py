"""The example plug-in's own tests pass, run as its author runs them: in a copy of the project, by pytest."""

import os
import shutil
import subprocess
import sys

from tests.support.distributions import EXAMPLE


def test_the_example_passes_the_conformance_suite_and_lists_its_limits(tmp_path):
    project = tmp_path / "sluice-grafana"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rx", "-W", "error"],
        env={**os.environ, "PYTHONPATH": str(EXAMPLE.parents[1])},
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "test_a_group_is_a_member_of_a_group - a team holds users only" in done.stdout
    assert " skipped" not in done.stdout

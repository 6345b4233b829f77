"""Puts a package on a path as an installer would: its modules, and a `.dist-info` that names its entry points."""

import shutil
import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "plugin_example"


def install(project, site):
    """Install a project folder (`pyproject.toml`, `src/`) into the folder `site`."""
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    shutil.copytree(project / "src", site, dirs_exist_ok=True)
    write_metadata(site, about["name"], about["version"], about["entry-points"]["sluice.connectors"])


def write_metadata(site, name, version, entry_points):
    """The metadata of an installed distribution (PyPA's core metadata and entry points specifications)."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    lines = [f"{key} = {value}" for key, value in entry_points.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[sluice.connectors]", *lines, ""]))

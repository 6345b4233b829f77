"""Makes ndg-xacml 0.5.1 importable: Python 2 source, translated to Python 3 while it is imported.

Nothing is written: the installed files stay as they were published, and no other import is touched. It is meant for
the process of `judge` and nowhere else.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import types
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Final

from fissix.refactor import RefactoringTool

DISTRIBUTION: Final = "ndg-xacml"
VERSION: Final = "0.5.1"
_ROOT: Final = "ndg"
_PACKAGE: Final = "ndg.xacml"

# The forms of Python 2 that its source has; every further fixer would only cost time.
_FIXERS: Final = ("basestring", "dict", "except", "imports", "metaclass", "nonzero", "unicode", "urllib")

# What no fixer knows: the mixin went with Python 2, and everything that its heirs use of it they define themselves;
# `getchildren` went with Python 3.9's own trees.
_PATCHES: Final = {
    "ndg.xacml.utils": (("import UserDict\n", ""), ("UserDict.DictMixin", "object")),
    "ndg.xacml.parsers.etree.context": (("len(elem.getchildren())", "len(elem)"),),
}


def install() -> None:
    """Let `ndg.xacml` be imported from now on, in this process.

    Raises `ImportError` when ndg-xacml is not installed, or not in the version that the patches are made for.
    """
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    if distribution.version != VERSION:
        raise ImportError(f"{DISTRIBUTION} is installed in version {distribution.version}, not {VERSION}")
    sys.meta_path.insert(0, TranslatingFinder(Path(str(distribution.locate_file(_ROOT)))))


class TranslatingFinder(MetaPathFinder):
    """Finds `ndg.xacml` and what is in it, and nothing else.

    `ndg` is a namespace that other distributions may share. It is made here when the interpreter's start has not made
    it: its own way asks for `pkg_resources`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._tool = RefactoringTool([f"fissix.fixes.fix_{name}" for name in _FIXERS])

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of ndg-xacml; None for every other."""
        if fullname == _ROOT:
            namespace = ModuleSpec(_ROOT, None, is_package=True)
            namespace.submodule_search_locations = [self._folder]
            return namespace
        if fullname != _PACKAGE and not fullname.startswith(f"{_PACKAGE}."):
            return None
        found = PathFinder.find_spec(fullname, [self._folder] if fullname == _PACKAGE else path, target)
        if found is None or found.origin is None:
            return found
        return importlib.util.spec_from_file_location(
            fullname,
            found.origin,
            loader=_TranslatingLoader(fullname, found.origin, self._tool),
            submodule_search_locations=found.submodule_search_locations,
        )


class _TranslatingLoader(SourceFileLoader):
    """Loads one module from its translated source. It neither reads nor writes bytecode files."""

    def __init__(self, fullname: str, path: str, tool: RefactoringTool) -> None:
        super().__init__(fullname, path)
        self._tool = tool

    def get_code(self, fullname: str) -> types.CodeType:
        """The module's code. Raises `ImportError` when a patch no longer fits the source."""
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        for old, new in _PATCHES.get(fullname, ()):
            if old not in source:
                raise ImportError(f"{fullname}: `{old.strip()}` is not in its source", name=fullname, path=path)
            source = source.replace(old, new)
        # The parser of Python 2's grammar wants a line end at the end.
        translated = str(self._tool.refactor_string(f"{source}\n", path))
        with warnings.catch_warnings():  # `\{` in a string is not ours to mend
            warnings.simplefilter("ignore")
            return compile(translated, path, "exec", dont_inherit=True)

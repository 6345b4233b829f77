"""The rows of the list of policies: what each does, where it is written, and what it can touch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.pdp import PolicyInfo
from service.policy_folder import PolicyFile, PolicyFileNotFound
from service.policy_reach import Reach, reaches
from service.store import configuration
from service.store.database import Transaction
from service.web.services import Services

Json = dict[str, Any]


class PolicyList:
    """Reads the files once per content: what a file reaches does not change with anything else. Thread-safe."""

    def __init__(self, services: Services) -> None:
        self._policies = services.policies
        self._known: dict[str, dict[int, Reach]] = {}

    def items(self, files: Mapping[str, PolicyFile]) -> list[Json]:
        """A row for each policy of the snapshot that decides, in its order; `files` tell the last change and reach."""
        snapshot = self._policies.current().snapshot
        found = snapshot.policies if snapshot is not None else ()
        return [_row(one, files.get(one.file), self._reach(one, files.get(one.file))) for one in found]

    def _reach(self, policy: PolicyInfo, file: PolicyFile | None) -> Reach | None:
        """None when the file is no longer the one that decides."""
        if file is None:
            return None
        if file.etag not in self._known:
            try:
                content = self._policies.read(file.path).content
            except PolicyFileNotFound:
                return None
            self._known = {one: self._known[one] for one in list(self._known)[-999:]} | {file.etag: reaches(content)}
        return self._known[file.etag].get(policy.line)

    def known(self, tx: Transaction) -> Json:
        """The names of the providers that there are, to tell those that policies name in vain."""
        return {
            "service_providers": [one.name for one in configuration.service_providers(tx)],
            "identity_providers": [one.name for one in configuration.identity_providers(tx)],
        }


def _row(policy: PolicyInfo, file: PolicyFile | None, reach: Reach | None) -> Json:
    effects = [rule.effect.value for rule in policy.rules]
    return {
        "id": policy.id,
        "version": policy.version,
        "kind": policy.kind,
        "description": policy.description,
        "algorithm": policy.algorithm.rpartition(":")[2],
        "effects": {name: effects.count(name) for name in ("Permit", "Deny") if name in effects},
        "rules": policy.rules,
        "file": policy.file,
        "line": policy.line,
        "root": policy.root,
        "parent": policy.parent,
        "changedAt": None if file is None else file.changed_at,
        "reach": None if reach is None else _names(reach),
    }


def _names(reach: Reach) -> Json:
    """Sorted names, None for any."""
    both = {"service": reach.service_providers, "identity": reach.identity_providers}
    return {kind: None if names is None else sorted(names) for kind, names in both.items()}

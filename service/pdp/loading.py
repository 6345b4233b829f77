"""From policy files to a snapshot, or to everything that is wrong with the files, all at once."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from service.pdp.combining import POLICY_ALGORITHMS
from service.pdp.compiled import compiled_evaluation
from service.pdp.documents import Document, read_document
from service.pdp.errors import PolicyErrors
from service.pdp.limits import DEFAULT_LIMITS, Limits
from service.pdp.linking import link
from service.pdp.model import Policy, PolicySet, Reference
from service.pdp.snapshot import PolicyInfo, Roots, RuleInfo, Snapshot

_NEW: Final = "urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:"
_OLD: Final = "urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:"

DENY_OVERRIDES: Final = f"{_NEW}deny-overrides"
PERMIT_OVERRIDES: Final = f"{_NEW}permit-overrides"
ORDERED_DENY_OVERRIDES: Final = f"{_NEW}ordered-deny-overrides"
ORDERED_PERMIT_OVERRIDES: Final = f"{_NEW}ordered-permit-overrides"
DENY_UNLESS_PERMIT: Final = f"{_NEW}deny-unless-permit"
PERMIT_UNLESS_DENY: Final = f"{_NEW}permit-unless-deny"
FIRST_APPLICABLE: Final = f"{_OLD}first-applicable"
ONLY_ONE_APPLICABLE: Final = f"{_OLD}only-one-applicable"

ROOT_ALGORITHMS: Final = {
    uri.rpartition(":")[2]: uri
    for uri in (
        DENY_OVERRIDES,
        PERMIT_OVERRIDES,
        ORDERED_DENY_OVERRIDES,
        ORDERED_PERMIT_OVERRIDES,
        DENY_UNLESS_PERMIT,
        PERMIT_UNLESS_DENY,
        FIRST_APPLICABLE,
        ONLY_ONE_APPLICABLE,
    )
}
"""The algorithms that combine several root policies, by short name."""

Sources = Iterable[tuple[str, bytes]]


def compile_policies(
    sources: Sources,
    *,
    references: Sources = (),
    root_algorithm: str = DENY_OVERRIDES,
    limits: Limits = DEFAULT_LIMITS,
) -> Snapshot:
    """Compile policy files into a snapshot.

    `sources` are the root policies and `references` those that may only be referred to, as pairs of a name
    (for messages: usually the file's) and its bytes. Several roots are combined with `root_algorithm`, an
    address or one of the short names of `ROOT_ALGORITHMS`; a single one is evaluated as itself. Without
    sources every decision is NotApplicable.

    Raises `PolicyErrors` with everything that is wrong with all files, and `ValueError` for a root algorithm
    that does not exist.
    """
    algorithm = ROOT_ALGORITHMS.get(root_algorithm, root_algorithm)
    if algorithm not in POLICY_ALGORITHMS:
        raise ValueError(f"unknown root algorithm `{root_algorithm}`: use one of {', '.join(ROOT_ALGORITHMS)}")
    named_sources, named_references = tuple(sources), tuple(references)
    documents = [read_document(name, data, limits) for name, data in named_sources]
    library = [read_document(name, data, limits) for name, data in named_references]
    errors = [error for document in documents + library for error in document.errors]
    linked = link(_policies(documents), _policies(library), limits, complete=not errors)
    if errors or linked.errors:
        raise PolicyErrors([*errors, *linked.errors])
    roots = Roots(linked.roots, algorithm, (*documents, *library))
    infos = (*_infos(_policies(documents), root=True), *_infos(_policies(library), root=False))
    digest = _hash(algorithm, named_sources, named_references)
    return Snapshot(roots, compiled_evaluation(roots.policies, roots.algorithm), digest, infos, limits)


def _policies(documents: Iterable[Document]) -> list[Policy | PolicySet]:
    return [document.policy for document in documents if document.policy is not None]


def _infos(policies: Iterable[Policy | PolicySet], *, root: bool) -> Iterator[PolicyInfo]:
    for policy in policies:
        yield from _info(policy, root=root, parent=None)


def _info(policy: Policy | PolicySet, *, root: bool, parent: str | None) -> Iterator[PolicyInfo]:
    rules = policy.rules if isinstance(policy, Policy) else ()
    yield PolicyInfo(
        id=policy.id.id,
        version=policy.id.version,
        kind="policy set" if policy.id.is_set else "policy",
        description=policy.description,
        algorithm=policy.algorithm,
        rules=tuple(RuleInfo(rule.rule_id, rule.effect, rule.description, rule.line) for rule in rules),
        file=policy.file,
        line=policy.line,
        root=root,
        parent=parent,
    )
    if isinstance(policy, PolicySet):
        for child in policy.children:
            if not isinstance(child, Reference):
                yield from _info(child, root=root, parent=policy.id.id)


def _hash(algorithm: str, sources: Sources, references: Sources) -> str:
    """The hash of everything that a decision depends on, in an order that does not depend on the caller's."""
    kinds = [("root", name, data) for name, data in sources]
    kinds += [("reference", name, data) for name, data in references]
    digest = hashlib.sha256()
    for kind, name, data in sorted(kinds, key=lambda each: (each[1], each[0], each[2])):
        for part in (name.encode(), kind.encode(), data):
            digest.update(len(part).to_bytes(8, "big") + part)
    digest.update(algorithm.encode())
    return f"sha256:{digest.hexdigest()}"

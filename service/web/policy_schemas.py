"""Bodies and answers about policies, policy files, checks and decisions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from service.web.fields import Body, Line, View

PolicyPath = Annotated[Line, Field(min_length=1, max_length=255)]


class PolicyErrorView(View):
    """What is wrong, and where."""

    file: str
    line: int
    message: str
    help: str


class SnapshotView(View):
    """The snapshot that decides. `state`: `ok`, `degraded` (a last good one decides) or `none`."""

    hash: str | None
    sequence: int | None
    state: str
    loaded_at: str | None
    errors: list[PolicyErrorView]


class RuleView(View):
    """A rule of a policy."""

    id: str
    effect: str
    description: str
    line: int


class PolicyView(View):
    """A policy or policy set of the snapshot that decides; `kind` is `policy` or `policy set`."""

    id: str
    version: str
    kind: str
    file: str
    line: int
    root: bool
    parent: str | None
    description: str
    algorithm: str
    rules: list[RuleView]


class PolicyPage(View):
    """All policies, and the snapshot that they make."""

    items: list[PolicyView]
    next: str | None
    snapshot: SnapshotView


class PolicyFileView(View):
    """A file of the policies folder; `kind` is `root`, `library`, `templates` or `disabled`."""

    path: str
    kind: str
    size: int
    etag: str


class PolicyFilePage(View):
    """All files of the policies folder."""

    items: list[PolicyFileView]
    next: str | None


class WrittenPolicyFileView(View):
    """A file that was written, and the snapshot that decides with it."""

    path: str
    etag: str
    snapshot: SnapshotView


class DraftBody(Body):
    """Drafts over the current files.

    Either one file (`path` and its text as `content`, null to remove it) or several as `files` of path to content.
    """

    path: PolicyPath | None = None
    content: str | None = None
    files: Annotated[dict[PolicyPath, str | None], Field(default_factory=dict, max_length=200)]

    def drafts(self) -> dict[str, bytes | None]:
        """Path to content; None for a file that is removed."""
        texts = dict(self.files)
        if self.path is not None:
            texts[self.path] = self.content
        return {path: None if text is None else text.encode() for path, text in texts.items()}


class CheckView(View):
    """What a check found: with errors the drafts would be refused, warnings are for their author to judge."""

    valid: bool
    errors: list[PolicyErrorView]
    warnings: list[PolicyErrorView]


class ParameterView(View):
    """One place to fill in of a template."""

    name: str
    type: str
    example: str
    description: str


class TemplateView(View):
    """A policy template; `{{name}}` in its content stands for the value of a parameter."""

    id: str
    title: str
    description: str
    parameters: list[ParameterView]
    content: str


class TemplatePage(View):
    """All policy templates."""

    items: list[TemplateView]
    next: str | None


class DecisionAnswer(View):
    """What the policies say of something that is not done: nothing was stored or sent.

    `explanation` is the tree of everything that was evaluated, null when nothing was.
    """

    decision: str
    policies: list[str]
    rules: list[str]
    snapshot: str | None
    status: str | None
    obligations: list[Any]
    explanation: dict[str, Any] | None

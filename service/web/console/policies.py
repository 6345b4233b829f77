"""The pages of policies: the list, a file with its colours, its editor, and new files from templates."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from service.pap import error_json
from service.pdp import PolicyError
from service.policy_folder import is_loaded
from service.policy_templates import Template, TemplateError, fill
from service.providers import WSO2_RESIDENT
from service.web.api_policies import policy_problems
from service.web.console import forms
from service.web.console.layout import go_to, page
from service.web.console.policy_list import PolicyList
from service.web.console.xml_colours import coloured
from service.web.problems import Problem
from service.web.services import Services

Json = dict[str, Any]

EMPTY = """<?xml version="1.0" encoding="UTF-8"?>
<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
        PolicyId="new-policy" Version="1.0"
        RuleCombiningAlgId="urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable">
  <Description></Description>
  <Target/>
  <Rule RuleId="everyone-stays-out" Effect="Deny"/>
</Policy>
"""
"""What an empty editor starts with: it loads, and permits nothing."""


class PolicyPages:
    """The policies, and the files that they are written in."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._policies = services.policies
        self._list = PolicyList(services)

    def add_to(self, blueprint: Blueprint) -> None:
        """Register the pages."""
        blueprint.add_url_rule("/policies", "policies", self.all)
        blueprint.add_url_rule("/policies/<path:path>", "policy_file", self.show)
        blueprint.add_url_rule("/edit-policy/<path:path>", "edit_policy", self.edit)
        blueprint.add_url_rule("/edit-policy/<path:path>", "change_policy", self.change, methods=["POST"])
        blueprint.add_url_rule("/add-policy", "add_policy", self.add)
        blueprint.add_url_rule("/add-policy", "create_policy", self.create, methods=["POST"])

    def all(self) -> Response:
        """The policies that decide, then the files that are not loaded."""
        files = {one.path: one for one in self._policies.files()}
        listed = self._list.items(files)
        resting = [one for one in files.values() if not is_loaded(one.path)]
        shown = {one["file"] for one in listed}
        waiting = [one for one in files.values() if is_loaded(one.path) and one.path not in shown]
        with self._services.database.read() as tx:
            known = self._list.known(tx)
        return self._page("policies.html", items=listed, resting=resting, waiting=waiting, **known)

    def show(self, path: str) -> Response:
        """One file, with what is wrong at its lines."""
        with policy_problems():
            file = self._policies.read(path)
        text = file.content.decode(errors="replace")
        mine = [one for one in self._policies.current().errors if one.file == path]
        warnings = self._policies.check({path: file.content}).warnings if is_loaded(path) else ()
        return self._page(
            "policy_file.html",
            path=path,
            lines=coloured(text),
            notes=_by_line(mine, warnings),
            items=[one for one in self._list.items({}) if one["file"] == path],
            loaded=is_loaded(path),
            etag=file.etag,
        )

    def edit(self, path: str) -> Response:
        """The editor, with the file as it is."""
        with policy_problems():
            file = self._policies.read(path)
        try:
            text = file.content.decode()
        except UnicodeDecodeError as error:
            detail = f"`{path}` is not written in UTF-8: edit it in the folder, with an editor that knows its encoding"
            raise Problem(409, detail) from error
        current = self._policies.current().errors
        return self._editor(path, text, etag=file.etag, errors=[one for one in current if one.file == path])

    def change(self, path: str) -> Response:
        """Check what was written, save it, or delete the file."""
        action, _ = forms.action(request.form)
        text, etag = forms.long_text(request.form, "content"), request.form.get("etag", "")
        if action == "check":
            return self._checked(path, text, etag)
        try:
            with policy_problems():
                if action == "delete":
                    self._policies.delete(path, if_match=etag)
                    return go_to("policies", done="deleted")
                self._policies.write(path, text.encode(), if_match=etag)
        except Problem as problem:
            return self._refused(problem, path, text, etag)
        return go_to("policy_file", path=path, done="written")

    def add(self) -> Response:
        """The templates to start from, or the fields of the chosen one."""
        chosen = request.args.get("template")
        if chosen == "":
            return self._editor("", EMPTY, new=True, changed=True)
        if chosen is None:
            return self._page("add_policy.html", templates=self._policies.templates())
        return self._fields(self._template(chosen), {}, {})

    def create(self) -> Response:
        """Fill a template in, or check or save what the editor has."""
        action, _ = forms.action(request.form)
        if action == "fill":
            return self._filled(self._template(request.form.get("template", "")))
        path, text = forms.text(request.form, "path"), forms.long_text(request.form, "content")
        if action == "check":
            return self._checked(path, text, "", new=True)
        try:
            with policy_problems():
                self._policies.write(path, text.encode(), must_be_new=True)
        except Problem as problem:
            return self._refused(problem, path, text, "", new=True)
        return go_to("policy_file", path=path, done="written")

    def _template(self, wanted: str) -> Template:
        for one in self._policies.templates():
            if one.id == wanted:
                return one
        raise Problem(404, f"there is no template `{wanted}`")

    def _filled(self, template: Template) -> Response:
        """The editor with the policy that the values make; the form again when one of them is wrong."""
        values = {one.name: request.form.get(f"value.{one.name}", "") for one in template.parameters}
        path, policy_id = forms.text(request.form, "path"), forms.text(request.form, "policyId")
        wrong: dict[str, str] = {}
        for parameter in template.parameters:
            try:
                fill(
                    template,
                    values | {other.name: other.example for other in template.parameters if other != parameter},
                )
            except TemplateError as error:
                wrong[f"value.{parameter.name}"] = str(error)
        if wrong:
            return self._fields(template, values, wrong, path=path, policy_id=policy_id)
        text = fill(template, values, policy_id=policy_id or None)
        return self._checked(path, text, "", new=True)

    def _fields(self, template: Template, values: Json, wrong: dict[str, str], **content: Any) -> Response:
        summary = "A value is missing or wrong; it says so below." if wrong else ""
        told = forms.Wrong(422 if wrong else 200, summary, wrong)
        with self._services.database.read() as tx:
            known = self._list.known(tx)
        return self._page(
            "fill_template.html", told.status, chosen=template, values=values, wrong=told, **known, **content
        )

    def _checked(self, path: str, text: str, etag: str, *, new: bool = False) -> Response:
        """The editor with all that is wrong with a draft, or may be."""
        try:
            with policy_problems():
                found = self._policies.check({path: text.encode()})
        except Problem as problem:
            return self._refused(problem, path, text, etag, new=new)
        return self._editor(
            path,
            text,
            etag=etag,
            new=new,
            errors=found.errors,
            warnings=found.warnings,
            checked=True,
            changed=True,
        )

    def _refused(self, problem: Problem, path: str, text: str, etag: str, *, new: bool = False) -> Response:
        """The editor with what was not written, and why. Raises `Problem` for what no other text would mend."""
        if problem.status not in {409, 412, 422}:
            raise problem
        errors = [PolicyError(**one) for one in problem.errors if "file" in one]
        wrong = forms.Wrong(problem.status, problem.detail)
        if not errors:
            wrong.fields = {"path": problem.errors[0]["message"]} if problem.errors else {}
        if new and problem.status == 412:
            wrong = forms.Wrong(409, problem.detail, {"path": problem.detail})
        return self._editor(path, text, etag=etag, new=new, errors=errors, wrong=wrong, changed=True)

    def _editor(
        self,
        path: str,
        text: str,
        *,
        etag: str = "",
        new: bool = False,
        errors: Any = (),
        warnings: Any = (),
        wrong: forms.Wrong | None = None,
        **content: Any,
    ) -> Response:
        wrong = wrong or forms.Wrong()
        mine = [one for one in errors if one.file == path]
        return self._page(
            "edit_policy.html",
            wrong.status,
            path=path,
            text=text,
            etag=etag,
            new=new,
            wrong=wrong,
            errors=[error_json(one) for one in errors],
            warnings=[error_json(one) for one in warnings],
            lines=coloured(text) if mine or warnings else [],
            notes=_by_line(mine, warnings),
            loaded=not path or is_loaded(path),
            **content,
        )

    def _page(self, name: str, status: int = 200, **content: Any) -> Response:
        return page(name, status, has_folder=self._policies.has_folder, alias=WSO2_RESIDENT, **content)


def _by_line(errors: Any, warnings: Any) -> dict[int, list[Json]]:
    """What is said about each line, errors first; line 1 also takes what is about the file as a whole."""
    found: dict[int, list[Json]] = {}
    for kind, several in (("error", errors), ("warning", warnings)):
        for one in several:
            found.setdefault(max(1, one.line), []).append(error_json(one) | {"kind": kind})
    return found

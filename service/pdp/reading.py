"""From the bytes of one XACML 3.0 policy file to the model, or to everything that is wrong with it.

A file is read to its end whatever is wrong: an author sees all mistakes at once. Whatever cannot be read
leaves an error behind, so a policy with a gap never gets any further. `service.pdp.reading2` reads XACML 2.0
with the same reader, changed where 2.0 differs.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lxml import etree

from service.pdp.combining import POLICY_ALGORITHMS, RULE_ALGORITHMS, Algorithm
from service.pdp.errors import quoted
from service.pdp.expressions import ExpressionReader, Scope
from service.pdp.forms import FormTypeError, applicable_function, check_arguments
from service.pdp.functions import Type
from service.pdp.model import (
    BOOLEAN_TYPE,
    AllOf,
    AnyOf,
    AssignmentExpression,
    Match,
    ObligationExpression,
    Policy,
    PolicySet,
    Reference,
    Rule,
    Target,
)
from service.pdp.reports import Reports
from service.pdp.response import Decision, PolicyId
from service.pdp.xml_input import line_of, local_name, path_of
from service.pdp.xpath import XPATH_VERSIONS

_EFFECTS: Final = {"Permit": Decision.PERMIT, "Deny": Decision.DENY}
_NUMBER: Final = "[0-9]{1,9}"
_VERSION: Final = re.compile(rf"{_NUMBER}(\.{_NUMBER})*")
_VERSION_MATCH: Final = re.compile(rf"(({_NUMBER}|\*)\.)*({_NUMBER}|\*|\+)")


class PolicyReader:
    """Reads one file whose structure was checked; `reports.errors` says what is wrong with it."""

    xacml2 = False

    def __init__(self, reports: Reports, expressions: ExpressionReader) -> None:
        self.reports = reports
        self.expressions = expressions

    def root(self, element: etree._Element) -> Policy | PolicySet | None:
        """Read the root of a file."""
        return self.policy_set(element, 1) if local_name(element) == "PolicySet" else self.policy(element)

    def policy(self, element: etree._Element) -> Policy | None:
        """Read a `<Policy>`."""
        policy_id = self._policy_id(element, "PolicyId", is_set=False)
        algorithm = self._algorithm(element, "RuleCombiningAlgId", RULE_ALGORITHMS)
        outer_xpath = self.expressions.xpath_version
        self._set_xpath_version(element, "PolicyDefaults")
        scope = Scope()
        for definition in children(element, "VariableDefinition"):
            self.expressions.define(definition, scope)
        for variable_id in scope.definitions:
            self.expressions.variable(variable_id, scope)
        target = self.target(child(element, "Target"))
        rules = [self.rule(each, scope) for each in children(element, "Rule")]
        self._no_duplicate_rules(children(element, "Rule"))
        self._combiner_parameters(
            element, "RuleCombinerParameters", "RuleIdRef", _attributes(element, "Rule", "RuleId")
        )
        obligations = self.obligations(element, scope)
        self.expressions.xpath_version = outer_xpath
        if policy_id is None or algorithm is None:
            return None
        return Policy(
            policy_id,
            description(element),
            algorithm,
            target,
            tuple(rule for rule in rules if rule is not None),
            obligations,
            self.xacml2,
            self.reports.file,
            line_of(element),
        )

    def policy_set(self, element: etree._Element, depth: int) -> PolicySet | None:
        """Read a `<PolicySet>` that is nested `depth` deep in its file."""
        if depth > self.reports.limits.policy_depth:
            message = f"policy sets are nested deeper than {self.reports.limits.policy_depth}"
            self.reports.report(element, message, "use fewer levels")
            return None
        policy_id = self._policy_id(element, "PolicySetId", is_set=True)
        algorithm = self._algorithm(element, "PolicyCombiningAlgId", POLICY_ALGORITHMS)
        outer_xpath = self.expressions.xpath_version
        self._set_xpath_version(element, "PolicySetDefaults")
        target = self.target(child(element, "Target"))
        parts = list(self._parts(element, depth))
        for kind in ("Policy", "PolicySet"):
            inside = _attributes(element, kind, f"{kind}Id") | {
                (each.text or "").strip() for each in children(element, f"{kind}IdReference")
            }
            self._combiner_parameters(element, f"{kind}CombinerParameters", f"{kind}IdRef", inside)
        obligations = self.obligations(element, Scope())
        self.expressions.xpath_version = outer_xpath
        if policy_id is None or algorithm is None:
            return None
        return PolicySet(
            policy_id,
            description(element),
            algorithm,
            target,
            tuple(part for part in parts if part is not None),
            obligations,
            self.xacml2,
            self.reports.file,
            line_of(element),
        )

    def rule(self, element: etree._Element, scope: Scope) -> Rule | None:
        """Read a `<Rule>`."""
        rule_id = self.reports.text(element, "RuleId")
        effect = self.effect(element, "Effect")
        target = self.target(child(element, "Target"))
        condition = child(element, "Condition")
        expression = None if condition is None else self.expressions.expression_in(condition, scope)
        if condition is not None and expression is not None and expression.type != BOOLEAN_TYPE:
            hint = "use a function that returns a boolean, such as one of those that compare"
            self.reports.report(condition, f"a condition must be a boolean, not a {expression.type}", hint)
        obligations = self.obligations(element, scope)
        if rule_id is None or effect is None:
            return None
        return Rule(rule_id, effect, description(element), target, expression, obligations, line_of(element))

    def target(self, element: etree._Element | None) -> Target:
        """Read a `<Target>`; one that is absent matches everything."""
        if element is None:
            return ()
        return tuple(self._any_of(each) for each in children(element, "AnyOf"))

    def _any_of(self, element: etree._Element) -> AnyOf:
        return tuple(self._all_of(each) for each in children(element, "AllOf"))

    def _all_of(self, element: etree._Element) -> AllOf:
        return self.matches(children(element, "Match"))

    def matches(self, elements: Iterable[etree._Element]) -> AllOf:
        """Read the matches of an `<AllOf>`, or of a `<Subject>` and its like in 2.0."""
        return tuple(match for match in map(self._match, elements) if match is not None)

    def _match(self, element: etree._Element) -> Match | None:
        uri = self.reports.text(element, "MatchId")
        constants = list(children(element, "AttributeValue"))
        bags = [part for part in element if self.expressions.is_bag(part)]
        if uri is None or (len(constants), len(bags)) != (1, 1):  # reported with the structure
            return None
        value, bag = self.expressions.constant(constants[0]), self.expressions.bag(bags[0])
        if not self.expressions.known(element, uri):
            return None
        function = applicable_function(uri)
        if function is None:
            self.reports.report(element, f"{quoted(uri)} cannot be used in a match", "it must be first-order")
        if function is None or value is None or bag is None:
            return None
        try:
            check_arguments(function, [value.type, Type(bag.data_type)])
        except FormTypeError as error:
            self.reports.report(element, f"{quoted(uri)}: {error}", error.hint)
            return None
        if function.result != BOOLEAN_TYPE:
            self.reports.report(element, f"{quoted(uri)} returns a {function.result}", "a match needs a boolean")
            return None
        if not self.expressions.fits_pattern(element, uri, [value]):
            return None
        return Match(function, value, bag, line_of(element))

    def obligations(self, element: etree._Element, scope: Scope) -> tuple[ObligationExpression, ...]:
        """Read the obligation and advice expressions of a rule, policy or policy set."""
        found = [
            self._obligation(each, scope, "ObligationId", "FulfillOn")
            for parent in children(element, "ObligationExpressions")
            for each in children(parent, "ObligationExpression")
        ]
        found += [
            self._obligation(each, scope, "AdviceId", "AppliesTo")
            for parent in children(element, "AdviceExpressions")
            for each in children(parent, "AdviceExpression")
        ]
        return tuple(obligation for obligation in found if obligation is not None)

    def _obligation(
        self, element: etree._Element, scope: Scope, id_name: str, on_name: str
    ) -> ObligationExpression | None:
        obligation_id, on = self.reports.text(element, id_name), self.effect(element, on_name)
        assignments = [self._assignment(each, scope) for each in children(element, "AttributeAssignmentExpression")]
        if obligation_id is None or on is None:
            return None
        given = tuple(assignment for assignment in assignments if assignment is not None)
        return ObligationExpression(obligation_id, on, id_name == "AdviceId", given, line_of(element))

    def _assignment(self, element: etree._Element, scope: Scope) -> AssignmentExpression | None:
        attribute_id = self.reports.text(element, "AttributeId")
        expression = self.expressions.expression_in(element, scope)
        if attribute_id is None or expression is None:
            return None
        return AssignmentExpression(
            attribute_id, element.get("Category"), element.get("Issuer"), expression, line_of(element)
        )

    def _parts(self, element: etree._Element, depth: int) -> Iterator[Policy | PolicySet | Reference | None]:
        path = ""
        references: Counter[str] = Counter()
        for part in element:
            name = local_name(part)
            if name == "Policy":
                yield self.policy(part)
            elif name == "PolicySet":
                yield self.policy_set(part, depth + 1)
            elif name in {"PolicyIdReference", "PolicySetIdReference"}:
                references[name] += 1
                path = path or path_of(element)
                yield self._reference(part, f"{path}/{name}[{references[name]}]")

    def _reference(self, element: etree._Element, path: str) -> Reference | None:
        policy_id = (element.text or "").strip()
        if not policy_id:
            self.reports.report(element, "the reference is empty", "put the id of a policy between the tags")
            return None
        patterns = {
            name: self._version_match(element, name) for name in ("Version", "EarliestVersion", "LatestVersion")
        }
        return Reference(
            policy_id,
            local_name(element) == "PolicySetIdReference",
            patterns["Version"],
            patterns["EarliestVersion"],
            patterns["LatestVersion"],
            self.reports.file,
            line_of(element),
            path,
        )

    def _version_match(self, element: etree._Element, name: str) -> str | None:
        pattern = element.get(name)
        if pattern is not None and not _VERSION_MATCH.fullmatch(pattern):
            self.reports.report(element, f"{name} {quoted(pattern)} is no version pattern", "e.g. `1.*` or `2.+`")
        return pattern

    def _policy_id(self, element: etree._Element, name: str, *, is_set: bool) -> PolicyId | None:
        policy_id = self.reports.text(element, name)
        version = element.get("Version")
        if version is None and self.xacml2:  # 2.0 core, sections 5.1 and 5.20: the default is 1.0
            version = "1.0"
        if version is not None and not _VERSION.fullmatch(version.strip()):
            self.reports.report(element, f"version {quoted(version)} is not made of numbers", "e.g. `1.0`")
        if policy_id is None or version is None:
            return None
        return PolicyId(policy_id, version.strip(), is_set)

    def _algorithm(self, element: etree._Element, name: str, known: Mapping[str, Algorithm]) -> str | None:
        uri = self.reports.text(element, name)
        if uri is None or uri in known:
            return uri
        near = difflib.get_close_matches(uri, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "see XACML 3.0, appendix C"
        self.reports.report(element, f"unknown combining algorithm {quoted(uri)}", hint)
        return None

    def effect(self, element: etree._Element, name: str) -> Decision | None:
        """Read an attribute of type EffectType."""
        text = element.get(name)
        if text is None:
            return None
        effect = _EFFECTS.get(text)
        if effect is None:
            self.reports.report(element, f"{name} is {quoted(text)}", "it must be `Permit` or `Deny`")
        return effect

    def _set_xpath_version(self, element: etree._Element, name: str) -> None:
        """Make the XPath version of a policy's defaults the one for everything read from now on."""
        for defaults in children(element, name):
            for version in children(defaults, "XPathVersion"):
                text = (version.text or "").strip()
                known = XPATH_VERSIONS.get(text.lower())
                if known is None:
                    hint = "the engine knows `http://www.w3.org/TR/1999/REC-xpath-19991116` and XPath 2.0"
                    self.reports.report(version, f"unknown XPath version {quoted(text)}", hint)
                self.expressions.xpath_version = known or "1.0"

    def _combiner_parameters(self, element: etree._Element, name: str, ref: str, inside: set[str]) -> None:
        """Check combiner parameters: no algorithm of ours takes any (3.0 core, sections 5.15 to 5.19)."""
        for parameters in (*children(element, "CombinerParameters"), *children(element, name)):
            for parameter in children(parameters, "CombinerParameter"):
                for value in children(parameter, "AttributeValue"):
                    self.reports.value(value)
        for parameters in children(element, name):
            about = parameters.get(ref)
            if about is not None and about not in inside:
                hint = f"<{name}> must be about something in the same policy or policy set"
                self.reports.report(parameters, f"{ref} {quoted(about)} leads nowhere", hint)

    def _no_duplicate_rules(self, elements: Iterable[etree._Element]) -> None:
        seen: set[str] = set()
        for element in elements:
            rule_id = element.get("RuleId")
            if rule_id in seen:
                self.reports.report(element, f"duplicate RuleId {quoted(rule_id)}", "rename one of the rules")
            elif rule_id is not None:
                seen.add(rule_id)


def children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """The children of this name, in the namespace of their parent."""
    tag = str(element.tag)
    return element.iterchildren(tag[: tag.find("}") + 1] + name)


def child(element: etree._Element, name: str) -> etree._Element | None:
    """The first child of this name, or None."""
    return next(children(element, name), None)


def description(element: etree._Element) -> str:
    """The text of `<Description>`, on one line."""
    found = child(element, "Description")
    return "" if found is None else " ".join((found.text or "").split())


def _attributes(element: etree._Element, name: str, attribute: str) -> set[str]:
    """The values of an attribute of all children of a name."""
    return {each.get(attribute, "") for each in children(element, name)}

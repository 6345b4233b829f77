"""Random policies and requests, as bytes, for comparing two engines: small worlds in which much goes wrong.

Few attributes with few values, so that targets match now and then; many missing, doubled or malformed, so that
errors meet every combining algorithm; policies of XACML 3.0 and 2.0.
"""

from xml.sax.saxutils import escape, quoteattr
from zlib import crc32

XS = "http://www.w3.org/2001/XMLSchema#"
F1 = "urn:oasis:names:tc:xacml:1.0:function:"
F3 = "urn:oasis:names:tc:xacml:3.0:function:"
NS3 = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
NS2 = "urn:oasis:names:tc:xacml:2.0:policy:schema:os"
CONTEXT2 = "urn:oasis:names:tc:xacml:2.0:context:schema:os"
SUBJECT = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject"
RESOURCE = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource"
ACTION = "urn:oasis:names:tc:xacml:3.0:attribute-category:action"
CATEGORIES = (SUBJECT, RESOURCE, ACTION)
PARTS = {SUBJECT: "Subject", RESOURCE: "Resource", ACTION: "Action"}
IDS = ("a", "b")
VALUES = {
    "string": ("red", "green", "blue"),
    "integer": ("0", "1", "2"),
    "boolean": ("true", "false"),
    "anyURI": ("urn:x", "urn:y"),
}
MALFORMED = {"integer": "one", "boolean": "yes"}
ISSUERS = (None, None, None, "i")
ALGORITHMS = (
    "3.0:{}:deny-overrides",
    "3.0:{}:permit-overrides",
    "3.0:{}:ordered-deny-overrides",
    "3.0:{}:ordered-permit-overrides",
    "3.0:{}:deny-unless-permit",
    "3.0:{}:permit-unless-deny",
    "1.0:{}:first-applicable",
    "1.0:{}:deny-overrides",
    "1.0:{}:permit-overrides",
    "1.1:{}:ordered-deny-overrides",
    "1.1:{}:ordered-permit-overrides",
)
ROOTS = (
    "deny-overrides",
    "permit-overrides",
    "deny-unless-permit",
    "permit-unless-deny",
    "first-applicable",
    "only-one-applicable",
)


class World:
    """Makes policies and requests out of one random source; ids are numbered, so none is doubled."""

    def __init__(self, random):
        self.random = random
        self.count = 0
        self.focus = None

    def chance(self, probability):
        return self.random.random() < probability

    def next_id(self, prefix):
        self.count += 1
        return f"{prefix}-{self.count}"

    def sources(self):
        """Roots and references, as `compile_policies` takes them, and a root algorithm."""
        library = [self.policy(3, reference=True) for _ in range(self.random.randrange(3))]
        ids = [(name, is_set) for name, is_set, _ in library]
        roots = [
            self.policy_set(ids, depth=self.random.randrange(3)) if self.chance(0.6) else self.policy(self.version())[2]
            for _ in range(self.random.choice((1, 1, 2, 7)))
        ]
        return (
            [(f"root-{number}.xml", data.encode()) for number, data in enumerate(roots)],
            [(f"library-{number}.xml", data.encode()) for number, (_, _, data) in enumerate(library)],
            self.random.choice(ROOTS),
        )

    def version(self):
        return 2 if self.chance(0.3) else 3

    def algorithm(self, kind):
        if kind == "policy" and self.chance(0.1):
            return "urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:only-one-applicable"
        version, _, name = self.random.choice(ALGORITHMS).split(":")
        return f"urn:oasis:names:tc:xacml:{version}:{kind}-combining-algorithm:{name}"

    def policy_set(self, library, depth):
        version = self.version()
        children = []
        for _ in range(self.random.choice((0, 1, 2, 3, 8))):
            if library and self.chance(0.2):
                name, is_set = self.random.choice(library)
                kind = "PolicySetIdReference" if is_set else "PolicyIdReference"
                children.append(f"<{kind}>{name}</{kind}>")
            elif depth and self.chance(0.5):
                children.append(self.inner_set(version, depth - 1))
            else:
                children.append(self.policy(version, inner=True)[2])
        return self.set_of(version, children, f' xmlns="{NS3 if version == 3 else NS2}"')

    def inner_set(self, version, depth):
        children = [
            self.inner_set(version, depth - 1) if depth and self.chance(0.4) else self.policy(version, inner=True)[2]
            for _ in range(self.random.choice((0, 1, 2, 6)))
        ]
        return self.set_of(version, children, "")

    def set_of(self, version, children, xmlns):
        return (
            f'<PolicySet{xmlns} PolicySetId="{self.next_id("set")}" Version="1.0"'
            f' PolicyCombiningAlgId="{self.algorithm("policy")}">{self.target(version)}'
            f"{''.join(children)}{self.obligations(version)}</PolicySet>"
        )

    def policy(self, version, *, inner=False, reference=False):
        # Now and then all targets ask for one attribute, as they do where a policy is a table.
        self.focus = (self.random.choice(CATEGORIES), self.random.choice(IDS)) if self.chance(0.3) else None
        name = self.next_id("policy")
        variables = "".join(self.variable(version, number) for number in range(2))
        rules = "".join(self.rule(version) for _ in range(self.random.choice((0, 1, 2, 3, 7, 12))))
        xmlns = "" if inner else f' xmlns="{NS3 if version == 3 else NS2}"'
        data = (
            f'<Policy{xmlns} PolicyId="{name}" Version="1.0" RuleCombiningAlgId="{self.algorithm("rule")}">'
            f"{self.target(version)}{variables}{rules}{self.obligations(version)}</Policy>"
        )
        return name, False, data

    def variable(self, version, number):
        return f'<VariableDefinition VariableId="v{number}">{self.boolean(version, 2)}</VariableDefinition>'

    def rule(self, version):
        target = self.target(version) if self.chance(0.9) else ""
        condition = ""
        if self.chance(0.3):
            used = f'<VariableReference VariableId="v{self.random.randrange(2)}"/>'
            condition = f"<Condition>{used if self.chance(0.2) else self.boolean(version, 3)}</Condition>"
        duties = self.obligations(version) if version == 3 and self.chance(0.3) else ""
        effect = self.random.choice(("Permit", "Deny"))
        return f'<Rule RuleId="{self.next_id("rule")}" Effect="{effect}">{target}{condition}{duties}</Rule>'

    def target(self, version):
        if self.chance(0.25):
            return "<Target/>"
        if version == 2:
            return self.target2()
        any_ofs = [
            "<AnyOf>" + "".join(self.all_of() for _ in range(self.random.choice((1, 1, 2)))) + "</AnyOf>"
            for _ in range(self.random.choice((1, 1, 2, 3)))
        ]
        return f"<Target>{''.join(any_ofs)}</Target>"

    def all_of(self):
        matches = (self.match(3, None, "Match") for _ in range(self.random.choice((1, 1, 2))))
        return f"<AllOf>{''.join(matches)}</AllOf>"

    def target2(self):
        parts = []
        for category, part in PARTS.items():
            if self.chance(0.5):
                alternatives = "".join(
                    f"<{part}>"
                    + "".join(self.match(2, category, f"{part}Match") for _ in range(self.random.choice((1, 1, 2))))
                    + f"</{part}>"
                    for _ in range(self.random.choice((1, 1, 2)))
                )
                parts.append(f"<{part}s>{alternatives}</{part}s>")
        return f"<Target>{''.join(parts)}</Target>"

    def match(self, version, category, name):
        kind = self.random.choice(("string", "string", "string", "integer", "boolean", "anyURI"))
        function, value = f"{F1}{kind}-equal", self.random.choice(VALUES[kind])
        if kind == "string" and self.chance(0.2):
            function, value = f"{F1}string-regexp-match", self.random.choice(("r.d", "^b", "e+n$"))
        elif kind == "integer" and self.chance(0.3):
            function = f"{F1}integer-greater-than"
        if self.focus and not category:
            kind, function, value = "string", f"{F1}string-equal", self.random.choice(VALUES["string"])
            asked = f'Category="{self.focus[0]}" AttributeId="{self.focus[1]}" DataType="{XS}string"'
            designator = f'<AttributeDesignator {asked} MustBePresent="false"/>'
            return f'<{name} MatchId="{function}">{self.value(kind, value)}{designator}</{name}>'
        designator = self.designator(version, kind, category)
        return f'<{name} MatchId="{function}">{self.value(kind, value)}{designator}</{name}>'

    def value(self, kind, value):
        return f'<AttributeValue DataType="{XS}{kind}">{escape(value)}</AttributeValue>'

    def designator(self, version, kind, category=None):
        category = category or self.random.choice(CATEGORIES)
        issuer = self.random.choice(ISSUERS)
        rest = (
            f' AttributeId="{self.random.choice(IDS)}" DataType="{XS}{kind}"'
            f' MustBePresent="{"true" if self.chance(0.2) else "false"}"'
            + (f" Issuer={quoteattr(issuer)}" if issuer else "")
        )
        if version == 2:
            return f"<{PARTS[category]}AttributeDesignator{rest}/>"
        return f'<AttributeDesignator Category="{category}"{rest}/>'

    def boolean(self, version, depth):
        """A boolean expression; some of them fail, depending on the request."""
        if depth:
            choice = self.random.randrange(8)
            if choice < 2:
                inner = "".join(self.boolean(version, depth - 1) for _ in range(self.random.choice((1, 2, 3))))
                return f'<Apply FunctionId="{F1}{("and", "or")[choice]}">{inner}</Apply>'
            if choice == 2:
                return f'<Apply FunctionId="{F1}not">{self.boolean(version, depth - 1)}</Apply>'
        return self.random.choice((self.comparison, self.membership, self.application))(version)

    def comparison(self, version):
        kind = self.random.choice(tuple(VALUES))
        one = f'<Apply FunctionId="{F1}{kind}-one-and-only">{self.designator(version, kind)}</Apply>'
        if kind == "integer" and self.chance(0.5):
            one = f'<Apply FunctionId="{F1}integer-divide">{self.value("integer", "4")}{one}</Apply>'
        other = self.value(kind, self.random.choice(VALUES[kind]))
        return f'<Apply FunctionId="{F1}{kind}-equal">{one}{other}</Apply>'

    def membership(self, version):
        kind = self.random.choice(tuple(VALUES))
        value = self.value(kind, self.random.choice(VALUES[kind]))
        return f'<Apply FunctionId="{F1}{kind}-is-in">{value}{self.designator(version, kind)}</Apply>'

    def application(self, version):
        function = self.random.choice(("any-of", "all-of"))
        value = self.value("integer", self.random.choice(VALUES["integer"]))
        return (
            f'<Apply FunctionId="{F1}{function}"><Function FunctionId="{F1}integer-less-than"/>'
            f"{value}{self.designator(version, 'integer')}</Apply>"
        )

    def obligations(self, version):
        if self.chance(0.6):
            return ""
        effect = self.random.choice(("Permit", "Deny"))
        name = self.next_id("obligation")
        if version == 2:
            return (
                f'<Obligations><Obligation ObligationId="{name}" FulfillOn="{effect}"><AttributeAssignment'
                f' AttributeId="x" DataType="{XS}string">y</AttributeAssignment></Obligation></Obligations>'
            )
        expression = self.designator(version, "string")
        if self.chance(0.3):
            expression = f'<Apply FunctionId="{F1}string-one-and-only">{expression}</Apply>'
        given = f'<AttributeAssignmentExpression AttributeId="x">{expression}</AttributeAssignmentExpression>'
        if self.chance(0.3):
            return (
                f'<AdviceExpressions><AdviceExpression AdviceId="{name}" AppliesTo="{effect}">{given}'
                f"</AdviceExpression></AdviceExpressions>"
            )
        return (
            f'<ObligationExpressions><ObligationExpression ObligationId="{name}" FulfillOn="{effect}">{given}'
            f"</ObligationExpression></ObligationExpressions>"
        )

    def request(self):
        """A request of XACML 3.0, with attributes of all kinds and conditions."""
        groups = []
        for category in CATEGORIES:
            attributes = "".join(self.attribute(name, kind) for name in IDS for kind in VALUES if self.chance(0.6))
            groups.append(f'<Attributes Category="{category}">{attributes}</Attributes>')
        return (
            f'<Request xmlns="{NS3}" ReturnPolicyIdList="true" CombinedDecision="false">{"".join(groups)}</Request>'
        ).encode()

    def attribute(self, name, kind):
        issuer = self.random.choice(ISSUERS)
        values = [self.random.choice(VALUES[kind]) for _ in range(self.random.choice((1, 1, 1, 2)))]
        if kind in MALFORMED and self.chance(0.08):
            values.append(MALFORMED[kind])
        return (
            f'<Attribute AttributeId="{name}" IncludeInResult="{"true" if self.chance(0.1) else "false"}"'
            + (f" Issuer={quoteattr(issuer)}" if issuer else "")
            + f">{''.join(self.value(kind, value) for value in values)}</Attribute>"
        )

    def attribute_source(self):
        """What the request lacks: nothing, values, malformed values, or an exception; the same at every call."""
        salt = self.random.randrange(1 << 30)
        if self.chance(0.5):
            return None

        def source(category, attribute_id, data_type, issuer):
            kind = data_type.rpartition("#")[2]
            draw = crc32(repr((salt, category, attribute_id, kind, issuer)).encode()) % 10
            if draw == 0:
                raise OSError("no answer")
            if draw == 1:
                return ["?"]
            return [VALUES[kind][draw % len(VALUES[kind])]] if draw < 5 else None

        return source

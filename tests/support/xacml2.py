"""Policies and requests of XACML 2.0, written as short as tests want them."""

POLICY = "urn:oasis:names:tc:xacml:2.0:policy:schema:os"
CONTEXT = "urn:oasis:names:tc:xacml:2.0:context:schema:os"
STRING = "http://www.w3.org/2001/XMLSchema#string"
FUNCTION = "urn:oasis:names:tc:xacml:1.0:function:"
SUBJECT_ID = "urn:oasis:names:tc:xacml:1.0:subject:subject-id"
RESOURCE_ID = "urn:oasis:names:tc:xacml:1.0:resource:resource-id"


def policy(body, *, id_="p", algorithm="deny-overrides"):
    return (
        f'<Policy xmlns="{POLICY}" PolicyId="{id_}"'
        f' RuleCombiningAlgId="urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:{algorithm}">{body}</Policy>'
    )


def policy_set(body, *, id_="s", algorithm="deny-overrides"):
    return (
        f'<PolicySet xmlns="{POLICY}" PolicySetId="{id_}"'
        f' PolicyCombiningAlgId="urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:{algorithm}">'
        f"{body}</PolicySet>"
    )


def rule(body="", *, effect="Permit", id_="r"):
    return f'<Rule RuleId="{id_}" Effect="{effect}">{body}</Rule>'


def condition(body):
    return f"<Condition>{body}</Condition>"


def apply(function, *arguments, prefix=FUNCTION):
    return f'<Apply FunctionId="{prefix}{function}">{"".join(arguments)}</Apply>'


def value(text, data_type=STRING):
    return f'<AttributeValue DataType="{data_type}">{text}</AttributeValue>'


def subject(id_=SUBJECT_ID, data_type=STRING, more=""):
    return f'<SubjectAttributeDesignator AttributeId="{id_}" DataType="{data_type}" {more}/>'


def subject_target(text, function="string-equal", data_type=STRING, more=""):
    match = (
        f'<SubjectMatch MatchId="{FUNCTION}{function}">{value(text, data_type)}'
        f"{subject(data_type=data_type, more=more)}</SubjectMatch>"
    )
    return f"<Target><Subjects><Subject>{match}</Subject></Subjects></Target>"


def attribute(id_, *values, data_type=STRING):
    inside = "".join(f"<AttributeValue>{each}</AttributeValue>" for each in values)
    return f'<Attribute AttributeId="{id_}" DataType="{data_type}">{inside}</Attribute>'


def request(subjects, *, more_subjects="", resource=""):
    resource = resource or f"<Resource>{attribute(RESOURCE_ID, 'door')}</Resource>"
    subjects = f"<Subject>{subjects}</Subject>{more_subjects}"
    return f'<Request xmlns="{CONTEXT}">{subjects}{resource}<Action/><Environment/></Request>'

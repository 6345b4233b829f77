"""The policy decision point: an engine for XACML 3.0, which reads XACML 2.0 too.

It does no I/O and has no clock of its own; it depends on the standard library, lxml, elementpath and
google-re2 only.

```python
from datetime import UTC, datetime
from service.pdp import Decision, compile_policies, encode_response, parse_request

snapshot = compile_policies([("roles.xml", data)])        # raises PolicyErrors with all that is wrong
request = parse_request(body, "application/xacml+xml")    # raises RequestError if it is not well-formed
response = snapshot.decide(request, now=datetime.now(UTC))
if response.decision is Decision.PERMIT:                  # and every obligation can be fulfilled
    ...
encode_response(response, "application/xacml+xml")
```

The way through, a file per step:

- load: `documents` reads a file (`xml_input`, `grammar`, then `reading`, `reading2`, `expressions`) into the model
  (`model`); `linking` resolves references; `loading` makes the `snapshot`, compiled by `compiled`.
- ask: `request`, read by `request_xml`, `request2_xml` or `json_profile`; `multiple` unfolds one that asks for
  several decisions.
- decide: `context` is what a decision may look at, `selection` and `access` what functions may. `evaluator` is the
  plain evaluator, `combining` combines, `conclusion` names who decided, `outcome` is what they pass on. `compiled`
  does the same over an index and reports the same; `explain` watches the plain evaluator.
- answer: `response`, written by `response_xml`, `response2_xml` or `json_response`.

`limits` says how much a policy or request may ask for, `errors` what can go wrong.
"""

from service.pdp.context import AttributeSource
from service.pdp.errors import PolicyError, PolicyErrors, RequestError
from service.pdp.explain import Explanation
from service.pdp.explain import Node as ExplanationNode
from service.pdp.limits import DEFAULT_LIMITS, Limits
from service.pdp.loading import (
    DENY_OVERRIDES,
    DENY_UNLESS_PERMIT,
    FIRST_APPLICABLE,
    ONLY_ONE_APPLICABLE,
    ORDERED_DENY_OVERRIDES,
    ORDERED_PERMIT_OVERRIDES,
    PERMIT_OVERRIDES,
    PERMIT_UNLESS_DENY,
    ROOT_ALGORITHMS,
    compile_policies,
)
from service.pdp.media import JSON, XML, encode_response, parse_request
from service.pdp.request import Attribute, AttributeGroup, Request, Value
from service.pdp.response import (
    Advice,
    Assignment,
    Decider,
    Decision,
    Erring,
    MissingAttribute,
    Obligation,
    PolicyId,
    Response,
    Result,
    Status,
)
from service.pdp.snapshot import PolicyInfo, RuleInfo, Snapshot

__all__ = [
    "DEFAULT_LIMITS",
    "DENY_OVERRIDES",
    "DENY_UNLESS_PERMIT",
    "FIRST_APPLICABLE",
    "JSON",
    "ONLY_ONE_APPLICABLE",
    "ORDERED_DENY_OVERRIDES",
    "ORDERED_PERMIT_OVERRIDES",
    "PERMIT_OVERRIDES",
    "PERMIT_UNLESS_DENY",
    "ROOT_ALGORITHMS",
    "XML",
    "Advice",
    "Assignment",
    "Attribute",
    "AttributeGroup",
    "AttributeSource",
    "Decider",
    "Decision",
    "Erring",
    "Explanation",
    "ExplanationNode",
    "Limits",
    "MissingAttribute",
    "Obligation",
    "PolicyError",
    "PolicyErrors",
    "PolicyId",
    "PolicyInfo",
    "Request",
    "RequestError",
    "Response",
    "Result",
    "RuleInfo",
    "Snapshot",
    "Status",
    "Value",
    "compile_policies",
    "encode_response",
    "parse_request",
]

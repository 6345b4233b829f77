"""The OpenAPI document against the application, driven by schemathesis through the WSGI interface."""

from __future__ import annotations

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    SimpleCheckConfig,
)
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from service import app as composition
from service.config import Settings
from tests.support.api import ADMIN_TOKEN, Api, policy

AUTHORIZATION = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
XACML = {"/xacml/pdp", "/api/v1/policy-decisions"}
"""They take bodies whose schema is XACML's own; an invalid one decides Indeterminate with syntax-error."""
DOCUMENT = "/api/v1/openapi.json"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "policies").mkdir()
    (folder / "policies" / "all.xml").write_text(policy())
    application = composition.assemble(
        Settings(data=folder / "data", policies=folder / "policies", admin_token=ADMIN_TOKEN, admin_password="x")
    )
    application.policies.refresh()
    yield application.web
    application.stop()


@pytest.fixture(scope="module")
def described(web):
    # what no schema says (a name that must exist, two fields that go together) may be refused as 422 all the same
    accepting = PositiveDataAcceptanceConfig(expected_statuses=["2xx", "401", "403", "404", "409", "412", "422", "503"])
    project = ProjectConfig(
        # wrong credentials are test_auth's, where it does not matter that many of them are answered with 429
        checks=ChecksConfig(positive_data_acceptance=accepting, ignored_auth=SimpleCheckConfig(enabled=False)),
        generation=GenerationConfig(allow_x00=False),
    )
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_wsgi(DOCUMENT, web, headers=AUTHORIZATION, config=config)


def operations(described):
    """Each operation but the connection test, which would send to whatever address was invented."""
    found = [result.ok() for result in described.get_all_operations()]
    return [one for one in found if not one.path.endswith("/test")]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_application_keeps_what_its_document_says(described, mode):
    """schemathesis's own plugin does not load under the pytest of this project, so its strategies are used bare."""
    for operation in operations(described):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def keep(case):
            own = case.operation.path in XACML
            excluded = [positive_data_acceptance, negative_data_rejection] if own else []
            case.call_and_validate(headers=AUTHORIZATION, excluded_checks=excluded)

        with suppress(Unsatisfiable):  # an endpoint that takes nothing cannot be sent anything wrong
            keep()


def test_the_document_names_every_endpoint_and_every_error_is_a_problem(web):
    document = Api(web, AUTHORIZATION["Authorization"]).get(DOCUMENT).json
    assert document["openapi"].startswith("3.1")
    endpoints = [rule for rule in web.url_map.iter_rules() if not rule.endpoint.startswith("console.")]
    rules = {rule.rule.replace("<path:", "<").replace("<", "{").replace(">", "}") for rule in endpoints}
    assert document["paths"].keys() == rules
    for path, operations in document["paths"].items():
        for operation in operations.values():
            statuses = operation["responses"].keys()
            assert {"422", "500"} <= statuses
            assert path in {"/healthz", "/readyz"} or {"401", "403"} <= statuses
            assert operation["operationId"]
            assert operation["summary"]


def test_the_document_itself_needs_credentials(web):
    assert Api(web, None).get(DOCUMENT).status_code == 401

"""The built-in connectors pass the conformance suite set up in other ways, too, and at targets that offer less."""

import pytest

from connectors.conformance import Conformance
from connectors.spml_messages import PASSWORD, SEARCH, SUSPEND
from tests.support.subjects import (
    GoogleSubject,
    SalesforceSubject,
    Scim1Subject,
    Scim2ServerSubject,
    Scim2Subject,
    SpmlSubject,
)


class TestScim2Server(Conformance):
    """A SCIM 2.0 server that others wrote."""

    @pytest.fixture
    def subject(self):
        return Scim2ServerSubject()


class TestScim2Deactivates(Conformance):
    @pytest.fixture
    def subject(self):
        return Scim2Subject(more={"scim2-deprovisioning": "deactivate"})


class TestScim1WithoutPatch(Conformance):
    @pytest.fixture
    def subject(self):
        return Scim1Subject(patches=False)


class TestSpmlOverPlainHttp(Conformance):
    @pytest.fixture
    def subject(self):
        return SpmlSubject(plain=True, attributes_under_pso=False)


class TestSpmlWithoutPasswordCapability(Conformance):
    @pytest.fixture
    def subject(self):
        return SpmlSubject(capabilities=(SUSPEND, SEARCH), more={"spml-modification-style": "dsml"})


class TestSpmlWithoutSuspend(Conformance):
    @pytest.fixture
    def subject(self):
        subject = SpmlSubject(capabilities=(PASSWORD, SEARCH))
        subject.cannot = {"disabling": "the target has no capability for it"}
        return subject


class TestGoogleSuspends(Conformance):
    @pytest.fixture
    def subject(self):
        return GoogleSubject(deprovisioning="suspend", old_address="remove")


class TestSalesforceWithMark(Conformance):
    @pytest.fixture
    def subject(self):
        return SalesforceSubject(external_id_field="Sluice_Id__c", deprovisioning="deactivate")

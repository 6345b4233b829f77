"""Every built-in connector passes the conformance suite; what it cannot do is listed with its reason."""

import pytest

from connectors.conformance import Conformance
from tests.support.subjects import GoogleSubject, SalesforceSubject, Scim1Subject, Scim2Subject, SpmlSubject


class TestScim2(Conformance):
    @pytest.fixture
    def subject(self):
        return Scim2Subject()


class TestScim1(Conformance):
    @pytest.fixture
    def subject(self):
        return Scim1Subject()


class TestSpml(Conformance):
    @pytest.fixture
    def subject(self):
        return SpmlSubject()


class TestGoogle(Conformance):
    @pytest.fixture
    def subject(self):
        return GoogleSubject()


class TestSalesforce(Conformance):
    @pytest.fixture
    def subject(self):
        return SalesforceSubject()

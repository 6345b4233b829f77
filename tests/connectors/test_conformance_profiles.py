"""The SCIM 2.0 connector passes the conformance suite against targets that play the quirks of each profile.

And against targets with quirks that nobody has announced, with the generic profile.
"""

import pytest

from connectors.conformance import Conformance
from connectors.profile import names
from tests.support.simulated_target import UNANNOUNCED, Quirks
from tests.support.subjects import Scim2Subject


class TestProfiles(Conformance):
    @pytest.fixture(params=names())
    def subject(self, request):
        return Scim2Subject(request.param)


class TestUnannounced(Conformance):
    @pytest.fixture(params=UNANNOUNCED)
    def subject(self, request):
        return Scim2Subject(quirks=UNANNOUNCED[request.param])


class TestWithoutSearch(Conformance):
    @pytest.fixture
    def subject(self):
        return Scim2Subject(quirks=Quirks(filters=()), overrides="[filter]\nsupported = false\npage = 20")


class TestWhoseConfigurationIsBelieved(Conformance):
    """A target that knows no PATCH, and says so."""

    @pytest.fixture
    def subject(self):
        methods = ("GET", "POST", "PUT", "DELETE")
        quirks = Quirks(methods=methods, group_methods=methods, configuration="ServiceProviderConfig")
        return Scim2Subject(quirks=quirks, overrides="[discovery]\nread = true")

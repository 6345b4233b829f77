"""Puts the console together."""

from __future__ import annotations

from flask import Blueprint

from service.web.auth import Authenticator
from service.web.console import layout
from service.web.console.activity import ActivityPages
from service.web.console.bulk import BulkPages
from service.web.console.deliveries import DeliveryPages
from service.web.console.entities import EntityPages
from service.web.console.identity_providers import IdentityProviderPages
from service.web.console.overview import OverviewPages
from service.web.console.policies import PolicyPages
from service.web.console.service_providers import ServiceProviderPages
from service.web.console.sign_in import SignIn
from service.web.console.try_it import TryItPages
from service.web.console.users import UserPages
from service.web.services import Services


def console(services: Services, authenticator: Authenticator) -> Blueprint:
    """All pages, with their guard. Nothing but the sign-in page and the static files is open to all."""
    blueprint = layout.new_blueprint()
    sign_in = SignIn(services, authenticator)
    layout.guard(blueprint, services, sign_in.ask)
    for pages in (
        sign_in,
        OverviewPages(services),
        ServiceProviderPages(services),
        IdentityProviderPages(services),
        PolicyPages(services),
        TryItPages(services),
        ActivityPages(services),
        DeliveryPages(services),
        BulkPages(services),
        EntityPages(services),
        UserPages(services),
    ):
        pages.add_to(blueprint)
    return blueprint

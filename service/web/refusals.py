"""Turns what the lower rooms refuse into problems of the HTTP contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.provisioning.submission import RequestRefused
from service.store.configuration import BuiltIn, InUse, Invalid, NameTaken, UnknownProvider
from service.web.problems import Problem, invalid


@contextmanager
def configuration_problems() -> Iterator[None]:
    """Errors of the configuration as problems: what is named in the address and missing is 404."""
    try:
        yield
    except UnknownProvider as error:
        raise Problem(404, str(error)) from error
    except NameTaken as error:
        raise invalid([("name", str(error))], status=409) from error
    except InUse as error:
        raise Problem(409, str(error), extra={"users": list(error.users)}) from error
    except BuiltIn as error:
        raise Problem(409, str(error)) from error
    except Invalid as error:
        raise invalid(error.problems) from error


@contextmanager
def request_problems() -> Iterator[None]:
    """Refused provisioning requests, and refused changes of deliveries, as problems."""
    try:
        yield
    except RequestRefused as error:
        raise invalid(error.problems, status=error.status) from error

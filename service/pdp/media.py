"""Requests and responses by media type."""

from typing import Final

from service.pdp.errors import RequestError, quoted
from service.pdp.json_profile import parse_json_request
from service.pdp.json_response import encode_json
from service.pdp.limits import DEFAULT_LIMITS, Limits
from service.pdp.request import Request
from service.pdp.request_xml import parse_xml_request
from service.pdp.response import Response
from service.pdp.response2_xml import encode_xml2
from service.pdp.response_xml import encode_xml

XML: Final = "application/xacml+xml"
JSON: Final = "application/xacml+json"


def parse_request(data: bytes, media_type: str, *, limits: Limits = DEFAULT_LIMITS) -> Request:
    """Read a request in `application/xacml+xml` (3.0 or 2.0, by its namespace) or `application/xacml+json`.

    Raises `RequestError` when it is not well-formed, exceeds a limit, or is of another media type. A request
    that is well-formed and all the same invalid is returned: it decides Indeterminate with syntax-error.
    """
    if media_type == XML or _plain(media_type) == XML:
        return parse_xml_request(data, limits)
    if _plain(media_type) == JSON:
        return parse_json_request(data, limits)
    raise RequestError(f"unknown media type {quoted(media_type)}")


def encode_response(response: Response, media_type: str) -> bytes:
    """Write a response in a media type of `parse_request`; in XML in the version that its request spoke.

    Raises `ValueError` for another media type.
    """
    if media_type == XML or _plain(media_type) == XML:
        return encode_xml2(response) if response.version == "2.0" else encode_xml(response)
    if _plain(media_type) == JSON:
        return encode_json(response)
    raise ValueError(f"unknown media type {quoted(media_type)}")


def _plain(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()

"""Entity tags (RFC 9110, section 8.8.3): so that nobody overwrites what they have not seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.http import parse_etags

from service.web.problems import Problem


def etag_of(view: Mapping[str, Any], version: int) -> str:
    """Names one state of a resource. `version` tells apart states that look alike: a secret is shown as a mask."""
    text = json.dumps([version, view], sort_keys=True, ensure_ascii=False)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def require_match(headers: Headers, current: str) -> None:
    """Raise `Problem` 412 when `If-Match` was sent and names no current state (RFC 9110, section 13.1.1)."""
    given = headers.get("If-Match")
    if given is None:
        return
    wanted = parse_etags(given)
    if not wanted.star_tag and not wanted.is_strong(current.strip('"')):
        detail = "it was changed since it was read: read it again and repeat the change on that"
        raise Problem(412, detail, headers=[("ETag", current)])

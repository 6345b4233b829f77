"""The *image* of an entity: a SCIM 2.0 resource as plain JSON, without `id`, `meta`, `schemas`, password and members.

`check_image` makes one from what a caller sent, `apply_patch` makes the next one from a SCIM PATCH. Both are functions
of their arguments. Images are canonical: known attributes are spelled as RFC 7643 spells them, unassigned ones are
absent, and an image checked again is itself. The definitions of attributes are those of `scim2_models`.

    schema     what attributes there are        values     one value against its definition
    check      a whole resource                 patch      the operations of a PATCH, one after the other
    filters    which values a filter selects    target     what a PATCH path leads to
    editing    one attribute's next value       elements   multi-valued attributes
    roster     who joins and who leaves a group
"""

from service.image.check import Image, check_image, naming_attribute
from service.image.errors import FieldError, ImageErrors
from service.image.patch import Patched, apply_patch
from service.image.schema import schemas_of

__all__ = [
    "FieldError",
    "Image",
    "ImageErrors",
    "Patched",
    "apply_patch",
    "check_image",
    "naming_attribute",
    "schemas_of",
]

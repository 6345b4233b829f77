import json
from contextlib import suppress

from hypothesis import assume, example, given
from hypothesis import strategies as st

from service.image import ImageErrors, apply_patch, check_image
from tests.support.images import (
    MULTI_VALUED,
    TEXTS,
    elements,
    json_values,
    operations,
    paths,
    texts,
    user_attributes,
    value_lists,
    words,
)


def image_of(attributes):
    return check_image("user", attributes, name="alice").attributes


def patched(image, *ops):
    return apply_patch("user", image, ops).attributes


@given(user_attributes)
def test_an_image_checked_again_is_itself(attributes):
    image = image_of(attributes)
    assert image_of(image) == image


@given(st.dictionaries(texts | paths, json_values, max_size=5) | json_values, st.sampled_from(["user", "group"]))
def test_whatever_a_caller_sends_is_an_image_or_told_wrong(attributes, entity_type):
    with suppress(ImageErrors):
        checked = check_image(entity_type, attributes, name="alice")
        assert check_image(entity_type, checked.attributes).attributes == checked.attributes
        json.dumps(checked.attributes, allow_nan=False).encode()


@given(user_attributes, st.lists(operations, min_size=1, max_size=4))
def test_after_any_patch_the_image_is_valid(attributes, ops):
    before = image_of(attributes)
    with suppress(ImageErrors):
        after = patched(before, *ops)
        assert check_image("user", after).attributes == after


@given(user_attributes, texts | st.text('emails[type eq "work"].value:urn', max_size=30), json_values)
def test_whatever_a_path_is_it_leads_somewhere_or_is_told_wrong(attributes, path, value):
    with suppress(ImageErrors):
        patched(image_of(attributes), {"op": "add", "path": path, "value": value})


@given(st.lists(operations | json_values, max_size=3) | json_values)
@example([{"op": "add", "path": "members", "value": [{"value": "1"}, {}]}])
def test_whatever_a_patch_of_a_group_is_it_is_applied_or_told_wrong(ops):
    with suppress(ImageErrors):
        after = apply_patch("group", {"displayName": "eng"}, ops).attributes
        assert check_image("group", after).attributes == after


@given(user_attributes, st.sampled_from(MULTI_VALUED), value_lists())
def test_adding_twice_is_adding_once(attributes, name, values):
    add = {"op": "add", "path": name, "value": values}
    once = patched(image_of(attributes), add)
    assert patched(once, add) == once


@given(user_attributes, user_attributes)
def test_adding_a_whole_resource_twice_is_adding_it_once(attributes, more):
    add = {"op": "add", "value": more}
    once = patched(image_of(attributes), add)
    assert patched(once, add) == once


@given(user_attributes, user_attributes)
def test_replacing_twice_is_replacing_once(attributes, more):
    replace = {"op": "replace", "value": more}
    once = patched(image_of(attributes), replace)
    assert patched(once, replace) == once


@given(user_attributes, st.sampled_from(MULTI_VALUED), elements(primary=st.just(False)))
def test_removing_an_added_value_restores_the_image(attributes, name, value):
    before = image_of(attributes)
    assume(all(one.get("value") != value["value"] for one in before.get(name, ())))
    after = patched(before, {"op": "add", "path": name, "value": [value]})
    assert patched(after, {"op": "remove", "path": name, "value": [value]}) == before
    quoted = json.dumps(value["value"])
    # A filter compares without case, so it may select an older value too: the added one is gone in any case.
    by_filter = patched(after, {"op": "remove", "path": f"{name}[value eq {quoted}]"})
    assert value not in by_filter.get(name, ())


@given(user_attributes, st.sampled_from(TEXTS), words)
def test_removing_an_added_attribute_restores_the_image(attributes, path, value):
    without = patched(image_of(attributes), {"op": "remove", "path": path})
    added = patched(without, {"op": "add", "path": path, "value": value})
    assert patched(added, {"op": "remove", "path": path}) == without


@given(user_attributes, st.lists(operations, min_size=2, max_size=4))
def test_operations_take_effect_one_after_the_other(attributes, ops):
    image = image_of(attributes)
    with suppress(ImageErrors):
        whole = patched(image, *ops)
        for one in ops:
            image = patched(image, one)
        assert image == whole


@given(user_attributes, st.sampled_from(MULTI_VALUED), elements())
def test_there_is_never_more_than_one_primary_value(attributes, name, value):
    after = patched(image_of(attributes), {"op": "add", "path": name, "value": [{**value, "primary": True}]})
    assert [one["value"] for one in after[name] if one.get("primary")] == [value["value"]]

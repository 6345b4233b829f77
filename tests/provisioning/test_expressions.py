import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import Misconfigured
from service.providers import ClaimMapping
from service.provisioning import expressions
from service.provisioning.expressions import MOST_TEXT, ExpressionError, TooLarge, is_template, parse
from service.provisioning.mapping import map_attributes, problems

ALICE = {
    "userName": "Alice",
    "name": {"givenName": "Åsa-Lena", "familyName": "O'Neil"},
    "emails": [{"value": "home@x", "type": "home"}, {"value": "work@x", "type": "work", "primary": True}],
    "roles": [{"value": "Doe, Jane"}, {"value": "ops"}],
    "nickName": "a; b ;;c",
    "active": False,
    "externalId": 'x"}|{y',
}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("{userName | lower}@example.com", ("alice@example.com",)),
        ("{http://wso2.org/claims/username|upper}", ("ALICE",)),
        ('{name.familyName | replace("[^A-Za-z]", "")}', ("ONeil",)),
        (r'{userName | replace("(A)(.*)", "\2-\1")}', ("lice-A",)),
        (r'{name.familyName | replace("\\W", "_")}', ("O_Neil",)),
        ('{emails[type eq "work"].value | upper}', ("WORK@X",)),
        ("{emails}", ("work@x", "home@x")),
        ("mailto:{emails}", ("mailto:work@x",)),
        ('{roles | join("; ")}', ("Doe, Jane; ops",)),
        ("{roles | first}", ("Doe, Jane",)),
        ('{nickName | split(";") | upper}', ("A", "B", "C")),
        ('{title | default("none")}', ("none",)),
        ("{title}", ()),
        ("Dr. {title}", ()),
        ("{active}", (False,)),
        ("is {active}", ("is false",)),
        ("{{{userName}}}", ("{Alice}",)),
        ("{externalId}", ('x"}|{y',)),
        ('{title | default("}|\\"\\\\")}', ('}|"\\',)),
    ],
)
def test_a_template_comes_to(template, values):
    assert is_template(template)
    assert parse(template).values(ALICE) == values


@pytest.mark.parametrize(
    ("template", "position", "says"),
    [
        ("{userName", 10, "`}` is missing for the brace at position 1"),
        ("a}b", 2, "`}` closes nothing"),
        ("x{}", 3, "an attribute is missing"),
        ("{user Name}", 2, "is no attribute path"),
        ("{userName | lowr}", 13, "did you mean `lower`?"),
        ("{userName | }", 12, "a function is missing"),
        ("{userName | join}", 13, "`join` takes 1 quoted texts, not 0"),
        ('{userName | lower("x")}', 13, "`lower` takes 0 quoted texts, not 1"),
        ("{userName | join(x)}", 18, "a quoted text is missing"),
        ('{userName | join("x"}', 21, "`)` is missing for the parenthesis at position 17"),
        ('{userName | split("")}', 13, "the separator must not be empty"),
        ('{userName | replace("(", "")}', 13, "is no RE2 pattern"),
        (r'{userName | replace("a(?=b)", "")}', 13, "is no RE2 pattern"),
        (r'{userName | replace("a", "\1")}', 13, "names a group that"),
        ("{userName | __import__}", 13, "a function is missing"),
    ],
)
def test_a_bad_template_is_told_with_field_and_position(template, position, says):
    with pytest.raises(ExpressionError, match=r"^position \d+: ") as caught:
        parse(template)
    if "__" not in template:
        assert caught.value.position == position, str(caught.value)
        assert says in str(caught.value)
    found = problems([ClaimMapping("userName", "uid"), ClaimMapping(template, "mail")])
    assert found == [("claimMappings[1].local", str(caught.value))]


def test_a_path_with_a_brace_in_its_filter_is_no_template():
    assert not is_template('emails[type eq "{work}"].value')
    assert is_template('"{userName}"')


def test_the_mapping_default_stands_in_for_a_template_without_a_value():
    mappings = [ClaimMapping("Dr. {title}", "t", "none"), ClaimMapping("{userName | lower}", "uid", "nobody")]
    assert map_attributes(ALICE, mappings) == {"t": "none", "uid": "alice"}


def test_what_grows_too_large_is_refused_and_not_cut():
    grown = '{userName | replace("", "' + "x" * 500 + '") | replace("", "' + "x" * 100 + '")}'
    with pytest.raises(TooLarge):
        parse(grown).values(ALICE)
    with pytest.raises(Misconfigured, match="claim mapping to `uid`: has a value of more than"):
        map_attributes(ALICE, [ClaimMapping(grown, "uid")])


@given(st.text(st.sampled_from('{}|"\\(),. abujoin[]lower"'), max_size=60) | texts)
def test_any_text_is_a_template_or_an_error_with_a_position_inside_it(text):
    try:
        found = parse(text).values(ALICE)
    except ExpressionError as error:
        position, found = error.position, ()
    else:
        position = 1
    assert 1 <= position <= len(text) + 2
    assert isinstance(found, tuple)


@given(texts.filter(bool))
def test_any_text_is_itself_once_its_braces_are_doubled(text):
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert parse(doubled).values(ALICE) == (text,)


@given(texts)
def test_any_quoted_text_is_itself(text):
    assert parse("{title | default(" + quoted(text) + ")}").values(ALICE) == (text,)


@given(st.lists(texts.filter(str.strip), min_size=1, max_size=8))
def test_what_was_joined_by_an_absent_separator_is_split_again(values):
    whole = {"roles": [{"value": one.strip().replace("\x1f", "")} for one in values]}
    wanted = tuple(one["value"] for one in whole["roles"])
    joined = parse('{roles | join("\x1f")}').values(whole)
    back = parse('{nickName | split("\x1f")}').values({"nickName": joined[0]})
    assert back == tuple(one.strip() for one in wanted if one.strip())


@given(st.text("ab\\'\"é", max_size=30))
def test_values_are_data_and_never_templates(value):
    image = {"userName": "{" + value + "}"}
    assert parse("{userName}").values(image) == (image["userName"],)


def test_a_value_at_the_limit_is_kept_whole():
    assert parse("{userName | upper}").values({"userName": "a" * MOST_TEXT}) == ("A" * MOST_TEXT,)
    assert expressions.MOST_VALUES == 1000

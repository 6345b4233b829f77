import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pdp.regexp import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        # XQuery operators, 7.6.2: a match anywhere, unless anchored
        ("bra", "abracadabra", True),
        ("^a.*a$", "abracadabra", True),
        ("^bra", "abracadabra", False),
        ("", "anything", True),
        # XQuery operators, 7.6.1: anchors are those of the whole text
        ("a$", "a\n", False),
        ("^b", "a\nb", False),
        ("a$b", "ab", False),
        ("(^a|b$)", "xb", True),
        (r"a\$", "a$", True),
        ("[$^]", "$", True),
        ("[^$]", "$", False),
        # XML Schema part 2, appendix F
        (".", "\n", False),
        ("[a-z-[aeiou]]", "e", False),
        ("[a-z-[aeiou]]", "f", True),
        ("[a-z-[a-m-[e]]]", "e", True),
        ("[-a]", "-", True),
        ("-[a]", "-a", True),
        ("-[^a]", "-a", False),
        (r"-[\w]\w", "-éé", True),
        ("[a-]", "-", True),
        ("[a-c^]", "^", True),
        (r"\p{Lu}", "é", False),
        (r"\p{Lu}", "É", True),
        (r"\P{L}", "a", False),
        (r"\p{IsCyrillic}", "ж", True),
        (r"\i\c*:\i\c*", "xs:integer", True),
        (r"^\c+$", "a b", False),
        (r"\d", "٣", True),
        (r"\D", "٣", False),
        (r"[\d]", "٣", True),
        (r"\w", "é", True),
        (r"\w", "_", False),
        (r"\W", "_", True),
        (r"\s", "\u00a0", False),
        (r"\S", "\n", False),
        ("^a{2,3}$", "aaaa", False),
        ("^a{2,}$", "aaaa", True),
        ("^a{0}$", "", True),
        ("a|", "b", True),
        # written by people who know other dialects
        ("^(?:ab)+$", "abab", True),
        ("[(?:]", "?", True),
        ("a.*?b", "aab", True),
    ],
)
def test_an_expression_finds_what_xml_schema_says(pattern: str, text: str, found: bool):
    assert (compile_pattern(pattern).search(text) is not None) is found


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a)\1", r"the back-reference `\1` cannot be matched in linear time"),
        ("(?=a)", "extension notation"),
        ("(?i)a", "extension notation"),
        ("(", "unterminated subpattern"),
        (")", "unbalanced parenthesis"),
        ("[a", "unterminated character class"),
        ("[]", "empty character class"),
        ("[z-a]", "bad character range"),
        ("a**", "unexpected meta character"),
        ("a{2000}", "invalid repetition size"),
        ("((a{100}){100}){100}", "repetition"),
        (r"\bword", r"`\b` is no escape sequence"),
        (r"\Qa\E", r"`\Q` is no escape sequence"),
        (r"[\q]", r"`\q` is no escape sequence"),
        ("a\\", "`\\` is no escape sequence"),
        (r"\p{Foo}", "'Foo'"),
        (r"\p", "truncated unicode block escape"),
        ("a" * 1001, "more than 1000 characters"),
        ("[a-[b-[c-[d-[e-[f-[g-[h-[i]]]]]]]]]", "nested"),
        (r"[\p{L}-[^a]]", "write what shall remain"),
        (r"[\w-[\P{Lu}]]", "write what shall remain"),
        (r"-[\p{L}-[^a]]", "write what shall remain"),
        (r"[^\p{L}]" * 30, "more than 24 escapes"),
    ],
)
def test_an_expression_that_cannot_run_is_refused_with_the_reason(pattern: str, reason: str):
    with pytest.raises(ValueError) as caught:
        compile_pattern(pattern)
    assert reason in str(caught.value)
    assert "no usable regular expression: " in str(caught.value)


def matched_or_refused(pattern: str, text: str) -> bool:
    try:
        compiled = compile_pattern(pattern)
    except ValueError as error:
        return "no usable regular expression: " in str(error)
    compiled.search(text)
    return True


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a+)+$", "a" * 50 + "!"),
        ("^(a|a)*$", "a" * 100_000 + "!"),
        ("(.*)(.*)(.*)(.*)(.*)x", "y" * 100_000),
        (r"^(\w+\s?)*$", "word " * 10_000 + "!"),
        ("(a?){500}a{500}", "a" * 500),
        (r"\w" * 500, "a" * 500),
        (r"[^\p{L}]" * 24, "1" * 24),
        (r"[\p{L}-[\p{Lu}]]" * 12, "a" * 12),
        (r"[\W\D\S]" * 8, "1" * 24),
    ],
)
def test_no_expression_takes_long(pattern: str, text: str):
    began = time.process_time()
    matched_or_refused(pattern, text)
    assert time.process_time() - began < 0.9


@given(st.text(st.sampled_from("ab[]()-^$\\{}0,1?*+|.wdpiL"), max_size=30), st.text(max_size=20))
def test_any_text_is_an_expression_or_refused(pattern: str, text: str):
    assert matched_or_refused(pattern, text)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_an_escaped_text_finds_itself(text: str):
    escaped = "".join(f"\\{char}" if char in "\\|.?*+(){}-[]^$" else char for char in text)
    assert compile_pattern(f"^{escaped}$").search(text) is not None


def test_the_same_expression_is_compiled_once():
    assert compile_pattern("^a+$") is compile_pattern("^a+$")

"""The second opinion on every conformance case of XACML 2.0 that it can judge.

Of 374 cases our engine loads 368; IID029 and IID030 have two root policies each, which are compared alone. Of these 370
comparisons ndg-xacml 0.5.1, as published, judges 61 and agrees in 58. (IIA002 is among them, undecided by both: the
attribute that it needs has no source here.)

Taken at its word, it would agree with 63 published decisions, like its unreleased head. Six of those are right by
accident and not counted: IIB010, IIB011, IIB028 and IIB029 hang on the category of a subject, which it ignores; IIIF002
and IIIF005 want Indeterminate, which is what its XPath looks like when it fails.
"""

from collections import Counter
from functools import cache

import pytest

from service.crosscheck.comparison import Asked, Judged, compare_one
from service.crosscheck.opinion import SecondOpinion
from service.pdp import PolicyErrors
from tests.support.xacml_cases import FOLDER, NOW, cases_2_0, told_xml

CASES = {case.id: case for case in cases_2_0()}

# Our decision and theirs. Theirs is wrong, because of (below `ndg/xacml/core/functions`):
# - IIB014: v1/equal.py, EqualBase.evaluate: it compares x500Names as plain text, so that case and spaces count. They
#   are equal when their relative distinguished names are (2.0 core, appendix A.3.1).
# - IIIG002: v1/equal.py, EqualBase.evaluate: it compares the two paths. xpath-node-equal is about the nodes that they
#   select (2.0 core, appendix A.3.15).
# - IIIG004: v1/match.py, MatchBase.evaluate: it compares the two paths. xpath-node-match is about the nodes that they
#   select and those below (2.0 core, appendix A.3.15).
DIFFERENCES = {
    "IIB014": ("Permit", "NotApplicable"),
    "IIIG002": ("Permit", "NotApplicable"),
    "IIIG004": ("Permit", "NotApplicable"),
}

# IIA002 needs an attribute that the request lacks. Neither engine is given a source for it here.
WITHOUT_A_SOURCE = {"IIA002"}


@pytest.fixture(scope="module")
def other():
    with SecondOpinion() as opinion:
        yield opinion


@pytest.fixture(scope="module")
def comparisons(other):
    """The comparisons of a case, one for each root policy; each case is compared once."""

    @cache
    def of(id_):
        case = CASES[id_]
        files = [(path.name, path.read_bytes()) for path in (*case.policies, *case.references)]
        request = Asked(case.request.name, case.request.read_bytes())
        roots = files[: len(case.policies)]
        return [
            compare_one(Judged(root, [each for each in files if each is not root]), request, other, now=NOW)
            for root in roots
        ]

    return of


@pytest.mark.parametrize("id_", CASES)
def test_both_engines_agree_where_both_can_judge(id_, comparisons):
    if CASES[id_].refused:
        with pytest.raises(PolicyErrors):
            comparisons(id_)
        return
    found = comparisons(id_)
    differing = [(each.ours, each.theirs) for each in found if each.outcome == "differ"]
    assert differing == ([DIFFERENCES[id_]] if id_ in DIFFERENCES else [])
    assert all(each.reasons for each in found if each.outcome == "cannot judge")
    if len(found) == 1 and id_ not in WITHOUT_A_SOURCE:
        published = [result["decision"] for result in told_xml(CASES[id_].response.read_bytes())]
        assert found[0].outcome == "cannot judge" or [found[0].ours] == published


def test_sixty_one_decisions_are_judged(comparisons):
    if not FOLDER.is_dir():
        pytest.skip(f"the conformance cases are not here: {FOLDER}")
    found = [each for id_, case in CASES.items() if not case.refused for each in comparisons(id_)]
    assert Counter(each.outcome for each in found) == {"cannot judge": 309, "agree": 58, "differ": 3}

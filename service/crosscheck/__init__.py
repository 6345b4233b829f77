"""A second opinion on policies: ndg-xacml 0.5.1, an engine that others wrote, asked the same as ours.

It is never in the decision path: only the command line and the tests ask it. It runs in a process of its own, with a
time limit, because its regular expressions can hang. It reads XACML 2.0 only, and of that a part: what it cannot judge
is listed with the reason and never counted as agreement.

- `comparison` puts the same requests to both engines, one root policy at a time; `report` tells the result.
- `reach` finds what the other engine cannot judge, `opinion` asks it through a pipe.
- `judge` is the process at the other end of the pipe, `engine` drives ndg-xacml there, and `translation` makes it
  importable: it was written for Python 2.
"""

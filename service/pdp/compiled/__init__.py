"""The compiled engine: policies become closures over an index of the equality matches in their targets.

It reports what the plain evaluator (`service.pdp.evaluator`) reports, in every detail; what it saves is looking
at rules that cannot match. `expressions` and `targets` make closures, `facets` says what a rule or policy cannot
do without, `index` finds the candidates, `policies` puts it together.
"""

from service.pdp.compiled.policies import compiled_evaluation

__all__ = ["compiled_evaluation"]

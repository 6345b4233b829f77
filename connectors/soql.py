"""Salesforce's query language, as far as this side writes it: conditions of equality, with every value escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# SOQL and SOSL Reference, Quoted String Escape Sequences.
_ESCAPES = str.maketrans(
    {
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\b": "\\b",
        "\f": "\\f",
    }
)


def quoted(value: str) -> str:
    """A value as a string literal that no value can end early."""
    return f"'{value.translate(_ESCAPES)}'"


def select(fields: Iterable[str], source: str, conditions: Mapping[str, str | Iterable[str]]) -> str:
    """A query for records whose fields equal a value, or one of several."""
    clauses = [
        f"{field} = {quoted(value)}" if isinstance(value, str) else f"{field} IN ({', '.join(map(quoted, value))})"
        for field, value in conditions.items()
    ]
    return f"SELECT {', '.join(dict.fromkeys(fields))} FROM {source} WHERE {' AND '.join(clauses)}"  # noqa: S608

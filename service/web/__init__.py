"""The only room that knows Flask: the HTTP API, who may use it, and its errors.

`app` makes the application from `services`. An endpoint is a method marked with `operations.operation`; what it takes
and answers are the models of the `*_schemas` files, from which `openapi` is written and bodies are checked.
"""

"""What holds for all tests."""

from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("sluice", deadline=None)
settings.load_profile("sluice")

# A project of its own, with tests that run in it: tests/connectors/test_plugin_example.py does.
collect_ignore = ["plugin_example"]

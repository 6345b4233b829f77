import ast
from pathlib import Path

SERVICE = Path(__file__).parent.parent / "service"


def nodes():
    for path in SERVICE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path.relative_to(SERVICE).as_posix(), node


def calls_of(function):
    return sorted(path for path, node in nodes() if isinstance(node, ast.Call) and ast.unparse(node.func) == function)


def test_the_policy_is_asked_in_one_place_of_the_running_service():
    """The command line asks too, about files, and sends nothing."""
    assert calls_of("pep.enforce") == ["policy_commands.py", "provisioning/gate.py"]


def test_a_connector_is_started_only_behind_the_gate_or_in_a_dry_run():
    assert calls_of("connector.provision") == ["provisioning/courier.py", "provisioning/trial.py"]


def test_no_code_sets_a_deliverys_state_by_hand():
    targets = [(path, t) for path, node in nodes() if isinstance(node, ast.Assign) for t in node.targets]
    assert [path for path, target in targets if ast.unparse(target) == "delivery.state"] == []

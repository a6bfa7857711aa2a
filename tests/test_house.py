"""The rules of the house: which module may import which, and how large one may grow."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ingest"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("commands", "demo", "doctor"),
    ("service",),
    ("supervisor",),
    ("reload", "status_line", "own_folder", "last_resort"),
    ("slot", "exposition", "preload", "partition_watch"),
    ("forkserver",),
    ("source", "sink"),
    ("kafka", "emulator"),
    ("amqp", "deadletter"),
    ("insist",),
    ("child", "failing_fork", "outlive", "within"),
    ("metrics", "logs", "memory", "backoff", "deadline", "sd_notify", "signals", "waits", "turns", "http_port"),
    ("config",),
    ("config_values",),
    ("extras",),
    ("errors", "device_id", "printable", "scarcity", "tls", ""),
)
"""Top to bottom; a module imports only from layers below its own, or from its own package."""

HEAVY = {"azure", "confluent_kafka", "aiohttp", "cryptography", "rich", "prometheus_client", "uamqp"}
"""Only for the child or command that needs them: `ingest --help` and the supervisor's fork server come without."""

LIGHT_MODULES = (
    "cli",
    "__main__",
    "errors",
    "config",
    "config_values",
    "metrics",
    "child",
    "logs",
    "amqp",
    "deadletter",
    "printable",
)


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        dotted = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        yield dotted.removesuffix(".__init__"), path


def top(dotted: str) -> str:
    """`ingest.source.record` → `source`; `ingest` itself → ``."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path, *, at_import_time_only: bool) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and at_import_time_only
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if lazy or typing_only:
            skipped.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            if node.module == "ingest":
                yield from (
                    (node.lineno, f"ingest.{alias.name}") for alias in node.names if alias.name != "__version__"
                )


def layer(name: str) -> int:
    return next(depth for depth, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize(("dotted", "path"), [pytest.param(*module, id=module[0]) for module in modules()])
def test_imports_go_downwards_only(dotted: str, path: Path) -> None:
    own = top(dotted)
    for line, imported in imports(path, at_import_time_only=False):
        if imported.partition(".")[0] != "ingest" or top(imported) == own:
            continue
        if top(imported) == "emulator":
            assert own in ("cli", "commands", "demo"), (
                f"{path.name}:{line}: only the demo and the command use the emulator"
            )
        assert layer(top(imported)) > layer(own), f"{dotted}:{line} imports {imported}, which is not below it"


@pytest.mark.parametrize("light", LIGHT_MODULES)
def test_what_every_process_imports_is_light(light: str) -> None:
    for dotted, path in modules():
        if top(dotted) == light:
            for line, imported in imports(path, at_import_time_only=True):
                assert imported.partition(".")[0] not in HEAVY, f"{dotted}:{line} imports {imported} at import time"


def test_no_module_has_outgrown_its_job() -> None:
    lengths = {dotted: len(path.read_text(encoding="utf-8").splitlines()) for dotted, path in modules()}
    assert {dotted: lines for dotted, lines in lengths.items() if lines > 400} == {}


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    assert [
        dotted for dotted, _ in modules() if dotted.rpartition(".")[2] in ("utils", "helpers", "common", "misc")
    ] == []

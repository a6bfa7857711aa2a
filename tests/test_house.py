"""The rules of the house: which module may import which, what is light, and how large a module can grow."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ingest"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("audit", "replay"),
    ("demo", "doctor", "service", "migrate", "shadow"),
    ("source", "sink", "emulator", "cluster"),
    ("kafka", "hub", "process", "discovery"),
    ("config", "metrics", "amqp"),
    ("logs", "timing", "extras"),
    ("recent_warnings",),
    ("errors", "printable", "scarcity", "instants", "early_signals", "address", "listeners"),
    ("",),
)
"""Top to bottom; a module imports only from floors below its own, or from its own package."""

ROOMS: Mapping[str, tuple[str, ...]] = {
    "source": (
        "preload",
        "partition",
        "discover",
        "instrumentation",
        "ownership",
        "stand_by",
        "exactly_once",
        "first_checkpoint",
        "endpoint",
        "preflight",
        "catch_up_turn",
        "steps",
        "delivery",
        "receiving",
        "transport",
        "checkpoints",
        "hot_path",
        "core",
        "formats",
        "events",
    ),
    "sink": (
        "preload",
        "trial",
        "worker",
        "instrumentation",
        "ending",
        "feedback",
        "sending",
        "preflight",
        "pacing",
        "intake",
        "commands",
    ),
    "emulator": (
        "emulator",
        "refused_links",
        "mqtt",
        "c2d",
        "server",
        "control",
        "telemetry",
        "devices",
        "stats",
        "device_registry",
        "amqp",
        "keys",
        "conditions",
        "errors",
        "certificate",
        "changes",
        "loop_thread",
    ),
}
"""Of a package, top to bottom, as the floors above."""

HEAVY = {"azure", "confluent_kafka", "aiohttp", "cryptography", "rich", "prometheus_client", "uamqp"}
"""Only for the child or command that needs them."""

SERVES_METRICS = HEAVY - {"prometheus_client"}
LIGHT = {
    "__main__": HEAVY,
    "cli.main": HEAVY,
    "process.child": HEAVY,
    "process.forkserver": HEAVY,
    "service.supervisor": SERVES_METRICS,
    "service.run": SERVES_METRICS,
    "source.preload": {"azure", "uamqp", "aiohttp"},
    "doctor.event_hub": {"azure", "uamqp", "aiohttp"},
}
"""What `ingest --help`, the fork server, the supervisor, the partitions and the doctor are made of → what they, and all that they
import, come without."""


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted names without `ingest.`; the package itself is ``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        dotted = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield dotted.removesuffix("__init__").rstrip("."), path


PATHS = dict(modules())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, *, at_import_time_only: bool) -> Iterator[tuple[int, str]]:
    """Line and full name of each import; `from package import module` gives the module."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree(path)):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if at_import_time_only and (lazy or typing_only):
            skipped.update(ast.walk(node))
    for node in ast.walk(tree(path)):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield node.lineno, name if name.removeprefix("ingest.") in PATHS else node.module


def own_imports(path: Path, *, at_import_time_only: bool = False) -> Iterator[tuple[int, str]]:
    """Those of modules of ingest, without `ingest.`."""
    for line, name in imported(path, at_import_time_only=at_import_time_only):
        if name.partition(".")[0] == "ingest":
            yield line, name.removeprefix("ingest").lstrip(".")


def place(name: str, order: tuple[tuple[str, ...], ...]) -> int:
    return next(depth for depth, names in enumerate(order) if name in names)


def part(dotted: str, depth: int) -> str:
    """`source.formats.json` at depth 1 → `formats`."""
    parts = dotted.split(".")
    return parts[depth] if len(parts) > depth else ""


every_module = pytest.mark.parametrize(
    ("dotted", "path"), [pytest.param(*module, id=module[0] or "ingest") for module in modules()]
)


@every_module
def test_imports_go_downwards_only(dotted: str, path: Path) -> None:
    own = part(dotted, 0)
    for line, name in own_imports(path):
        top = part(name, 0)
        if top == own:
            continue
        assert top != "emulator" or own in ("cli", "demo"), (
            f"{dotted}:{line}: only the demo and the command use the emulator"
        )
        assert place(top, FLOORS) > place(own, FLOORS), f"{dotted}:{line} imports {name}, which is not below it"


@every_module
def test_inside_a_package_imports_go_downwards_only(dotted: str, path: Path) -> None:
    package, room = part(dotted, 0), part(dotted, 1)
    if package not in ROOMS or not room:
        return
    order = tuple((each,) for each in ROOMS[package])
    for line, name in own_imports(path):
        if part(name, 0) == package and part(name, 1) not in ("", room):
            below = place(part(name, 1), order) > place(room, order)
            assert below, f"{dotted}:{line} imports {name}, which is not below it"


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports for types alone count: nobody understands one of such modules without the others."""
    graph = {dotted: {name for _, name in own_imports(path) if name in PATHS} - {dotted} for dotted, path in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(reversed(error.args[1]))}")


def all_imports(dotted: str) -> set[str]:
    """The modules of ingest that are imported with this one, itself included."""
    seen: set[str] = set()
    waiting = [dotted]
    while waiting:
        name = waiting.pop()
        # Importing a module imports the packages around it.
        around = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
        for module in {name, *around} - seen:
            seen.add(module)
            waiting += [each for _, each in own_imports(PATHS[module], at_import_time_only=True) if each in PATHS]
    return seen


@pytest.mark.parametrize(("light", "heavy"), LIGHT.items())
def test_what_every_process_imports_is_light(light: str, heavy: set[str]) -> None:
    modules_seen = all_imports(light)
    assert len(modules_seen) > 1
    for module in modules_seen:
        for line, name in imported(PATHS[module], at_import_time_only=True):
            assert name.partition(".")[0] not in heavy, f"{module}:{line} imports {name} at import time"


def test_the_help_of_all_commands_imports_none_of_their_parts() -> None:
    """What a command is made of is imported when it runs: `--help` and a wrong option cost no more than the command line."""
    assert {part(name, 0) for name in all_imports("cli.main")} == {"cli", "errors", "extras", "printable"}


MAKES_KAFKA_CLIENTS = "kafka.client"


@every_module
def test_clients_of_kafka_are_made_in_one_place(dotted: str, path: Path) -> None:
    """Elsewhere one would lack the settings that all have in common, or the errors that say why there is none."""
    if dotted == MAKES_KAFKA_CLIENTS:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            assert name not in ("Producer", "Consumer", "AdminClient"), (
                f"{dotted}:{node.lineno}: use {MAKES_KAFKA_CLIENTS}"
            )


def test_no_module_has_outgrown_its_job() -> None:
    lengths = {dotted: len(path.read_text(encoding="utf-8").splitlines()) for dotted, path in modules()}
    assert {dotted: lines for dotted, lines in lengths.items() if lines > 400} == {}


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    assert [dotted for dotted in PATHS if dotted.rpartition(".")[2] in ("utils", "helpers", "common", "misc")] == []

"""The service's directions with toy children (`tests.process.children`) in the place of those that talk to services."""

from dataclasses import replace

from ingest.service.roles import Direction, all_directions


def toy_directions(**children: str) -> dict[str, Direction]:
    """`discovery`, `look_again`, `trial` (of the sink), and the roles `source`, `sink`, `feedback` → name of the toy."""
    made = all_directions()
    for what, child in children.items():
        use(made, what, child)
    return made


def use(directions: dict[str, Direction], what: str, child: str) -> None:
    """The processes that are started from now on."""
    entry = f"tests.process.children:{child}"
    source, sink = directions["source"], directions["sink"]
    match what:
        case "discovery":
            directions["source"] = replace(source, discovery=entry, trial=entry)
        case "look_again":
            directions["source"] = replace(source, look_again=entry)
        case "trial":
            directions["sink"] = replace(sink, trial=entry)
        case role:
            for name, direction in directions.items():
                roles = tuple(replace(each, entry=entry) if each.name == role else each for each in direction.roles)
                directions[name] = replace(direction, roles=roles)

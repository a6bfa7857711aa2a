"""Every place that says for which Pythons ingest is agrees with `requires-python`."""

import re
import tomllib

from packaging.specifiers import SpecifierSet

from tests.services import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MINORS = [minor for minor in range(30) if f"3.{minor}.0" in SpecifierSet(PROJECT["requires-python"])]
VERSIONS = [f"3.{minor}" for minor in MINORS]


def test_the_classifiers() -> None:
    prefix = "Programming Language :: Python :: "
    assert [each.removeprefix(prefix) for each in PROJECT["classifiers"] if each.startswith(prefix)] == VERSIONS


def test_what_makes_environments_takes_the_same_interpreters() -> None:
    newest_first = " ".join(f"python{version}" for version in reversed(VERSIONS))
    for path in ("Makefile", "systemd/install.sh"):
        text = (ROOT / path).read_text()
        assert f"(3, {MINORS[0]}) <= sys.version_info < (3, {MINORS[-1] + 1})" in text, path
        assert f"python3 {newest_first}" in text, path


def test_what_people_read_names_them_all() -> None:
    all_of_them = f"{', '.join(VERSIONS[:-1])} or {VERSIONS[-1]}"
    for path in ("README.md", "CONTRIBUTING.md", "Makefile", "systemd/install.sh"):
        named = re.findall(r"3\.\d+(?:, 3\.\d+)+ or 3\.\d+", (ROOT / path).read_text())
        assert named, path
        assert set(named) == {all_of_them}, path

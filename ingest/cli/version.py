"""`ingest --version`, and with `-v` how this installation was built."""

import platform

from ingest import __version__


def run(*, verbose: bool) -> int:
    print(f"ingest {__version__}")
    if verbose:
        from ingest.source import hot_path

        print(
            f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
        )
        print(hot_path.sentence())
    return 0

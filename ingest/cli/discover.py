"""`ingest discover`: finds settings, and prints them as TOML or merges them into a configuration file."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli.parsers import Commands, add_command
from ingest.errors import EXIT_OK, Refused
from ingest.printable import printable

if TYPE_CHECKING:
    from ingest.config import Secret
    from ingest.discovery.found import Found


def add(commands: Commands) -> None:
    group = add_command(
        commands,
        "discover",
        "Find Kafka's brokers through Ambari, or a hub's connection strings in the output of az.",
        "Prints TOML, or merges it into the configuration with --write.",
        "ingest discover ambari --url https://CLUSTER.azurehdinsight.net --user admin --write ingest.toml",
        None,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION")
    ambari = add_command(
        actions,
        "ambari",
        "Ask Ambari, which HDInsight has, for Kafka's brokers and their port.",
        "On the head node the address is http://headnodehost:8080, from outside https://CLUSTER.azurehdinsight.net.\n"
        "Without a file for the password, the command asks for it on the terminal.",
        "ingest discover ambari --url http://headnodehost:8080 --user admin --password-file ambari-password",
        _ambari,
    )
    ambari.add_argument("--url", required=True, metavar="URL", help="Ambari's address; http or https")
    ambari.add_argument("--user", default="admin", metavar="NAME", help="a user of Ambari (default: admin)")
    ambari.add_argument("--password-file", type=Path, metavar="FILE", help="the user's password")
    ambari.add_argument("--cluster", metavar="NAME", help="the cluster, if there are several")
    ambari.add_argument(
        "--protocol",
        choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        help="listener of the brokers (default: the one that asks the least of a client)",
    )
    ambari.add_argument("--ca-file", type=Path, metavar="FILE", help="extra certification authority for TLS (PEM)")
    _add_output(ambari)
    az = add_command(
        actions,
        "az",
        "Read what the Azure CLI prints about an IoT hub, from stdin.",
        "Several outputs can follow each other, as JSON or bare text: those of `az iot hub show`, `az iot hub policy show`\n"
        "and `az iot hub connection-string show`, with or without --query, of any version. On a terminal, secrets are\n"
        "printed as ***.",
        "(az iot hub show -n HUB; az iot hub policy show --hub-name HUB -n service) | ingest discover az --write ingest.toml",
        _az,
    )
    az.add_argument("--hub", metavar="NAME", help="the hub, if the outputs are of several")
    _add_output(az)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="merge into this file, which keeps its comments; its mode becomes 600",
    )
    parser.add_argument(
        "--replace-secrets", action="store_true", help="with --write: replace secrets that the file already has"
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON instead of TOML")


def _ambari(args: argparse.Namespace) -> int:
    from ingest.discovery.ambari import base_url, discover
    from ingest.discovery.http import JsonClient

    url = base_url(args.url)
    client = JsonClient(url, args.user, _password(args), ca_file=args.ca_file)
    return _deliver(discover(client.get, cluster=args.cluster, protocol=args.protocol), args)


def _az(args: argparse.Namespace) -> int:
    from ingest.discovery.azure_cli import discover
    from ingest.discovery.cli_output import MOST_BYTES, decoded

    if sys.stdin.isatty():
        raise Refused(
            "there is nothing on stdin: pipe in what az prints, as `az iot hub show -n HUB | ingest discover az`"
        )
    return _deliver(discover(decoded(sys.stdin.buffer.read(MOST_BYTES + 1)), hub=args.hub), args)


def _password(args: argparse.Namespace) -> "Secret":
    from ingest.config import Secret, secret_files
    from ingest.config.values import BadValue

    if args.password_file is not None:
        try:
            return Secret(secret_files.read(args.password_file))
        except BadValue as error:
            raise Refused(f"--password-file: {error}") from None
    if not sys.stdin.isatty():
        raise Refused("--password-file is missing, and there is no terminal to ask for the password on")
    from getpass import getpass

    return Secret(getpass(f"Password of {printable(args.user)}: "))


def _deliver(found: "Found", args: argparse.Namespace) -> int:
    from ingest.config import Secret
    from ingest.config.layers import dotted

    if args.write is not None:
        _write(args.write, found, replace_secrets=args.replace_secrets)
        for note in found.notes:
            print(printable(note), file=sys.stderr)
        return EXIT_OK
    hide_secrets = sys.stdout.isatty()
    if args.as_json:
        shown = {
            dotted(name): ("***" if hide_secrets else value.reveal()) if isinstance(value, Secret) else value
            for name, value in found.settings.items()
        }
        print(json.dumps({"settings": shown, "notes": found.notes}))
    else:
        from ingest.discovery.toml import rendered

        print(rendered(found, hide_secrets=hide_secrets), end="")
    return EXIT_OK


def _write(path: Path, found: "Found", *, replace_secrets: bool) -> None:
    from ingest.config.layers import dotted
    from ingest.discovery.merging import merge_into

    for change in merge_into(path, found, replace_secrets=replace_secrets, environ=os.environ):
        print(printable(change), file=sys.stderr)
    print(f"{path}: {', '.join(map(dotted, found.settings))}")

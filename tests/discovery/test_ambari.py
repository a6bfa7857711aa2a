"""Kafka's brokers, out of the answers of Ambari."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.discovery.ambari import Get, base_url, discover
from ingest.discovery.http import Answer
from ingest.errors import IngestError, Refused, Unreachable

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "ambari.json").read_text())
ROOT = "/api/v1/clusters"
DESIRED = f"{ROOT}/mykafka?fields=Clusters/desired_configs/kafka-broker"
BROKERS = f"{ROOT}/mykafka/services/KAFKA/components/KAFKA_BROKER"
WORKERS = [f"wn{number}-mykafk.w5ijyohcxt5uvdhhuaz5ra4u5f.ex.internal.cloudapp.net" for number in range(3)]

Bodies = dict[str, Any]


def bodies() -> Bodies:
    """The answers with status 200, by their paths."""
    return {each["path"]: copy.deepcopy(each["body"]) for each in VECTORS if each.get("status") == 200}


def get_of(answers: Mapping[str, object]) -> Get:
    def get(path: str) -> Answer:
        found = answers.get(path)
        if isinstance(found, Answer):
            return found
        return (
            Answer(404, {"status": 404, "message": f"not there: {path}"}, "")
            if found is None
            else Answer(200, found, "")
        )

    return get


def failing(number: int) -> Answer:
    """Of the vectors with an error, this one."""
    each = [vector for vector in VECTORS if vector.get("status", 200) != 200][number]
    return Answer(each["status"], each["body"], each.get("headers", {}).get("WWW-Authenticate", ""))


def test_the_brokers_of_the_how_to_s_cluster() -> None:
    found = discover(get_of(bodies()), cluster=None, protocol=None)
    assert found.settings == {("kafka", "bootstrap_servers"): ",".join(f"{host}:9092" for host in WORKERS)}
    assert found.notes[0] == "Ambari's cluster mykafka: 3 brokers, listener PLAINTEXT."
    assert "zk0-mykafk" in found.notes[1]
    assert ":2181" in found.notes[1]


def test_the_listener_of_the_version_that_is_in_force() -> None:
    answers = bodies()
    answers[DESIRED]["Clusters"]["desired_configs"]["kafka-broker"]["tag"] = "version3"
    found = discover(get_of(answers), cluster="mykafka", protocol=None)
    assert str(found.settings["kafka", "bootstrap_servers"]).endswith(":9092")
    assert found.notes[1] == "The brokers also listen for SSL: choose with --protocol."
    assert "zk0-mykafk" in found.notes[2], "asked for where Kafka's configuration does not say it"
    with_tls = discover(get_of(answers), cluster="mykafka", protocol="SSL")
    assert with_tls.settings == {
        ("kafka", "bootstrap_servers"): ",".join(f"{host}:9093" for host in WORKERS),
        ("kafka", "librdkafka", "security.protocol"): "ssl",
    }


@pytest.mark.parametrize("status", [404, 503])
def test_without_zookeeper_the_brokers_are_found_all_the_same(status: int) -> None:
    answers = bodies()
    answers[DESIRED]["Clusters"]["desired_configs"]["kafka-broker"]["tag"] = "version3"
    answers[f"{ROOT}/mykafka/services/ZOOKEEPER/components/ZOOKEEPER_SERVER"] = Answer(status, "", "")
    found = discover(get_of(answers), cluster=None, protocol=None)
    assert len(found.settings) == 1
    assert "ZooKeeper" not in str(found.notes)


def test_a_host_can_have_a_configuration_of_its_own() -> None:
    answers = bodies()
    desired = answers[DESIRED]["Clusters"]["desired_configs"]["kafka-broker"]
    desired["host_overrides"] = [{"host_name": WORKERS[1], "tag": "own"}, {"host_name": "elsewhere", "tag": "x"}]
    answers[f"{ROOT}/mykafka/configurations?type=kafka-broker&tag=own"] = {
        "items": [{"properties": {"listeners": "PLAINTEXT://localhost:9192"}}]
    }
    servers = discover(get_of(answers), cluster=None, protocol=None).settings["kafka", "bootstrap_servers"]
    assert servers == f"{WORKERS[0]}:9092,{WORKERS[1]}:9192,{WORKERS[2]}:9092"


@pytest.mark.parametrize(
    ("path", "answer", "named"),
    [
        (ROOT, failing(0), "Unable to sign in. Invalid username/password combination.; check --user"),
        (ROOT, failing(1), "asks for Kerberos"),
        (BROKERS, failing(3), "serviceName=KAFKA"),
        (ROOT, failing(4), "X-Requested-By"),
        (ROOT, Answer(302, "", "", "https://elsewhere/"), "redirected to https://elsewhere/"),
        (ROOT, Answer(200, "<html>sign in</html>", ""), "not by Ambari"),
        (ROOT, {"items": []}, "Ambari has no cluster"),
        (ROOT, {"items": 7}, "no list in items"),
        (ROOT, {"items": [{"Clusters": {}}]}, "no Clusters.cluster_name"),
        (BROKERS, {"host_components": []}, "has no Kafka broker"),
        (BROKERS, {"host_components": [{"HostRoles": {"host_name": "a b"}}]}, "no name of one"),
        (BROKERS, {"host_components": [{}] * 1001}, "names 1001 hosts"),
        (DESIRED, {"Clusters": {}}, "no Clusters.desired_configs.kafka-broker"),
        (f"{ROOT}/mykafka/configurations?type=kafka-broker&tag=version2", {"items": [{}]}, "no properties"),
        (
            f"{ROOT}/mykafka/configurations?type=kafka-broker&tag=version2",
            {"items": [{"properties": {}}]},
            "no listener in its configuration",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(path: str, answer: object, named: str) -> None:
    with pytest.raises(Refused) as caught:
        discover(get_of({**bodies(), path: answer}), cluster=None, protocol=None)
    assert named in str(caught.value)
    assert len(str(caught.value)) < 600


def test_which_cluster() -> None:
    answers = bodies()
    with pytest.raises(Refused, match="case-sensitive, did you mean mykafka"):
        discover(get_of(answers), cluster="MyKafka", protocol=None)
    with pytest.raises(Refused, match="no cluster other: Ambari has mykafka"):
        discover(get_of(answers), cluster="other", protocol=None)
    answers[ROOT]["items"] += [{"Clusters": {"cluster_name": "second"}}]
    with pytest.raises(Refused, match=r"2 clusters \(mykafka, second\): choose one with --cluster"):
        discover(get_of(answers), cluster=None, protocol=None)
    discover(get_of(answers), cluster="mykafka", protocol=None)
    with pytest.raises(Refused, match="no listener for SASL_SSL, but PLAINTEXT at 9092"):
        discover(get_of(answers), cluster="mykafka", protocol="SASL_SSL")


def test_a_busy_ambari_may_be_asked_again() -> None:
    with pytest.raises(Unreachable, match="try again later"):
        discover(get_of({ROOT: Answer(503, "starting", "")}), cluster=None, protocol=None)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://headnodehost:8080", "http://headnodehost:8080"),
        (" https://x.azurehdinsight.net/#/main/dashboard ", "https://x.azurehdinsight.net"),
        ("http://headnodehost:8080/api/v1/clusters/", "http://headnodehost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_address_can_be_of_any_page(url: str, base: str) -> None:
    assert base_url(url) == base


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("headnodehost:8080", "is no address"),
        ("ftp://x", "is no address"),
        ("http://x:port", "is no address"),
        ("http://[", "is no address"),
        ("http://x:0", "is no address"),
        ("http://admin:hun/ter2@x:8080", "has a user and password in it"),
        ("admin:hunter2@x:8080", "has a user and password in it"),
        ("https://admin:hunter2@x", "--password-file"),
        ("http://x.azurehdinsight.net", "write https://x.azurehdinsight.net"),
    ],
)
def test_an_address_that_will_not_do(url: str, named: str) -> None:
    with pytest.raises(Refused, match=named) as caught:
        base_url(url)
    assert "hunter2" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["items", "Clusters", "host_components", "HostRoles", "tag", "properties"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.lists(json_values, min_size=5, max_size=5))
def test_any_answer_ends_in_words(replies: list[object]) -> None:
    answers = bodies()
    paths = list(answers)
    for path, reply in zip(paths, replies, strict=False):
        if reply is not None:
            answers[path] = reply
    try:
        discover(get_of(answers), cluster="mykafka", protocol=None)
    except IngestError as error:
        assert str(error)  # noqa: PT017

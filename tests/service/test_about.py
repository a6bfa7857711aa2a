import orjson

from ingest.cluster.node import client_id
from ingest.config import Config, load
from ingest.service.about import about
from tests.config.samples import EVENT_HUB, IOT_HUB

BOTH = ("source", "sink")


def config(**environ: str) -> Config:
    return load(None, environ={f"INGEST__{name}": value for name, value in environ.items()}, for_command="print-config")


def test_it_names_where_data_comes_from_and_goes_to_and_no_key() -> None:
    told = about(
        config(HUB__EVENT_HUB_CONNECTION_STRING=EVENT_HUB, HUB__IOT_HUB_CONNECTION_STRING=IOT_HUB, SINK__ACK="full"),
        BOTH,
        {},
    )
    assert told.source is not None
    assert told.sink is not None
    assert (told.source["topic"], told.source["consumer_group"]) == ("iotin", "$Default")
    assert (told.sink["topics"], told.sink["feedback_topic"]) == (("iotout",), "iotfeedback")
    assert "SharedAccess" not in repr(told)
    for text in (EVENT_HUB, IOT_HUB):
        key = text.partition("SharedAccessKey=")[2].partition(";")[0]
        assert key
        assert key not in repr(told)


def test_a_direction_that_does_not_run_is_not_told() -> None:
    only = config(HUB__EVENT_HUB_CONNECTION_STRING=EVENT_HUB)
    assert about(only, BOTH, {}).sink is None
    assert about(only, ("sink",), {}).source is None
    assert about(only, BOTH, {}, True).stopping
    assert not about(only, BOTH, {}).cluster


def test_every_node_of_the_group_is_told_with_its_address_and_partitions() -> None:
    members = {
        "somebody": ["2"],
        client_id("10.0.0.7", 9464): ["0", "1"],
        f"{client_id('10.0.0.8', 9464)}/5a0b6f0e-0000-4000-8000-000000000000": ["3"],
    }
    ours, in_blobs, theirs = about(config(), BOTH, members).cluster["nodes"]
    assert (ours["url"], ours["partitions"]) == ("http://10.0.0.7:9464", ["0", "1"])
    assert (in_blobs["node"], in_blobs["url"]) == (ours["node"], "http://10.0.0.8:9464")
    assert theirs == {"node": "somebody", "url": None, "partitions": ["2"]}


def test_names_that_other_programs_gave_themselves_are_printable() -> None:
    hostile = {"ingest/edge\u202e1/127.0.0.1\x1b:1": ["0"], "</script>\u202e\ud800": ["1"]}
    nodes = about(Config(), (), hostile).cluster["nodes"]
    assert [each["node"] for each in nodes] == ["</script>\\u202e\\ud800", "edge\\u202e1"]
    assert nodes[1]["url"] == "http://127.0.0.1\\x1b:1"
    orjson.dumps(nodes)

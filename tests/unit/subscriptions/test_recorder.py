from __future__ import annotations

from towline.broker.incoming import Incoming
from towline.subscriptions.recorder import (
    LARGEST,
    MOST_BYTES,
    MOST_TOPICS,
    PER_TOPIC,
    Recorder,
)


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


def recorder() -> Recorder:
    return Recorder(clock=Clock())


def test_messages_are_found_by_topic_and_text() -> None:
    kept = recorder()
    for topic, payload in (("a/b", b"One"), ("a/c", b"two"), ("d", b"one"), ("e/ONE", b"x")):
        kept.take(Incoming(topic, payload))
    assert [m.topic for m in kept.find()] == ["a/b", "a/c", "d", "e/ONE"]
    assert [m.topic for m in kept.find("a/+")] == ["a/b", "a/c"]
    assert [m.topic for m in kept.find("#", "one")] == ["a/b", "d", "e/ONE"]
    assert [row["topic"] for row in kept.topics("a/#")] == ["a/b", "a/c"]


def test_a_chatty_topic_drives_out_no_other() -> None:
    kept = recorder()
    kept.take(Incoming("quiet", b"1"))
    for number in range(10_000):
        kept.take(Incoming("chatty", b"%d" % number))
    assert len(kept.find("quiet")) == 1
    assert [m.payload for m in kept.find("chatty")][-1] == b"9999"
    assert len(kept.find("chatty")) == PER_TOPIC
    assert kept.counters["forgotten"] == 10_000 - PER_TOPIC


def test_topics_and_bytes_are_bounded() -> None:
    kept = recorder()
    for number in range(MOST_TOPICS + 100):
        kept.take(Incoming(f"t/{number}", b"x"))
    assert len(kept.topics()) == MOST_TOPICS
    assert kept.topics("t/99") == []
    for number in range(1000):
        kept.take(Incoming(f"large/{number}", b"x" * 50_000))
    held = kept.find()
    assert sum(len(m.payload) for m in held) <= MOST_BYTES
    assert held[-1].as_json()["size"] == 50_000
    assert held[-1].as_json()["cut"]


def test_a_payload_is_told_as_text_where_it_is_one() -> None:
    kept = recorder()
    kept.take(Incoming("a", "grün".encode()))
    kept.take(Incoming("a", b"\xff\x00"))
    kept.take(Incoming("a", "ü".encode() * LARGEST))
    text, octets, cut = (m.as_json() for m in kept.find())
    assert (text["payload"], "encoding" in text) == ("grün", False)
    assert (octets["payload"], octets["encoding"]) == ("/wA=", "base64")
    assert cut["cut"]
    assert set(cut["payload"]) == {"ü"}
    odd = recorder()
    odd.take(Incoming("a", b"x" + "ü".encode() * LARGEST))
    assert odd.find()[0].as_json()["payload"].startswith("xüü")

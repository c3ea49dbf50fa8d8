from dataclasses import replace

from towline.pipeline.redact import Redactor
from towline.record import Line, Origin, OriginType

WEB = Origin(type=OriginType.CONTAINER, name="web", device="pi")
KEY = [
    "-----BEGIN RSA PRIVATE KEY-----",
    "Proc-Type: 4,ENCRYPTED",
    "DEK-Info: AES-128-CBC,0123456789ABCDEF",
    "",
    "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB",
    "aFDrBz9vFqU4yK8L7w==\r",
    "-----END RSA PRIVATE KEY-----",
]
SECRET = KEY[4:6]


def lines(*texts: str, stderr: bool = False) -> list[Line]:
    return [Line(text, "", 0, stderr=stderr) for text in texts]


def texts(batch: list[Line]) -> list[str]:
    return [line.text for line in batch]


def test_every_line_of_a_key_is_hidden_and_its_neighbours_stay() -> None:
    redactor = Redactor(["tokens"])
    batch = lines("before", *KEY, "after")
    redactor(batch, WEB)
    assert texts(batch) == ["before", *["[REDACTED:key]"] * 7, "after"]
    assert redactor.redacted == 7


def test_a_key_is_hidden_across_batches_line_by_line() -> None:
    redactor = Redactor(["tokens"])
    batches = [lines(text) for text in [*KEY, "after"]]
    for batch in batches:
        redactor(batch, WEB)
    assert [texts(batch)[0] for batch in batches] == [*["[REDACTED:key]"] * 7, "after"]


def test_a_key_of_one_origin_or_stream_hides_nothing_of_another() -> None:
    redactor = Redactor(["tokens"])
    redactor(lines(KEY[0]), WEB)
    other = lines("Word", "MIIEpAIBAAKC")
    redactor(other, replace(WEB, name="db"))
    assert texts(other) == ["Word", "MIIEpAIBAAKC"]
    errors = lines("Word", stderr=True)
    redactor(errors, WEB)
    assert texts(errors) == ["Word"]
    own = lines(SECRET[0])
    redactor(own, WEB)
    assert texts(own) == ["[REDACTED:key]"]


def test_a_key_that_breaks_off_hides_no_ordinary_line() -> None:
    redactor = Redactor(["tokens"])
    batch = lines(KEY[0], KEY[4], "2026-11-21 an ordinary line", KEY[4])
    redactor(batch, WEB)
    assert texts(batch)[2:] == ["2026-11-21 an ordinary line", KEY[4]]


def test_a_key_without_an_end_hides_a_bounded_number_of_lines() -> None:
    redactor = Redactor(["tokens"])
    batch = lines(KEY[0], *["Word"] * 300)
    redactor(batch, WEB)
    assert texts(batch)[1:201] == ["[REDACTED:key]"] * 200
    assert texts(batch)[201:] == ["Word"] * 100


def test_what_follows_the_end_on_its_line_stays() -> None:
    redactor = Redactor(["tokens"])
    batch = lines(KEY[0], KEY[4], KEY[6] + " was read", "Word")
    redactor(batch, WEB)
    assert texts(batch)[2:] == ["[REDACTED:key] was read", "Word"]


def test_a_key_on_one_line_opens_nothing() -> None:
    redactor = Redactor(["tokens"])
    batch = lines(KEY[0] + SECRET[0] + KEY[6], "Word")
    redactor(batch, WEB)
    assert texts(batch) == ["[REDACTED:key]", "Word"]


def test_keys_are_left_alone_where_tokens_are_not_named() -> None:
    batch = lines(*KEY)
    Redactor(["urls"])(batch, WEB)
    assert texts(batch) == KEY

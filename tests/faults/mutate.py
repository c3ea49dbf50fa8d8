"""Ways to spoil a configuration file. Each is a function of a random generator and a sound file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

Kind = Callable[[Random, "Files"], None]

SIGNS = b"{}[]:,-?!&*#|>@`%\"'\t\n \\\0\xff~<"
TAGS = ("!secret", "!env_var", "!include", "!include_dir_named", "!encrypted", "!!python/name:os",
        "!!binary", "!", "!<tag:x>", "!!float", "!!int", "!!null")  # fmt: skip
WORDS = ("", "~", "no", "yes", "22:22", "007", "0x1F", "1_000", ".inf", "-1", "1e999", "9" * 5000,
         "2026-11-01", "[]", "{}", "[[]]", "null", "*x", "'", '"', "|", ">-", "mqtt_password",
         '"\\ud800"', '"\\0"', '"\\u202e"', "\N{PILE OF POO}", "{{ jinja }}", "${VAR}", "=",
         "<<")  # fmt: skip
PLACES = ("a.yaml", "round.yaml", "../x.yaml", "/etc/passwd.yaml", "parts", "parts/a.yaml", "..",
          "", ".", "a\\b.yaml", "nothing.yaml", "secrets.yaml", "link.yaml",
          '"\\0.yaml"')  # fmt: skip


@dataclass(slots=True)
class Files:
    """A configuration: its text, and what stands beside it."""

    text: bytes
    beside: dict[str, bytes] = field(default_factory=dict)


def _span(random: Random, data: bytes, longest: int = 60) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.randrange(longest))


def _lines(random: Random, files: Files, change: Callable[[list[bytes], int], None]) -> None:
    """Change something at one line."""
    lines = files.text.split(b"\n")
    change(lines, random.randrange(len(lines)))
    files.text = b"\n".join(lines)


def _value(random: Random, files: Files, words: str) -> None:
    """Put other words in the place of the value of one line."""

    def change(lines: list[bytes], at: int) -> None:
        key, colon, _ = lines[at].partition(b": ")
        lines[at] = key + (colon or b": ") + words.encode()

    _lines(random, files, change)


def cut(random: Random, files: Files) -> None:
    files.text = files.text[: random.randrange(len(files.text) + 1)]


def removed(random: Random, files: Files) -> None:
    start, end = _span(random, files.text)
    files.text = files.text[:start] + files.text[end:]


def doubled(random: Random, files: Files) -> None:
    start, end = _span(random, files.text, 200)
    files.text = files.text[:end] + files.text[start:]


def lines_swapped(random: Random, files: Files) -> None:
    def change(lines: list[bytes], at: int) -> None:
        other = random.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]

    _lines(random, files, change)


def signs_put_in(random: Random, files: Files) -> None:
    for _ in range(random.randrange(1, 6)):
        at, _ = _span(random, files.text)
        files.text = files.text[:at] + bytes(random.choices(SIGNS, k=2)) + files.text[at:]


def bits_flipped(random: Random, files: Files) -> None:
    data = bytearray(files.text)
    for _ in range(random.randrange(1, 9)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    files.text = bytes(data)


def noise(random: Random, files: Files) -> None:
    files.text = random.randbytes(random.randrange(2000))


def text_noise(random: Random, files: Files) -> None:
    signs = "abc:-[]{}&*!|>'\"#%@,? \n\t0123456789"
    files.text = "".join(random.choices(signs, k=random.randrange(500))).encode()


def not_utf8(random: Random, files: Files) -> None:
    at, _ = _span(random, files.text)
    odd = random.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xfe\xff"))
    files.text = files.text[:at] + odd + files.text[at:]


def control_characters(random: Random, files: Files) -> None:
    at, _ = _span(random, files.text)
    files.text = files.text[:at] + bytes([random.choice((0, 1, 8, 11, 27, 127))]) + files.text[at:]


def odd_characters(random: Random, files: Files) -> None:
    odd = random.choice("\u202e\u2028\u0085\ufeff\u200b\u00ad\U000e0001\ufffd")
    at = random.randrange(len(files.text) + 1)
    files.text = files.text[:at] + odd.encode() + files.text[at:]


def indented(random: Random, files: Files) -> None:
    def change(lines: list[bytes], at: int) -> None:
        lines[at] = b" " * random.randrange(9) + lines[at].lstrip()

    _lines(random, files, change)


def tabs(random: Random, files: Files) -> None:
    _lines(random, files, lambda lines, at: lines.insert(at, b"\t" + lines[at].strip()))


def line_ends(random: Random, files: Files) -> None:
    end = random.choice((b"\r\n", b"\r", "\u2028".encode(), b"\n\n"))
    head = random.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe"))
    files.text = head + files.text.replace(b"\n", end)


def keys_repeated(random: Random, files: Files) -> None:
    _lines(random, files, lambda lines, at: lines.insert(at, lines[random.randrange(len(lines))]))


def keys_misspelt(random: Random, files: Files) -> None:
    def change(lines: list[bytes], at: int) -> None:
        key, colon, rest = lines[at].partition(b":")
        letters = [*key.decode(errors="replace")]
        random.shuffle(letters)
        lines[at] = "".join(letters).encode() + colon + rest

    _lines(random, files, change)


def values_of_another_type(random: Random, files: Files) -> None:
    _value(random, files, random.choice(WORDS))


def tags(random: Random, files: Files) -> None:
    words = random.choice((*WORDS, *PLACES))
    _value(random, files, f"{random.choice(TAGS)} {words}")


def quotes_opened(random: Random, files: Files) -> None:
    _value(random, files, random.choice(('"open', "'open", '"\\q"', '"\\x"', "[open", "{open")))


def alias_bombs(random: Random, files: Files) -> None:
    width, depth = random.randrange(2, 12), random.randrange(2, 40)
    rows = [f"a0: &a0 {random.choice(('x', '[1, 2]', '{b: c}', '!secret mqtt_password'))}"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    files.text += "\n".join(["", *rows, ""]).encode()


def merges(random: Random, files: Files) -> None:
    rows = ["m0: &m0 {version: 1, store: {memory: 5}}"]
    many = random.randrange(1, 30)
    rows += [f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * many)}]" for n in range(1, many)]
    rows.append(random.choice(("<<: *m0", "<<: 5", "<<: [*m0, 5]", "<<: !include a.yaml", "<<:")))
    files.text += "\n".join(["", *rows, ""]).encode()


def deep(random: Random, files: Files) -> None:
    depth = random.choice((60, 70, 1000, 100_000))
    begin, end = random.choice((("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")))
    files.text += (
        "\nx: " + begin * depth + (end * depth if random.random() < 0.5 else "")
    ).encode()


def deep_matches(random: Random, files: Files) -> None:
    depth = random.randrange(20, 70)
    match = "{not: " * depth + "{name: x}" + "}" * depth
    files.text = b"version: 1\nroutes: [{to: x, match: " + match.encode() + b"}]\n"


def wide(random: Random, files: Files) -> None:
    many = random.choice((100, 2000, 120_000))
    row = random.choice(("a{}: 1\n", "  - {{match: {{service: s{}}}, to: x}}\n", "- [{}]\n"))
    files.text += b"\nroutes:\n" + "".join(map(row.format, range(many))).encode()


def long(random: Random, files: Files) -> None:
    size = random.choice((1_000, 70_000, 1_048_000, 1_600_000))
    sign = random.choice((b"#", b"k", b"x: '", b"\n", b" ", b"- ", b"\n\n- a: ", b"!", b"\n- 'a"))
    files.text += sign * (size // len(sign))


def documents(random: Random, files: Files) -> None:
    head = random.choice((b"---\n", b"%YAML 1.1\n---\n", b"%YAML 9.9\n---\n", b"%TAG ! x:\n---\n"))
    files.text = head + files.text + random.choice((b"", b"...\n", b"---\n", b"--- {}\n"))


def includes(random: Random, files: Files) -> None:
    tag = random.choice(("!include", "!include_dir_named"))
    files.beside["round.yaml"] = f"x: !include {random.choice(PLACES)}\n".encode()
    files.beside["a.yaml"] = f"!include {random.choice(PLACES)}\n".encode()
    _value(random, files, f"{tag} {random.choice(PLACES)}")


def included_spoilt(random: Random, files: Files) -> None:
    part = Files(files.text)
    random.choice(SIMPLE)(random, part)
    files.beside["a.yaml"] = part.text
    files.text = random.choice((b"<<: !include a.yaml\n", b"version: 1\nstore: !include a.yaml\n"))


def included_often(random: Random, files: Files) -> None:
    files.beside["a.yaml"] = b"[" + b"x, " * random.randrange(5000) + b"]"
    files.beside["b.yaml"] = b"[" + b"!include a.yaml, " * random.randrange(200) + b"]"
    files.text += b"\nroutes: [" + b"!include b.yaml, " * random.randrange(200) + b"]\n"


def secrets_spoilt(random: Random, files: Files) -> None:
    part = Files(files.beside["secrets.yaml"])
    random.choice(SIMPLE)(random, part)
    files.beside["secrets.yaml"] = part.text


def encrypted_spoilt(random: Random, files: Files) -> None:
    part = Files(files.beside["token"])
    random.choice((cut, removed, doubled, bits_flipped))(random, part)
    words = part.text.decode(errors="replace").replace("\n", " ")
    _value(random, files, f"!encrypted {words}")


SIMPLE: tuple[Kind, ...] = (
    cut, removed, doubled, lines_swapped, signs_put_in, bits_flipped, noise, text_noise, not_utf8,
    control_characters, odd_characters, indented, tabs, line_ends, keys_repeated, keys_misspelt,
    values_of_another_type, tags, quotes_opened, alias_bombs, merges, deep, documents,
)  # fmt: skip


def several_at_once(random: Random, files: Files) -> None:
    for spoil in random.choices((*SIMPLE, includes, included_spoilt), k=random.randrange(2, 5)):
        if files.text:
            spoil(random, files)


KINDS: tuple[Kind, ...] = (
    *SIMPLE, deep_matches, wide, long, includes, included_spoilt, included_often, secrets_spoilt,
    encrypted_spoilt, several_at_once,
)  # fmt: skip

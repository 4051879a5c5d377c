"""MIME structure: byte ranges, ENVELOPE and BODYSTRUCTURE, for good and bad input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.servers.imap import mime, structure

NESTED = (
    b'Subject: outer\r\nContent-Type: multipart/mixed; boundary="b 1"\r\n\r\npreamble\r\n'
    b"--b 1\r\n\r\nfirst\r\n"
    b'--b 1\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename="a;b.eml"\r\n\r\n'
    b"Subject: inner\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"
    b"--b2\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b2\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>\r\n"
    b"--b2--\r\n\r\n"
    b"--b 1 --\r\n"
    b"--b 1--\r\nepilogue"
)


@pytest.mark.parametrize(
    ("path", "specifier", "expected"),
    [
        ([1], None, b"first"),
        ([1], b"MIME", b"\r\n"),
        ([1], b"HEADER", None),
        ([2], b"HEADER", b"Subject: inner\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"),
        ([2, 1], None, b"plain"),
        ([2, 2], b"MIME", b"Content-Type: text/html; charset=utf-8\r\n\r\n"),
        ([2, 3], None, None),
        ([1, 1], None, None),
        ([3], None, None),
        ([], b"HEADER", b'Subject: outer\r\nContent-Type: multipart/mixed; boundary="b 1"\r\n\r\n'),
    ],
)
def test_sections_are_ranges_of_the_message(path: list[int], specifier: bytes | None, expected: bytes | None) -> None:
    assert mime.section(NESTED, mime.parse(NESTED), path, specifier) == expected


def test_the_first_part_of_a_simple_message_is_its_body() -> None:
    message = b"Subject: x\r\n\r\nbody\r\n"
    parsed = mime.parse(message)
    assert mime.section(message, parsed, [1], None) == b"body\r\n"
    assert mime.section(message, parsed, [1], b"MIME") == b"Subject: x\r\n\r\n"
    assert mime.section(message, parsed, [1, 1], None) is None


def test_bodystructure_has_sizes_and_lines_of_the_bodies() -> None:
    plain = structure.bodystructure(NESTED, mime.parse(NESTED), extended=False)
    assert plain.startswith(b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0)("message" "rfc822" NIL ')
    assert b'("text" "html" ("charset" "utf-8") NIL NIL "7bit" 3 0) "alternative")' in plain
    extended = structure.bodystructure(NESTED, mime.parse(NESTED), extended=True)
    assert b'("attachment" ("filename" "a;b.eml"))' in extended
    assert extended.endswith(b'"mixed" ("boundary" "b 1") NIL NIL NIL)')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ann@example.test", b'((NIL NIL "ann" "example.test"))'),
        (b'"Ann \\"A\\" B" <ann@example.test>', b'(("Ann \\"A\\" B" NIL "ann" "example.test"))'),
        (b"Ann B <ann@example.test>, b@c", b'(("Ann B" NIL "ann" "example.test")(NIL NIL "b" "c"))'),
        (b"ann@example.test (Ann (the) A)", b'(("Ann (the) A" NIL "ann" "example.test"))'),
        (b"undisclosed-recipients:;", b'((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))'),
        (
            b"g: a@b, c@d;, e@f",
            b'((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL NIL NIL)(NIL NIL "e" "f"))',
        ),
        (b"<@r1,@r2:a@b>", b'((NIL NIL "a" "b"))'),
        (b"=?utf-8?q?=C3=A9?= <a@b>", b'(("=?utf-8?q?=C3=A9?=" NIL "a" "b"))'),
        (b"just words", b'((NIL NIL "justwords" ""))'),
        (b"a@[127.0.0.1]", b'((NIL NIL "a" "[127.0.0.1]"))'),
        (b"\xc3\xa9 <a@b>", b'(({2}\r\n\xc3\xa9 NIL "a" "b"))'),
        (b"", b"NIL"),
        (b" , ,", b"NIL"),
    ],
)
def test_addresses(value: bytes, expected: bytes) -> None:
    assert structure.addresses(value) == expected


def test_envelope_tells_the_header_as_it_stands() -> None:
    header = (
        b"Date: Mon, 2 Feb 2026 10:00:00 +0100\r\nSubject: =?utf-8?q?x?=\r\n\tfolded\r\nFrom: a@b\r\nReply-To:\r\n"
        b"Message-ID: <1@b>\r\n\r\n"
    )
    sender = b'((NIL NIL "a" "b"))'
    assert structure.envelope(mime.parse(header)) == (
        b'("Mon, 2 Feb 2026 10:00:00 +0100" {20}\r\n=?utf-8?q?x?=\tfolded %b %b %b NIL NIL NIL NIL "<1@b>")'
        % (sender, sender, sender)
    )


_TYPES = [b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"From: a <b@c>"]
_MARKS = [bytes([mark]) for mark in b'() :;=x"\\\r\n\0\xff']
_PIECES = st.sampled_from([b"\r\n", b"--b", b"--b--", b"\r\n--b\r\n", *_TYPES, *_MARKS])


@given(st.lists(_PIECES, max_size=40).map(b"".join))
def test_whatever_the_bytes_header_and_text_are_the_message(message: bytes) -> None:
    parsed = mime.parse(message)
    header = mime.section(message, parsed, [], b"HEADER")
    text = mime.section(message, parsed, [], b"TEXT")
    assert header is not None
    assert text is not None
    assert header + text == message
    assert _balanced(structure.bodystructure(message, parsed, extended=True))
    assert _balanced(structure.envelope(parsed))


@given(st.binary(max_size=200))
def test_any_address_list_makes_a_balanced_answer(value: bytes) -> None:
    assert _balanced(structure.addresses(value))


def _balanced(answer: bytes) -> bool:
    """Whether parentheses pair up outside strings and literals."""
    depth = position = 0
    while position < len(answer):
        letter = answer[position : position + 1]
        if letter == b'"':
            position += 1
            while answer[position : position + 1] != b'"':
                position += 2 if answer[position : position + 1] == b"\\" else 1
        elif letter == b"{":
            end = answer.index(b"}\r\n", position)
            position = end + 2 + int(answer[position + 1 : end])
        depth += {b"(": 1, b")": -1}.get(letter, 0)
        position += 1
    return depth == 0


def test_endless_nesting_and_endless_parts_are_cut_off() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500))
    assert structure.bodystructure(deep, mime.parse(deep), extended=True)
    wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50_000
    assert len(mime.parse(wide).parts) <= 2000

"""JSON values that readers stumble over, some of them none."""

from hypothesis import strategies as st

ODD = st.sampled_from(
    [
        b'"open"',
        b'"-"',
        b'""',
        b'"a\\ud800"',
        b'"a\\q"',
        b'"a\x01"',
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"-7",
        b"01",
        b"1.",
        b"-",
        b"18446744073709551616",
        b"1.0",
        b"true",
        b"tru",
        b"null",
        b'"\\u212a1"',
        b'"\xff\xfea"',
        b'"\xed\xa0\x80"',
        b'["b","a",null]',
        b'{"b":"x","d":{"e":"y"}}',
        b'{"logsources":["//winch"]}',
        b'{"d":{"e":["z",1]}}',
        b'"' + b"\xc3\xa9" * 200 + b'"',
        b'"' + b"a" * 11_000 + b'"',
        b"[" * 70 + b'"a"' + b"]" * 70,
        b"{broken",
    ]
)

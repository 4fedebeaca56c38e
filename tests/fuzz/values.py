"""Values as an attacker or a bug would send them."""

from hypothesis import strategies as st

# Each means something to a shell, JSON, a path, a log, a terminal or a decoder.
HOSTILE_TEXTS = [
    "", " ", "\x00", "a\x00b", "\n", "a\r\nb: c", "\t", "\x1b[2J", "\x7f", "\ufeff", "\u202e",
    "\u2028", "\ud800", "\udfff", "\U0001f4a5", "e\u0301", "\uff0e\uff0e\uff0f", "..", "../..",
    "/", "//", "/etc/passwd", "a/../b", ".", "~", "~root", "-", "--help", "-rf", "*", "?", "%",
    "%s", "%00", "%2e%2e%2f", "{}", "{0}", "{{resolve:ssm:/x}}", "${AWS::Region}",
    "${Token[TOKEN.1]}", "$(id)", "`id`", ";id", "|id", "&&id", "'", '"', "\\", "\\u0000", "\\\"",
    "'; DROP TABLE jobs; --", "<script>", "]]>", "[", "[" * 2000, "{" * 2000, '{"a":' * 2000,
    "null", "true", "NaN", "Infinity", "-Infinity", "1e400", "-0", "0x10", "1_000", "9" * 5000,
    "s3://", "s3:///", "s3://b", "s3://b/", "s3://b//k", "s3://b/../c", "s3://b/k?x#y",
    "s3://B/k", "https://b.s3.amazonaws.com/k", "https://[/x", "http://[::1", "http://x:99999/",
    "file:///etc/passwd", "arn:", "arn:aws:iam::",
    "arn:aws:braket:us-east-1:123456789012:job/00000000-0000-0000-0000-000000000000",
    "arn:aws:braket:us-east-1:123456789012:job/../x", "RUNID0000000", "x" * 300, "x" * 5000,
    "\N{ATOM SYMBOL}" * 1500,
]  # fmt: skip

texts = st.sampled_from(HOSTILE_TEXTS) | st.text(st.characters(exclude_categories=()), max_size=20)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e308, float("inf"), float("nan")])
)
scalars = st.none() | st.booleans() | numbers | texts

# Everything that JSON, as Python reads it, can be.
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)

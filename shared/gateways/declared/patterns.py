"""Regular expressions of declared contracts, whose matching takes a bounded time whatever the input.

Python's `re` has no time limit, and a pattern such as `(a+)+$` takes exponential time. So only a part of the language
is accepted, and every repetition is made possessive: it gives nothing back of what it has matched. Then an attempt at
one position is linear, and a search at most quadratic in the input, which is bounded too.
"""

from __future__ import annotations

import re

MAX_PATTERN = 200
"""Characters of a pattern."""

MAX_ALTERNATIVES = 8
"""Each alternative is one more attempt."""

_TOKEN = re.compile(
    r"""(?P<repeat>[*+?]|\{\d{1,3}(?:,\d{0,3})?\})
    |(?P<open>\((?!\?)) | (?P<group>\(\?:) | (?P<close>\)) | (?P<other>\|)
    |(?P<anchor>[\^$]|\\b)
    |(?P<atom>\\[dDwWsStnr]|\\[^A-Za-z0-9]|\[\^?\]?(?:(?!--|&&|~~|\|\|)(?:\\.|[^\]\\\[]))*\]|[^\\\[\](){}*+?|^$])""",
    re.VERBOSE | re.DOTALL,
)


def compile_pattern(text: str) -> re.Pattern[str]:
    """The pattern, with possessive repetitions. `^` and `$` match at each line.

    Raises ValueError, with words that follow the name of the key, for one that cannot be used.
    """
    if len(text) > MAX_PATTERN:
        raise ValueError(f"must have at most {MAX_PATTERN} characters")
    written, kinds, position = [], [""], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"is no pattern that can be used: {text[position : position + 10]!r} is not supported")
        kind = str(token.lastgroup)
        if kind == "repeat" and kinds[-1] != "atom":
            raise ValueError(f"repeats what is no single character: {token[0]} at position {position + 1}")
        written.append(token[0] + "+" * (kind == "repeat"))
        kinds.append(kind)
        position = token.end()
    if kinds.count("open") != 1:
        raise ValueError("must have one group in parentheses, which is what stands in the answer")
    if kinds.count("other") >= MAX_ALTERNATIVES:
        raise ValueError(f"must have at most {MAX_ALTERNATIVES} alternatives")
    try:
        return re.compile("".join(written), re.MULTILINE)
    except (re.error, OverflowError) as error:
        raise ValueError(f"is no pattern that can be used: {error}") from None

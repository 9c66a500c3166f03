"""How many segments of a short message a text takes (3GPP TS 23.038 and 23.040)."""

# The alphabet, and what takes two septets of it.
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_ESCAPED = frozenset("\f^{}\\[~]|€")


def segments_of(text: str) -> int:
    """The number of segments: 160 or 153 septets each, or 70 or 67 UTF-16 units."""
    if set(text) <= GSM_7 | GSM_7_ESCAPED:
        length = len(text) + sum(character in GSM_7_ESCAPED for character in text)
        whole, part = 160, 153
    else:
        length = len(text.encode("utf-16-be")) // 2
        whole, part = 70, 67
    return 1 if length <= whole else -(-length // part)

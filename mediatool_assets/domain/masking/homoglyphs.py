"""Letters that look like one of the Latin alphabet, and which: а is a, Р is P.

From Unicode's confusables.txt (UTS 39; Unicode License v3), by way of the package
confusable-homoglyphs 3.3.1: of its pairs, those of one letter outside ASCII with one of ASCII of
the same case, without what NFKC makes a letter of ASCII already; and the Latin letters with a
stroke (ø, ł, đ, ħ, ŧ), which no normal form takes apart. Added are what generators of fancy text
write: small capitals, letters in black circles and squares, and those of flags; and the digits of
other scripts, by their values. Digits that look like letters are left out: 0 is no o.
"""

from collections.abc import Mapping
from types import MappingProxyType

_BY_LETTER = {
    "A": "ΑАᎪ",
    "a": "ɑαаᗅꓮ𐊠𖽀",
    "B": "ƄΒВЬᏏᏴꞴ",
    "b": "ᑲᖯᗷꓐ𐊂𐊡𐌁",
    "C": "СᏟⲤ𐐕",
    "c": "сᴄⲥꓚꮯ𐊢𐌂𐐽𐔜",
    "D": "ĐᎠᏧ",
    "d": "ðđԁᑯᗞᗪꓒꓓ",
    "E": "ΕЕᎬ𑢦𑢮",
    "e": "еҽⴹꓰꬲ𐊆",
    "F": "ϜꞘ𑢢",
    "f": "քᖴẝꓝꞙꬵ𐊇𐊥𐔥𑣂",
    "G": "ԌᏀᏳ",
    "g": "ƍɡցᶃꓖ",
    "H": "ĦΗНᎻᏂⲎ",
    "h": "ħһհᕼꓧ𐋏",
    "I": "ΙІӀᎥ",
    "i": "ıɩɪιіӏꙇꭵ𑣃",
    "J": "ͿЈᎫꞲ",
    "j": "ϳјᒍꓙ",
    "K": "ΚКᏦⲔ",
    "k": "ᛕꓗ𐔘",
    "L": "ŁƖᏞⲒⳐ𐐛𑢣𑢲",
    "l": "łǀᒪᛁⵏꓡꓲ𐊊𐌉𐔦𖼖𖼨",
    "M": "ΜϺМᎷⲘ",
    "m": "ᗰᛖꓟ𐊰𐌑",
    "N": "ΝⲚ",
    "n": "ոռꓠ𐔓",
    "O": "ØΟОՕⲞ𐐄𐓂𑢵",
    "o": "øοσоօଠഠဝჿዐᴏᴑⲟⵔꓳꬽ𐊒𐊫𐐬𐓪𐔖𑣈𑣗",
    "P": "ΡРᏢⲢ",
    "p": "ρрᑭⲣꓑ𐊕",
    "q": "ԛգզⵕ",
    "R": "ƦᎡᏒ𐒴",
    "r": "гᖇᴦⲅꓣꭇꭈꮁ𖼵",
    "S": "ЅՏᏕᏚ𐐠",
    "s": "ƽѕꓢꜱꮪ𐊖𐑈𑣁𖼺",
    "T": "ŦΤТᎢⲦ𑢼",
    "t": "ŧꓔ𐊗𐊱𐌕𖼊",
    "U": "Ս𐓎𑢸",
    "u": "ʋυսሀᑌᴜꓴꞟꭎꭒ𐓶𑣘𖽂",
    "V": "ѴᏙ𑢠",
    "v": "νѵᐯᴠⴸꓦꛟꮩ𐔝𑜆𑣀𖼈",
    "W": "ԜᎳᏔ",
    "w": "ɯѡԝաᴡꓪꮃ𑜊𑜎𑜏",
    "X": "ΧХⲬꞳ",
    "x": "хᕁᕽᚷⵝꓫ𐊐𐊴𐌗𐔧",
    "Y": "ΥУҮᎩᎽⲨ𑢤",
    "y": "ɣʏγуүყᶌỿꓬꭚ𐊲𑣜𖽃",
    "Z": "ΖᏃ𑢩",
    "z": "ᴢꓜꮓ𑣄",
}  # fmt: skip

_SMALL_CAPITALS = dict(zip("abdefghjklmnpqrtu", "ᴀʙᴅᴇꜰɢʜᴊᴋʟᴍɴᴘꞯʀᴛᴜ", strict=True))
_BOXED_ALPHABETS = (0x1F150, 0x1F170, 0x1F1E6)
_ZEROS = (
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810,
)  # fmt: skip

LOOK_ALIKES: Mapping[int, str] = MappingProxyType(
    {ord(found): letter for letter, found_all in _BY_LETTER.items() for found in found_all}
    | {ord(found): letter for letter, found in _SMALL_CAPITALS.items()}
    | {first + n: chr(ord("A") + n) for first in _BOXED_ALPHABETS for n in range(26)}
    | {zero + n: str(n) for zero in _ZEROS for n in range(10)}
)
"""For ``str.translate``."""

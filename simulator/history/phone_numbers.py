"""Finding phone numbers in a text, and telling them from order numbers, dates and amounts.

Numbering plans are those of ``phonenumbers``. Each finder below works on a *run*: a stretch of text
with seven digits or more and no more than four other characters between neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Seven digits or more with no more than four other characters between neighbours.
DIGITS = re.compile(r"(?:\d[^\d\n]{0,4}){6}\d")
_RUN = re.compile(r"\d(?:[^\d\n]{0,4}\d){6,}")
DONE = re.compile(r"\[(?:email|phone):[0-9a-f]{10}\]")
NUMBER = re.compile(r"(?<!\d)[+＋]?[(（]?\d(?:[\s().（）/－-]{0,2}\d){6,14}(?!\d)")
# Begins with the trunk prefix 0 or as a mobile of mainland China. Indian mobiles (ten digits from 6
# to 9) are left out: two in five order numbers of that length look so.
_MOBILE = re.compile(r"0\d{8,10}|1[3-9]\d{9}")
# Mobiles of Hong Kong and Singapore; their other numbers look like any eight digits.
_EIGHT = re.compile(r"[5689]\d{7}")
# With the country code but without its plus: mobiles of Taiwan, mainland China, India and Britain.
CODED = re.compile(r"8869\d{8}|861[3-9]\d{9}|91[6-9]\d{9}|447\d{9}")
# A date with something after it, a range of hours, an IPv4 address: all pass as numbers somewhere.
DATE_OR_ADDRESS = re.compile(
    r"(?:19|20)\d\d([-/. ]?)(?:0?[1-9]|1[0-2])\1(?:[0-2]?\d|3[01])(?!\d).*"
    r"|[0-3]?\d([-/. ])[0-3]?\d\2(?:19|20)\d\d(?!\d).*"
    r"|\d{1,3}(?:\.\d{1,3}){3}"
)
_CUT = re.compile(f"{DONE.pattern}|{_RUN.pattern}")
_STOP = re.compile(r"[.!?](?=\s)|[;\n。！？；]")
_ORDER_WORD = (
    r"(?:\b(?:ORD(?:ERS?)?|PURCHASE|PO|INV(?:OICES?)?|CASES?|TICKETS?|REF(?:ERENCE)?|TRACKING"
    r"|BOOKING|RESERVATION|CONFIRMATION|PARCELS?|PACKAGE|SHIPMENT|WAYBILL|AWB|SERIAL|IMEI|ITEM"
    r"|PRODUCT|SKU|POLICY|CLAIM|CONTRACT|RECEIPT|TRANSACTION|PAYMENT|REQUEST|CUSTOMER|MEMBER(?:SHIP)?"
    r"|CARD)"
    r"|订单|訂單|单号|單號|发票|發票|快递|快遞|物流|运单|運單|货运|貨運|案件|工单|工單|序列|序號|序号|流水|交易"
    r"|合同|合約|会员|會員|包裹|型号|型號|条码|條碼|编号|編號|编码|編碼|卡号|卡號|保单|保單)"
)
_NOUN = r"[\s_-]*(?:no\b\.?|num(?:ber)?s?\b|id\b|code\b|\#|编号|編號|号码|號碼|号|號|碼|码)"
_IS = r"\s*(?:is|was|are|of|是|为|為)?\s*[:：=#_-]?\s*[\"'“「(（]?"
_MONEY = (
    r"(?:[$€£¥￥₹]|\b(?:USD|NTD?|TWD|RMB|CNY|EUR|GBP|HKD|INR|JPY|AMOUNT|TOTAL|BALANCE|PRICE)\b"
    r"|金额|金額|总额|總額|总计|總計|共计|共計)"
)
# "Order number 2127365000 and 2127365001": what follows a number that is none is none either.
_LIST = r"(?:\d{7,}\s*(?:&|and\b|、|和|與|与|跟|及)\s*\#?)*$"
ORDER = re.compile(
    rf"(?:[#＃]\s*|{_MONEY}{_IS}|{_ORDER_WORD}(?P<noun>{_NOUN})?{_IS}){_LIST}", re.IGNORECASE
)
_ACCOUNT = re.compile(
    rf"(?:\bACCOUNTS?|帐户|帳戶|账户|账号|帳號)(?P<noun>{_NOUN})?{_IS}$", re.IGNORECASE
)
# "The tracking number for my parcel is": further off, it takes the noun to say what is meant.
_ORDER_PHRASE = re.compile(rf"{_ORDER_WORD}{_NOUN}[^.!?;,\n。！？；，]*$", re.IGNORECASE)
_ORDER_AFTER = re.compile(
    rf"\s*(?:元|塊|块|圓|円|dollars|pounds|euros|rupees|yen|USD|TWD|NTD|RMB|EUR|GBP|HKD"
    rf"|(?:is|was|为|為|是)\s*(?:my|the|our|your|我的)?\s*{_ORDER_WORD})",
    re.IGNORECASE,
)
_PHONE_NOUN = (
    r"(?:(?:\b(?:tele)?|cell|smart)phones?\b|\bmobile\b|\bcell\b|\btel\b\.?|\bfax\b|\bwhats\s?app\b"
    r"|\bsms\b|\blandline\b|\bhotline\b|电话|電話|手机|手機|行動|門號|门号|傳真|传真)"
)
_PHONE_NUMBER = r"\s*(?:no\b\.?|num(?:ber)?\b|\#|号码|號碼|号|號)"
_PHONE_VERB = (
    r"(?:\bcall(?:ing|ed)?\b|\bring\b|\bdial\b|\btext\b|\breach\b|\bcontact\b|\bphoned?\b"
    r"|\bmy number\b|致电|致電|打给|打給|撥|拨|联系|聯絡|聯繫|来电|來電|回电|回電|簡訊|短信|打)"
)
_PHONE_WORD = re.compile(f"{_PHONE_NOUN}|{_PHONE_VERB}", re.IGNORECASE)
# Directly before the number, so that no plan need know it.
_PHONE_SAID = re.compile(
    rf"(?:{_PHONE_NOUN}(?:{_PHONE_NUMBER})?{_IS}"
    r"|\b(?:call|ring|dial|text|reach|contact|phone)\s+(?:me|us|him|her|back|them)?\s*(?:back\s+)?"
    r"(?:on|at)\s+)$",
    re.IGNORECASE,
)
# "My phone number on the account 2025550143" is a phone number, though "account" is nearer.
_PHONE_OF = re.compile(rf"{_PHONE_NOUN}{_PHONE_NUMBER}[^.!?;,\n\d。！？；，]*$", re.IGNORECASE)

# Large countries and trading places, tried last.
ELSEWHERE = ("US", "GB", "CN", "TW", "HK", "IN", "JP", "KR", "DE", "FR", "BR", "AU", "SG")


def runs(text: str) -> list[tuple[int, int]]:
    """Stretches to match: runs of digits with what may belong to them, pseudonyms left out."""
    found: list[tuple[int, int]] = []
    floor = 0
    # Pseudonyms, of this call or of an earlier import, may hold digits only.
    for stop, after in [*(done.span() for done in DONE.finditer(text)), (len(text), len(text))]:
        spans = [run.span() for run in _RUN.finditer(text, floor, stop)]
        for n, (start, end) in enumerate(spans):
            # Room for "+(" before and "ext. 1234" behind, never for another run.
            ceiling = spans[n + 1][0] if n + 1 < len(spans) else stop
            found.append((max(floor, start - 6), min(ceiling, end + 16)))
            floor = end
        floor = after
    return found


def numbers(
    text: str, run: tuple[int, int], regions: tuple[str | None, ...], strict: bool
) -> list[tuple[int, int, str]]:
    """Start, end and E.164 form (or digits) of the phone numbers in a run, in order."""
    found: list[tuple[int, int, str]] = []
    others = () if strict or regions == (None,) else (r for r in ELSEWHERE if r not in regions)
    elsewhere = tuple(others)
    near = _PHONE_WORD.search(text, max(0, run[0] - 60), run[1]) is not None
    # What is left between two numbers is matched again as if it stood alone, until nothing is
    # found, so that redacting twice finds nothing either.
    for _ in range(4):
        before = len(found)
        for region in regions or (None,):
            for start, end, normal in _in_gaps(text, run, found, region, strict):
                kind = _kind(text, start, end)
                if kind in ("phone", "said") or (
                    not kind and not _unusual(text[start:end], region)
                ):
                    found.append((start, end, normal))
        for region in elsewhere:
            # Indian mobiles are written 5-5 more often than their plan has it.
            for start, end, normal in _in_gaps(
                text, run, found, region, not near and region != "IN"
            ):
                kind = _kind(text, start, end)
                if kind in ("phone", "said") or (not kind and _like_a_phone(text[start:end])):
                    found.append((start, end, normal))
        for low, high in _gaps(text, run, found) if elsewhere else ():
            for number in NUMBER.finditer(text, low, high):
                kind, digits = _kind(text, *number.span()), digits_of(number[0])
                coded = CODED.fullmatch(digits) is not None and number[0].isdecimal()
                if (kind == "said" and len(digits) <= 13) or (coded and kind != "order"):
                    known = [one for _, _, one in matches(f"+{digits}", None, strict=False)]
                    found.append((*number.span(), known[0] if known else digits))
        if len(found) == before:
            break
    return sorted(found)


def _gaps(
    text: str, run: tuple[int, int], found: list[tuple[int, int, str]]
) -> Iterator[tuple[int, int]]:
    """What of a run is not found yet and has seven digits."""
    low = run[0]
    for start, end in [*sorted((start, end) for start, end, _ in found), (run[1], run[1])]:
        if DIGITS.search(text, low, start):
            yield low, start
        low = end


def _in_gaps(
    text: str,
    run: tuple[int, int],
    found: list[tuple[int, int, str]],
    region: str | None,
    strict: bool,
) -> list[tuple[int, int, str]]:
    return [
        (low + start, low + end, normal)
        for low, high in _gaps(text, run, found)
        for start, end, normal in matches(text[low:high], region, strict)
    ]


def matches(text: str, region: str | None, strict: bool) -> Iterator[tuple[int, int, str]]:
    """Start, end and E.164 form of what is valid in a plan; ``strict``: grouped as there, too."""
    import phonenumbers as pn

    leniency = pn.Leniency.STRICT_GROUPING if strict else pn.Leniency.VALID
    for match in pn.PhoneNumberMatcher(text, region, leniency=leniency):
        yield match.start, match.end, pn.format_number(match.number, pn.PhoneNumberFormat.E164)


def _kind(text: str, start: int, end: int) -> str:
    """What the words and the shape say: order (any number but a phone's), phone, said, or nothing.

    "said" is a phone word directly before the number.
    """
    raw = text[start:end]
    if DATE_OR_ADDRESS.fullmatch(raw):
        return "order"
    before = text[max(0, start - 60) : start]
    # A word before another number belongs to that one.
    own = before[max((cut.end() for cut in _CUT.finditer(before)), default=0) :]
    if _PHONE_SAID.search(own):
        return "said"
    plain = raw.isdecimal()
    order = ORDER.search(before)
    if order is None and plain:
        order = _ACCOUNT.search(before)
        if order is not None and not order["noun"] and _MOBILE.fullmatch(digits_of(raw)):
            order = None
    if order is not None and (plain or order["noun"]):
        other = order["noun"] is None and _PHONE_OF.search(before[: order.start()])
        return "phone" if other else "order"
    if plain and _ORDER_AFTER.match(text, end):
        return "order"
    phones = [found.start() for found in _PHONE_WORD.finditer(own)]
    phrase = _ORDER_PHRASE.search(own)
    if phrase is not None and plain and (not phones or phones[-1] < phrase.start()):
        return "order"
    return "phone" if phones and not _STOP.search(own, phones[-1]) else ""


def _like_a_phone(raw: str) -> bool:
    """Whether a number is written as a phone number; its groups are those of its plan already."""
    digits = digits_of(raw)
    if raw.isdecimal():
        return _MOBILE.fullmatch(digits) is not None
    return raw[0] in "+＋" or len(digits) >= 9


def _unusual(raw: str, region: str | None) -> bool:
    """Whether nobody writes a number of the region so, though its plan allows it."""
    if not raw.isdecimal():
        return False
    digits = digits_of(raw)
    if len(digits) == 8:
        return _EIGHT.fullmatch(digits) is None
    return region == "CN" and _MOBILE.fullmatch(digits) is None


def digits_of(text: str) -> str:
    """The decimal digits of ``text``, of whatever script, in ASCII."""
    return "".join(str(int(char)) for char in text if char.isdecimal())

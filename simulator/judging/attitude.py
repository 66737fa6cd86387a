"""How a reply sounds, and whether it says what support must not say."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from simulator.judging.quantities import fold


class Tone(NamedTuple):
    """``tone`` is one of ``schema.TONES``; ``span`` is the exact words that decided, or null."""

    tone: str
    span: str | None


_CERTAIN = re.compile(
    r"\b(?:definitely|absolutely|certainly|guaranteed?|without (?:a )?(?:doubt|fail|"
    r"question)|100 ?%|no matter what|"
    r"i promise|you have my word|never happen|impossible that|there is no way)\b|"
    r"绝对|百分之?百|100%|保证|包您|肯定(?:会|能|没|不)|一定(?:会|能|没|不)|毫无疑问|"
    r"不可能(?:会|有|出)"
)
_NOT = re.compile(r"(?:\b(?:not|cannot|no)|n't|不|无法)\W*(?:\w+\W+)?$")
_EAGER = re.compile(
    r"\b(?:amazing|fantastic|super|awesome|wonderful|delighted|thrilled|"
    r"absolutely love|so excited|best ever|"
    r"anything you (?:want|need)|whatever you want|yay|woo+hoo)\b|太棒了|亲爱的|么么|"
    r"哒~|超级|无论什么|随便提|爱您|比心|好开心|开心极了"
)
_SORRY = re.compile(
    r"\b(?:sorry|apolog\w+|understand|regret|i hear you|i see why|can (?:see|"
    r"imagine)|frustrat\w+|thank(?:s| you) for (?:your patience|letting|telling|"
    r"sharing)|appreciate)\b|"
    r"抱歉|对不起|不好意思|致歉|歉意|理解|体谅|明白您|谅解|见谅|辛苦|感谢您的(?:反馈|"
    r"耐心|理解)|让您久等|给您(?:带来|造成)"
)
_EVASIVE = re.compile(
    r"\b(?:it depends|hard to say|can't say|cannot say|not (?:really )?sure|"
    r"some(?:time|where|how)|in due course|at some point|"
    r"as (?:i|we) (?:already )?said|please be patient|we(?:'ll| will) see|no comment|"
    r"that's just how|nothing (?:i|we) can)\b|"
    r"不好说|看情况|再说吧|再等等|耐心等待|敬请(?:期待|谅解|留意)|以官方|无可奉告|"
    r"说不准|具体看|敬请关注|不太清楚|到时候再"
)
_BREACH: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "liability",
            r"\b(?:it (?:is|was)|this (?:is|was)|that (?:is|was)) (?:all |entirely |"
            r"completely |clearly )?our (?:fault|mistake|responsibility)|(?:we|i) (?:accept|"
            r"admit|take|acknowledge|bear)(?: \w+)? (?:liability|responsibility|fault|"
            r"negligence)|we (?:are|were) (?:\w+ )?(?:liable|negligent|at fault|"
            r"responsible for (?:your|the) (?:injur|damage|loss|accident))|"
            r"our product (?:was|is) (?:defective|dangerous)|"
            r"pay (?:all )?(?:of )?your (?:medical|hospital)|"
            r"(?:是|属于)我们的(?:责任|过失|过错|疏失)|我们(?:承认|承担)(?:全部|所有|"
            r"一切)?.{0,4}(?:责任|过失|损失)|我们有(?:责任|过失|过错)|产品(?:确实)?(?:有缺陷|"
            r"有瑕疵|不安全)|医药费.{0,6}由?我们",
        ),
        (
            "privacy",
            r"\b(?:his|her|their|the other customer'?s|another customer'?s|"
            r"the account holder'?s) (?:\w+ )?(?:address|phone(?: number)?|e-?mail|name|"
            r"card(?: number)?|password|order) (?:is|was)\b|\byour (?:full )?(?:card number|"
            r"password|cvv|pin) is\b|(?:send|tell|give|dm|share)(?: us|"
            r" me)? your (?:\w+ )?(?:password|cvv|pin|full card number|security code)|"
            r"(?:他|她|该客户|另一位客户|对方|其他客户)的(?:地址|电话|手机号|姓名|邮箱|卡号|"
            r"订单).{0,3}(?:是|为)|您的(?:密码|卡号|验证码)(?:是|为)|(?<![勿要别])(?:提供|"
            r"告诉|发).{0,6}(?:密码|验证码|安全码)(?!重置)",
        ),
        (
            "legal_advice",
            r"\byou (?:should|could|can|have (?:a )?(?:strong |good )?case to|"
            r"will win if you) (?:sue|take (?:us|them|him|her|it) to court|press charges)|"
            r"you (?:have|don't have|do not have) a (?:legal )?(?:case|claim)\b|"
            r"legally (?:you are|you're|speaking you)|under (?:the )?law you (?:can|are)|"
            r"您可以(?:起诉|告(?!知|诉))|法律上您|您(?:没有|有)(?:权|资格)(?:起诉|索赔)|依法您",
        ),
        (
            "medical_advice",
            r"\byou (?:should|can|could|need to) (?:take|apply|stop taking|"
            r"use) (?:\w+ )?(?:ibuprofen|aspirin|paracetamol|painkillers?|medication|"
            r"antibiotics?|ointment|cream|pills?|ice)|(?:it|that|the burn|"
            r"the wound) (?:is not|isn't|will not be|won't be) (?:serious|dangerous|harmful)|"
            r"no need to see a doctor|you (?:do not|don't) need (?:a doctor|to see a doctor)|"
            r"(?:建议您|您可以)(?:服用|吃|涂|擦|停药|敷)|不用(?:去)?看医生|不需要就医|"
            r"伤口.{0,4}(?:没事|不严重)|无需就医",
        ),
    )
)


@lru_cache(maxsize=65536)
def tone(reply: str, emotion: str | None) -> Tone:
    """The tone of a reply to a customer in that emotion.

    Args:
        reply: its text.
        emotion: calm, upset or angry; null is read as calm.

    Over-certain where absolute words stand, cold where an upset customer meets a short reply
    without any word of regret or understanding, evasive where nothing definite is said,
    over-eager where it gushes, or shouts three times; apt otherwise.
    """
    folded = fold(reply)
    match = _CERTAIN.search(folded)
    if match and not _NOT.search(folded[: match.start()]):
        return Tone("over_certain", reply[match.start() : match.end()])
    upset = emotion in ("upset", "angry")
    if upset and not _SORRY.search(folded) and _weight(reply) < 240:
        return Tone("cold", reply.strip()[:80])
    match = _EVASIVE.search(folded)
    if match and _weight(reply) < 240:
        return Tone("evasive", reply[match.start() : match.end()])
    eager = _EAGER.search(folded)
    if eager and (upset or folded.count("!") >= 3):
        return Tone("over_eager", reply[eager.start() : eager.end()])
    if folded.count("!") >= 4 and _weight(reply) < 400:
        return Tone("over_eager", reply[folded.index("!") : folded.index("!") + 1])
    return Tone("apt", None)


def _weight(text: str) -> int:
    # A Chinese character says about as much as three letters.
    return sum(3 if "㐀" <= char <= "鿿" else 1 for char in text)


def breach(reply: str) -> tuple[str, str] | None:
    """The first breach of compliance and its exact span: admission of liability, privacy, advice.

    >>> breach("I am sorry, this was entirely our fault.")
    ('liability', 'this was entirely our fault')
    """
    folded = fold(reply)
    for kind, pattern in _BREACH:
        match = pattern.search(folded)
        if match:
            return kind, reply[match.start() : match.end()]
    return None

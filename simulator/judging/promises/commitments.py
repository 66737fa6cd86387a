"""What a reply commits the company to: kind, value, unit, and whether it is firm or hedged.

Why rules over clauses and not over words: "within 3 days" is a promise after "your refund will
arrive", a request after "please reply", and nothing after "we cannot guarantee". The text judged is
data: no wording in it is ever obeyed, and a sentence is judged the same whatever stands around it,
except that a reply which asks for the customer's yes makes offers of its promises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from simulator.judging.promises import clauses_en, clauses_zh, patterns_en
from simulator.judging.promises.clauses import Clause, Live
from simulator.judging.promises.screen import may_commit
from simulator.judging.quantities import Quantity, fold, folded, quantities
from simulator.sentences import is_cjk, sentences


class Commitment(NamedTuple):
    """One commitment in a reply.

    ``kind`` is one of ``schema.COMMITMENT_KINDS``; ``value`` with its ``unit`` (minute, hour, day,
    working_day, week, month, money, percent) is null where none is said; of a range the larger end
    counts. ``firmness`` is firm or hedged. ``span`` is the exact clause in the reply.
    """

    kind: str
    value: float | None
    unit: str | None
    firmness: str
    span: str


_MADE = {
    "kind": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "firmness": pl.String,
    "span": pl.String,
}
_CJK = re.compile(r"[㐀-鿿豈-﫿]")
_CJK_STOP = re.compile(r"[.!?](?:(?<=[㐀-鿿豈-﫿）)\]」].)[.!?]*(?!\d)|[.!?]*(?=[㐀-鿿豈-﫿]))")
_ENGLISH = re.compile(r"[a-z']+ [a-z']+ [a-z']+")
_LINK = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\w+")
# Where one of these stands, :func:`_masked` may have something to do.
_MASKED = r"//|www\.|@|[\"「]| '"
# The customer's own words, or those of others, where they are quoted.
_QUOTED = re.compile(
    r"(?:\b(?:you|your (?:message|email|post|review)|customer|they|he|she|message)\b[^\"「]{0,40}?|"
    r"(?:您|你|客户|顾客|对方|所谓)[^。\"「]{0,14}?)"
    r"(?<!reply )(?<!reply with )(?<!say )(?<!回复)(\"[^\"]*\"|「[^」]*」|(?<= )'[^']{8,}'(?!\w))"
)

_KINDS = (
    (
        "legal",
        r"损失.{0,4}(?:由|承担|赔)|\blegal action|\blawsuit|\bsue\b|\bliab(?:le|ility)|\bcourt\b|"
        r"accept (?:full |"
        r"all )?responsib|settle (?:your|the) (?:claim|case)|律师|法律责任|起诉|诉讼|"
        r"承认.{0,4}责任|承担.{0,6}责任|和解",
    ),
    (
        "waiver",
        r"\bfee off|\bcharge off|(?:any|a) (?:extra )?charge\b|费.{0,4}(?:我们|我司)|收费|多[扣收]|"
        r"\bwaiv\w+|no (?:extra |additional |further )?(?:charge|fee|penalty)|"
        r"not be (?:charged|billed)|not (?:incur|charge|bill|have to pay|pay)|(?:drop|"
        r"remov|lift|cancel|take off|refund)\w* (?:\w+ ){0,3}?fee|owe (?:us )?nothing|"
        r"免除|减免|免收|免掉|不收|不会?.{0,3}扣|不会?.{0,4}收取?.{0,4}费|违约金|"
        r"免手续费|无需.{0,3}付|不[用必]付|费.{0,6}免(?!费)",
    ),
    (
        "refund",
        r"[$€£]\d[\d.,]* back|refund(?:s|ed|ing)?\b(?!able)(?! the fee)|money (?:on|in|"
        r"to) your (?:card|account)|"
        r"\bdeposit.{0,20}return|退款|charges? will (?:drop|fall)|amount.{0,12}revers",
    ),
    (
        "compensation",
        r"compensat\w+|voucher|coupon|goodwill|gift card|\bcertificate|apology gift|"
        r"points\b|\bcredit of\b|(?:get|pay|give|receive) (?:you )?(?:nt|us|hk)?[$€£]|"
        r"\bcredit\b.{0,12}(?:to|on|for) (?:your|you)|[$€£]\d+ (?:\w+ )?credit|"
        r"medical|new device|赔|补偿|购物金|点数|礼物|补(?:给)?您|补.{0,6}(?:元|块)|券|礼品|红包|"
        r"赠送|抵用|积分|医药费|换一[台个只]",
    ),
    (
        "price",
        r"\bprice|\bdiscount|% off|percent off|\bcosts?\b|\bmatch\b|\bdeal\b|\brate\b|"
        r"\bthe difference|\bbe (?:only |just )?(?:nt|us|hk)?[$€£]|差价|价格|特价|促销价|"
        r"折扣|[打\d一二三四五六七八九]折|价|优惠|降价|涨价|保价",
    ),
    (
        "refund",
        r"\brefund\w*|money back|reimburs\w+|your money|the money|missing money|"
        r"full amount|amount back|退(?!换|货|出|订)|返还|冲回|"
        r"钱.{0,6}(?:到|账|汇|打)|入账|到账",
    ),
    (
        "delivery_time",
        r"\b(?:parcels?|packages?|orders?|deliver(?:y|ies)|"
        r"shipments?)\b.{0,50}?\b(?:arriv|reach|with you|deliver|ship|dispatch|be there|"
        r"leave)|replacement.{0,12}(?:ship|sent|dispatch)|(?:gets?|get) to you|\bgoing out\b|"
        r"doorstep|"
        r"\bit(?:'ll| will| ought to| should|'s)\b.{0,12}with you|包裹.{0,14}?(?:到|送|寄|发)",
    ),
    ("action", r"\binvoice|发票"),
    (
        "callback",
        r"\b(?:ring|msg|dm) (?:you|u|him|her)?|(?:a|written|an) (?:ring|reply|answer|call|"
        r"email)\b|contacted|"
        r"\bcircle back|"
        r"\b(?:call|phone|ring|contact|email|e-mail|message|reply|respond|answer|write|"
        r"text|notify|update|inform)s?(?:ed)? (?:to )?(?:you|back|your)|get back|"
        r"in touch|reach(?:es)? out|follow(?:s)? up with you|hear (?:from|back)|"
        r"\bcall ?back|keep you (?:posted|updated|informed)|let you know|\bbe with you\b|"
        r"联系|回复|回电|回访|致电|来电|答复|通知|告知|电话|私信|联络|告诉您|对接|跟您说|打给|"
        r"回您|必回|消息",
    ),
    (
        "account",
        r"\baccount(?! will be credited)|password|unlock|reinstat|subscription|cancel\w*|"
        r"reservation|booking|\baccess\b|block on your|账号|账户|密码|解锁|解封|停用|解除|解冻|"
        r"注销|取消|冻结|开通|"
        r"套餐",
    ),
    (
        "repair",
        r"\bswap\b|\bcrew\b|\brepair\w*|\bfix(?:ed|es)?\b|\breplac\w+|technician|engineer|"
        r"\brestor\w+|"
        r"\bresolv\w+|维修|修复|修理|修好|更换|换货|换新|抢修|检修|上门|恢复|工程师",
    ),
    ("compensation", r"\bcredit(?:s|ed)?\b"),
    ("waiver", r"free of charge|at no cost|it's on us|免费"),
    (
        "delivery_time",
        r"\b(?:arriv|deliver|ship|dispatch|courier|parcel|package)\w*|\border\b|"
        r"reach you|送达|送到|发货|寄出|出货|配送|到货|送到|[会能]到|要.{1,4}天|快递|包裹|发出|"
        r"补发|物流|到家",
    ),
)
_LETTER = re.compile("[a-z]")


def _of_script(pattern: str, chinese: bool) -> re.Pattern[str] | None:
    # The alternatives of `pattern` that words of the one script can meet.
    parts, depth = [""], 0
    for place, char in enumerate(pattern):
        depth += (char == "(") - (char == ")")
        if char == "|" and not depth and pattern[place - 1] != "\\":
            parts.append("")
        else:
            parts[-1] += char
    of = [part for part in parts if (_CJK.search(part) is not None) == chinese]
    return re.compile("|".join(of)) if of else None


# A search among the words of one script is several times as fast as one among those of both.
_KIND = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)
_KIND_EN, _KIND_ZH = (
    tuple(
        (kind, found)
        for kind, pattern in _KINDS
        if (found := _of_script(pattern, chinese)) is not None
    )
    for chinese in (False, True)
)
# An act of looking into something is an action even where it names a refund or an account.
_INQUIRY = re.compile(
    r"(?:'ll|will|going to|can|try to)(?: \w+){0,2}? (?:check|look|review|investigat|"
    r"examin|forward|pass|escalat|share|assist|help|search|report|record|verify|"
    r"transfer|connect)\w*"
    r"|(?:核实|核查|查询|查证|反馈|跟进|记录|登记|转交|提交|反映|调查|"
    r"审核)(?!.{0,12}(?:联系|回复|回电|通知|电话|答复|结果))"
)
_MONEY_ACT = re.compile(r"\bwaiv|refund(?:ed|ing)? (?:you|your|the|in full|it)|退款给|退给")
_PRONOUN = re.compile(r"\b(?:it|that|this|they|which)\b")
_VOW = re.compile(r"guarante|promise|\bassure|保证|承诺|绝对|一定")
_ACTOR = re.compile(
    r"\b(?:we|i|our|my|they|who|someone|team|agents?|colleagues?|specialists?|you)\b|"
    r"^ *(?:will|shall)\b|[㐀-鿿]"
)
_WHEN = re.compile(
    r"^[\s,;:.-]*(?:and |then )?(?:within|in|by|after|over the next|on|"
    r"at the latest)\b[^,]*[\s,;:.-]*$"
    r"|^[\s,]*(?:最慢|最迟|最晚|约|在)?[^,申购下如若只]{1,12}(?:内|后|之前|前|第二天|"
    r"次日|隔[天日]|当[天日])[\s,]*$"
)


def find_commitments(text: str, language: str | None = None) -> list[Commitment]:
    """The commitments of a reply, in its order.

    Args:
        text: one reply, any length.
        language: BCP 47 of the conversation. Sentences show their language themselves; this only
            decides for those without letters.

    Returns:
        One entry for each value that a committing clause names (money and time apart), or one
        with null value. Empty where the reply commits to nothing. Every ``span`` is a substring
        of ``text``.

    >>> find_commitments("Your refund will arrive within 3 working days.")[0][:4]
    ('refund', 3.0, 'working_day', 'firm')
    """
    if not text:
        return []
    found: list[Commitment] = []
    for sentence in sentences(text):
        found.extend(_of_sentence(sentence, _masked(fold(sentence)), is_chinese(language)))
    return _unless_asked(text, found)


def find_all(said: pl.DataFrame, replies: pl.DataFrame) -> pl.DataFrame:
    """:func:`find_commitments` of many replies at once.

    Args:
        said: the sentences of the replies in order: ``text`` (which reply), ``sentence``,
            ``folded``, and ``chinese`` (the language of the conversation).
        replies: ``text`` and ``reply``.

    Returns:
        One row a commitment, in order: ``text`` and the fields of :class:`Commitment`. A reply
        that commits to nothing has no row.
    """
    said = said.select("text", "sentence", "folded", zh="chinese")
    key = ["sentence", "zh"]
    distinct = said.select(*key, "folded").unique(key)
    at = distinct["folded"].str.contains(_MASKED).arg_true()
    masked = [_masked(sentence) for sentence in distinct["folded"].gather(at)]
    if masked:
        distinct = distinct.with_columns(distinct["folded"].scatter(at, masked))
    maybe = may_commit(distinct)
    rows = maybe.select("sentence", "folded", "zh", "english", "chinese").iter_rows()
    made = [_of_sentence(*row) for row in rows]
    of = [place for place, found in enumerate(made) for _ in found]
    found = pl.DataFrame(
        [one for found in made for one in found], schema=_MADE, orient="row"
    ).hstack(maybe[of].select(key))
    found = said.select("text", *key).join(found, on=key, how="inner", maintain_order="left_right")
    return _unless_any_asked(found, replies).select("text", *_MADE)


def is_chinese(language: str | None) -> bool:
    """Whether a BCP 47 tag names Chinese; an unknown language is taken for another."""
    return (language or "").startswith("zh")


def _unless_asked(text: str, found: list[Commitment]) -> list[Commitment]:
    # A reply that waits for the customer's yes offers what it seems to promise.
    if any(one.firmness == "firm" for one in found) and _asks_for_yes(fold(text)):
        return [one._replace(firmness="hedged") for one in found]
    return found


def _unless_any_asked(found: pl.DataFrame, replies: pl.DataFrame) -> pl.DataFrame:
    firm = found.filter(pl.col("firmness") == "firm").select("text").unique()
    replies = replies.join(firm, on="text", how="semi")
    asks = replies.select("text", folded(pl.col("reply"))).filter(
        pl.col("reply").str.contains(patterns_en.YES)
    )
    asking = [text for text, reply in asks.iter_rows() if _asks_for_yes(reply)]
    hedged = pl.lit("hedged").alias("firmness")
    return found.with_columns(
        pl.when(pl.col("text").is_in(asking)).then(hedged).otherwise("firmness").alias("firmness")
    )


def _asks_for_yes(folded: str) -> bool:
    return patterns_en.ASKS_FOR_YES.search(folded.replace("\\n", "  ")) is not None


def _of_sentence(
    sentence: str, folded: str, zh: bool, english: Live = None, chinese: Live = None
) -> tuple[Commitment, ...]:
    if folded.isascii() or not _CJK.search(folded):
        # A full stop without a space, as in chats, still ends a Chinese sentence only.
        return tuple(_commitments(sentence, folded, clauses_en.clauses(folded, english)))
    found: list[Commitment] = []
    start = 0
    for end in [*(m.end() for m in _CJK_STOP.finditer(folded)), len(folded)]:
        part, plain = sentence[start:end], folded[start:end]
        if part.strip():
            made: list[Clause] = []
            if zh or _chinese(plain):
                made = clauses_zh.clauses(plain, _from(chinese, start))
            # Words of the one language behind a sentence of the other do not hide it.
            if not made and _ENGLISH.search(plain):
                made = clauses_en.clauses(plain, _from(english, start))
            found.extend(_commitments(part, plain, made))
        start = end
    return tuple(found)


def _from(live: Live, start: int) -> Live:
    return live and [(low - start, high - start) for low, high in live]


def _chinese(text: str) -> bool:
    # A Chinese reply may be full of product names; four characters make a clause.
    return len(_CJK.findall(text)) >= 4 or is_cjk(text)


def _masked(folded: str) -> str:
    # Addresses are blanked, and so are the customer's own words where they are quoted.
    if "//" in folded or "www." in folded or "@" in folded:
        folded = _LINK.sub(lambda match: " " * len(match[0]), folded)
    if '"' in folded or "「" in folded or " '" in folded:
        for match in list(_QUOTED.finditer(folded)):
            low, high = match.span(1)
            folded = folded[:low] + " " * (high - low) + folded[high:]
    return folded


def _commitments(sentence: str, folded: str, found: list[Clause]) -> list[Commitment]:
    made: list[Commitment] = []
    if not found:
        return made
    amounts = quantities(folded)
    for i, clause in enumerate(found):
        words = folded[clause.start : clause.end]
        # Between this clause and the next one stand its adverbials ("within 3 days, we will ...").
        low = found[i - 1].end if i else 0
        near = [q for q in amounts if clause.start <= q.start < clause.end]
        if not near:
            high = found[i + 1].start if i + 1 < len(found) else len(folded)
            for a, b in ((low, clause.start), (clause.end, high)):
                if not near and _adverbial(folded[a:b]):
                    near = [q for q in amounts if a <= q.start < b]
        # Only a pronoun looks back; else the same words are of the same kind everywhere.
        before = folded[: clause.start] if _PRONOUN.search(words) else ""
        kind = _kind(words, before)
        span = sentence[clause.start : clause.end].strip()
        for value, unit in _largest(near, kind):
            made.append(Commitment(kind, value, unit, clause.firmness, span))
    return made


@lru_cache(maxsize=65536)
def _kind(words: str, before: str) -> str:
    if _INQUIRY.search(words) and not _MONEY_ACT.search(words):
        return "action"
    # "It will arrive tomorrow" is about what was named before.
    for place in (words, before) if before and _PRONOUN.search(words) else (words,):
        if place.isascii() or not _CJK.search(place):
            kinds = _KIND_EN
        else:
            kinds = _KIND if _LETTER.search(place) else _KIND_ZH
        for kind, pattern in kinds:
            if pattern.search(place):
                return kind
    return "other" if _VOW.search(words) or not _ACTOR.search(words) else "action"


def _adverbial(text: str) -> bool:
    # "Within 3 days," before a clause gives its time; "if you apply within 14 days," does not.
    return len(text) <= 40 and _WHEN.search(text) is not None


def _largest(near: Sequence[Quantity], kind: str) -> list[tuple[float | None, str | None]]:
    # One value for each dimension: an amount and a time are two promises.
    values: list[tuple[float | None, str | None]] = []
    money = [q for q in near if q.unit in ("money", "percent")]
    times = [q for q in near if q.unit not in ("money", "percent")]
    if money and kind not in ("callback", "delivery_time"):
        values.append((money[-1].value, money[-1].unit))
    if times:
        values.append((times[0].value, times[0].unit))
    return values or [(None, None)]

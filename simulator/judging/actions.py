"""Which of the five actions a reply takes, and what a clarifying reply asks for."""

from __future__ import annotations

import re

import polars as pl

from simulator.judging.quantities import fold
from simulator.judging.signals import heard
from simulator.sentences import sentences

_HANDS_OVER = re.compile(
    r"\b(?:transferr?(?:ing|ed)?|connect(?:ing)?|pass(?:ing)?|hand(?:ing|ed)?|"
    r"escalat(?:e|ing|ed)|put(?:ting)?|forward(?:ing|ed)?|refer(?:ring|"
    r"red)?)\b[^.?!]{0,60}\b(?:human|agent|colleague|specialists?|supervisor|manager|"
    r"team|department|representative|them|one|person|expert)\b|"
    r"\bneeds? (?:one of our colleagues|a (?:colleague|supervisor|specialist|"
    r"manager))|being transferred|handing (?:this )?over|a (?:colleague|specialist|"
    r"human agent) (?:will|has to|needs to) (?:take|look|handle|contact)|"
    r"转(?:接|给|交|派|至|到|达|由).{0,14}(?:同事|专员|专人|人工|主管|经理|工作人员|"
    r"部门|团队|人员|专家|他们)|(?:由|让).{0,6}(?:同事|专员|主管|人工|"
    r"专人).{0,6}(?:处理|接手|跟进|联系)|为您转接|转人工",
    re.ASCII,
)
_REFUSES = re.compile(
    r"\b(?:i|we)(?:'m| am|'re| are)? (?:\w+ )?(?:cannot|can't|can not|unable to|"
    r"not able to|don't know|do not know|don't have (?:any |that |the )?(?:info\w*|"
    r"answer|access)|do not have (?:any |that |the )?(?:info\w*|answer|access)|"
    r"won't be able)|\bnot something (?:i|we) can\b|rather not guess|not (?:allowed|"
    r"permitted|possible)\b|unfortunately\b[^.?!]{0,60}\b(?:not|cannot|unable|no)\b|"
    r"无法|不能(?:给|为|提供|确定|承诺|回答|办理|处理|取消|退)|没办法|没有办法|"
    r"不确定|不清楚|不知道|不便|暂不支持|无权|恕不|不了解",
    re.ASCII,
)
_REQUESTS = re.compile(
    r"\b(?:please|kindly|could you|can you|would you|may i|"
    r"can i)\b[^.?!]{0,40}\b(?:tell|provide|send|share|give|let (?:me|us) know|"
    r"confirm|specify|clarify|dm|describe|have)\b|"
    r"\b(?:send us|send me|dm us|let (?:us|me) know) (?:your|the|which|what|a|more)|"
    r"\bi(?:'ll| will)? need (?:your|the|some|a few|a couple)|"
    r"(?:请|烦请|麻烦|劳烦).{0,14}(?:提供|告知|告诉|私信|补充|描述|发送|说明|留下|"
    r"确认一下|截图)|方便.{0,8}(?:提供|告知|私信|描述)|(?:提供|告知)(?:一?下)?(?:您|"
    r"你)?的",
    re.ASCII,
)
_ASKS = re.compile(r"\?\s*$|[吗呢么]\s*[?。.~]?\s*$", re.ASCII)
# So that an e-mail address is an account, and any other address is where somebody lives.
_MAILBOX = r"e-?mail address"
_COURTESY = re.compile(
    r"\b(?:anything else|does that help|make sense|how (?:can|may) (?:i|we) (?:help|"
    r"assist)|is that ok|would you like (?:me|us) to|shall i|want me to|feel free|"
    r"let us know (?:if|how)|have a (?:nice|great|good)|you(?:'re| are) welcome|"
    r"thank|glad|happy to help|hello\b|^hi\b|^hey\b|good (?:morning|afternoon|day))|"
    r"还有(?:什么|其他)|需要我|有什么可以|能帮到您|您好[,!.。]?$|谢谢|感谢|不客气|祝您|欢迎",
    re.ASCII,
)
_CALMS = re.compile(
    r"\b(?:sorry|apolog\w+|understand (?:how|why|that|your)|frustrat\w+|i hear you|"
    r"can (?:see|imagine) (?:why|how)|not the experience|regret|inconvenience)\b|"
    r"抱歉|对不起|不好意思|致歉|歉意|理解您|明白您|能体会|给您(?:带来|"
    r"造成).{0,8}(?:不便|困扰|麻烦)|请(?:您)?(?:谅解|见谅)|消消气|别着急|不要着急",
    re.ASCII,
)

# What a clarifying reply asks for, in the words of `missing_info`.
_ITEMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (item, re.compile(pattern, re.ASCII))
    for item, pattern in (
        (
            "order_number",
            r"\border\b|reservation (?:id|number|code)|booking (?:id|number|reference)|"
            r"transaction id|confirmation (?:number|code)|ticket number|订单|单号|编号",
        ),
        (
            "payment_method",
            r"how (?:did|was|were|have) (?:you|it|this) .{0,12}p(?:ay|aid)|how you paid|"
            r"pa(?:y|id)\w*.{0,12}(?:method|with|by)|payment (?:method|type)|which card|"
            r"付款方式|支付方式|怎么付|什么方式付|如何付|用什么.{0,6}付",
        ),
        (
            "address",
            r"\baddress\b|zip|postcode|postal code|"
            r"which branch|which city|where are you|地址|哪个城市|所在地|哪里|归属地|门牌",
        ),
        (
            "account",
            r"\baccount|user ?name|user id|mailbox|\blog ?in\b|phone number|"
            r"mobile number|member(?:ship)? number|账号|账户|帐|用户名|手机号|号码|联系方式|"
            r"联系电话|邮箱",
        ),
        ("amount", r"how much|\bamount|which charge|多少钱|金额|哪一笔|多少费"),
        (
            "date",
            r"\bwhen\b|what (?:date|day|time)|which (?:date|day)|\bdate\b|什么时候|何时|"
            r"哪一?天|哪日|日期|时间",
        ),
        (
            "product",
            r"which (?:product|item|model|device|platform|version|game|phone|app)|"
            r"what (?:\w+ )?(?:product|item|model|device|platform|version|phone|console|os)|"
            r"device|model\b|platform|version|product|商品|产品|型号|机型|版本|哪一?(?:件|款|"
            r"个应用|个软件|个产品)|什么手机|套餐",
        ),
        (
            "details",
            r"more (?:about|details|info\w*)|what (?:happened|exactly|is going on|"
            r"'s going on)|describe|error message|screenshot|details|clarify|经过|详细|具体|"
            r"描述|什么问题|情况|截图|遇到",
        ),
    )
)


def action(reply: str) -> tuple[str, str]:
    """The action that a reply takes and the exact sentence that shows it.

    A reply that hands over escalates, whatever else it says; one whose requests outweigh what it
    tells clarifies; then refusing and calming; what is left answers.

    >>> action("I am sorry for the trouble. Could you tell me the order number?")
    ('clarify', 'Could you tell me the order number?')
    """
    asks, refuses, calms, tells, offers = [], [], [], [], []
    for sentence in _spoken(reply):
        folded = fold(sentence)
        question = _ASKS.search(folded) is not None
        if _HANDS_OVER.search(folded) and not question and not _REQUESTS.search(folded):
            return "escalate", sentence
        if _COURTESY.search(folded) and not _REQUESTS.search(folded):
            offers.append(sentence)
        elif question or _REQUESTS.search(folded):
            asks.append(sentence)
        elif _REFUSES.search(folded):
            refuses.append(sentence)
        elif _CALMS.search(folded):
            calms.append(sentence)
        elif len(folded) > 6:
            tells.append(sentence)
    if calms and not tells and not refuses and asked_for(reply) is None:
        return "soothe", calms[0]
    if asks and len(asks) >= len(tells):
        return "clarify", asks[0]
    if refuses and len(refuses) >= len(tells):
        return "refuse", refuses[0]
    if calms and not tells:
        return "soothe", calms[0]
    for group in (tells, refuses, asks, offers, calms):
        if group:
            return "answer", group[0]
    return "answer", next(iter(_spoken(reply)), reply.strip())


def asked_for(reply: str) -> str | None:
    """What a clarifying reply asks for, in the words of ``missing_info``; null if unclear."""
    asking = [
        re.sub(_MAILBOX, "mailbox", folded)
        for folded in map(fold, _spoken(reply))
        if _ASKS.search(folded) or _REQUESTS.search(folded)
    ]
    for item, pattern in _ITEMS:
        if any(pattern.search(folded) for folded in asking):
            return item
    return None


def _spoken(reply: str) -> list[str]:
    # An order to a judge is no part of what the reply does.
    return [sentence for sentence in sentences(reply) if heard(sentence)[0].strip()]


def spoken(said: pl.DataFrame, ordered: pl.Series) -> pl.DataFrame:
    """``said`` without the sentences that only order whoever judges.

    Args:
        said: sentences, with ``text``, which reply each is of.
        ordered: the ``text`` of the replies in which something orders a judge.
    """
    if ordered.is_empty():
        return said
    doubtful = said["text"].is_in(ordered.implode())
    kept = [
        not doubt or bool(heard(sentence)[0].strip())
        for doubt, sentence in zip(doubtful, said["sentence"], strict=True)
    ]
    return said.filter(pl.Series(kept, dtype=pl.Boolean))


def actions(said: pl.DataFrame) -> pl.DataFrame:
    """:func:`action` and :func:`asked_for` of many replies at once.

    Args:
        said: the sentences of the replies in order: ``text`` (which reply), ``sentence``, and
            ``folded``.

    Returns:
        One row a reply with a sentence, by ``text``: ``action``, ``shown_by``, ``asked_for``.
    """
    distinct = said.select("sentence", "folded").unique("sentence")
    read = (
        distinct.lazy()
        .with_columns(
            hands=_found(_HANDS_OVER),
            refuses=_found(_REFUSES),
            requests=_found(_REQUESTS),
            asks=_found(_ASKS),
            courtesy=_found(_COURTESY),
            calms=_found(_CALMS),
        )
        .with_columns(asking=pl.col("asks") | pl.col("requests"))
        .with_columns(
            role=pl.when("hands", ~pl.col("asking"))
            .then(pl.lit("hands"))
            .when("courtesy", ~pl.col("requests"))
            .then(pl.lit("offers"))
            .when("asking")
            .then(pl.lit("asks"))
            .when("refuses")
            .then(pl.lit("refuses"))
            .when("calms")
            .then(pl.lit("calms"))
            .when(pl.col("folded").str.len_chars() > 6)
            .then(pl.lit("tells"))
        )
        .select("sentence", "role", "asking")
        .collect()
    )
    item = (
        distinct.join(read.filter("asking"), on="sentence", how="semi")
        .with_columns(pl.col("folded").str.replace_all(_MAILBOX, "mailbox"))
        .select(
            "sentence",
            item=pl.coalesce(
                pl.when(_found(pattern)).then(pl.lit(place, pl.Int32))
                for place, (_, pattern) in enumerate(_ITEMS)
            ),
        )
    )
    of_role = {
        role: pl.col("sentence").filter(pl.col("role") == role)
        for role in ("hands", "asks", "refuses", "calms", "offers", "tells")
    }
    firsts = {f"{role}_1": found.first() for role, found in of_role.items()}
    counts = {f"n_{role}": found.len() for role, found in of_role.items()}
    first, n = {role: pl.col(f"{role}_1") for role in of_role}, pl.col
    calm_only = (n("n_calms") > 0) & (n("n_tells") == 0)
    cases = (
        ("escalate", n("n_hands") > 0, "hands"),
        ("soothe", calm_only & (n("n_refuses") == 0) & pl.col("item").is_null(), "calms"),
        ("clarify", (n("n_asks") > 0) & (n("n_asks") >= n("n_tells")), "asks"),
        ("refuse", (n("n_refuses") > 0) & (n("n_refuses") >= n("n_tells")), "refuses"),
        ("soothe", calm_only, "calms"),
    )
    names = [name for name, _ in _ITEMS]
    return (
        said.select("text", "sentence")
        .join(read, on="sentence", how="left", maintain_order="left")
        .join(item, on="sentence", how="left", maintain_order="left")
        .group_by("text", maintain_order=True)
        .agg(pl.col("item").min(), pl.col("sentence").first().alias("any_1"), **firsts, **counts)
        .select(
            "text",
            action=pl.coalesce(
                *(pl.when(holds).then(pl.lit(name)) for name, holds, _ in cases), pl.lit("answer")
            ),
            shown_by=pl.coalesce(
                *(pl.when(holds).then(first[role]) for _, holds, role in cases),
                *(first[role] for role in ("tells", "refuses", "asks", "offers", "calms")),
                "any_1",
            ),
            asked_for=pl.col("item").replace_strict(
                range(len(names)), names, return_dtype=pl.String, default=None
            ),
        )
    )


def _found(pattern: re.Pattern[str]) -> pl.Expr:
    # The patterns above are ASCII where they speak of words, so that Rust reads them alike.
    rust = pattern.pattern
    for python, same in ((r"\b", r"(?-u:\b)"), (r"\w", "[0-9A-Za-z_]"), (r"\s", r"[ \t-\r]")):
        rust = rust.replace(python, same)
    return pl.col("folded").str.contains(rust)

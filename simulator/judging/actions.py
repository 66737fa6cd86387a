"""Which of the five actions a reply takes, and what a clarifying reply asks for."""

from __future__ import annotations

import re

from simulator.judging.quantities import fold
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
    r"专人).{0,6}(?:处理|接手|跟进|联系)|为您转接|转人工"
)
_REFUSES = re.compile(
    r"\b(?:i|we)(?:'m| am|'re| are)? (?:\w+ )?(?:cannot|can't|can not|unable to|"
    r"not able to|don't know|do not know|don't have (?:any |that |the )?(?:info\w*|"
    r"answer|access)|do not have (?:any |that |the )?(?:info\w*|answer|access)|"
    r"won't be able)|\bnot something (?:i|we) can\b|rather not guess|not (?:allowed|"
    r"permitted|possible)\b|unfortunately\b[^.?!]{0,60}\b(?:not|cannot|unable|no)\b|"
    r"无法|不能(?:给|为|提供|确定|承诺|回答|办理|处理|取消|退)|没办法|没有办法|"
    r"不确定|不清楚|不知道|不便|暂不支持|无权|恕不|不了解"
)
_REQUESTS = re.compile(
    r"\b(?:please|kindly|could you|can you|would you|may i|"
    r"can i)\b[^.?!]{0,40}\b(?:tell|provide|send|share|give|let (?:me|us) know|"
    r"confirm|specify|clarify|dm|describe|have)\b|"
    r"\b(?:send us|send me|dm us|let (?:us|me) know) (?:your|the|which|what|a|more)|"
    r"\bi(?:'ll| will)? need (?:your|the|some|a few|a couple)|"
    r"(?:请|烦请|麻烦|劳烦).{0,14}(?:提供|告知|告诉|私信|补充|描述|发送|说明|留下|"
    r"确认一下|截图)|方便.{0,8}(?:提供|告知|私信|描述)|(?:提供|告知)(?:一?下)?(?:您|"
    r"你)?的"
)
_ASKS = re.compile(r"\?\s*$|[吗呢么]\s*[?。.~]?\s*$")
_COURTESY = re.compile(
    r"\b(?:anything else|does that help|make sense|how (?:can|may) (?:i|we) (?:help|"
    r"assist)|is that ok|would you like (?:me|us) to|shall i|want me to|feel free|"
    r"let us know (?:if|how)|have a (?:nice|great|good)|you(?:'re| are) welcome|"
    r"thank|glad|happy to help|hello\b|^hi\b|^hey\b|good (?:morning|afternoon|day))|"
    r"还有(?:什么|其他)|需要我|有什么可以|能帮到您|您好[,!.。]?$|谢谢|感谢|不客气|祝您|欢迎"
)
_CALMS = re.compile(
    r"\b(?:sorry|apolog\w+|understand (?:how|why|that|your)|frustrat\w+|i hear you|"
    r"can (?:see|imagine) (?:why|how)|not the experience|regret|inconvenience)\b|"
    r"抱歉|对不起|不好意思|致歉|歉意|理解您|明白您|能体会|给您(?:带来|"
    r"造成).{0,8}(?:不便|困扰|麻烦)|请(?:您)?(?:谅解|见谅)|消消气|别着急|不要着急"
)

# What a clarifying reply asks for, in the words of `missing_info`.
_ITEMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (item, re.compile(pattern))
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
            r"\baddress(?!\w)(?<!e-mail address)(?<!email address)|zip|postcode|postal code|"
            r"which branch|which city|where are you|地址|哪个城市|所在地|哪里|归属地|门牌",
        ),
        (
            "account",
            r"\baccount|user ?name|user id|e-?mail address|\blog ?in\b|phone number|"
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
    for sentence in sentences(reply):
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
    return "answer", reply.strip()


def asked_for(reply: str) -> str | None:
    """What a clarifying reply asks for, in the words of ``missing_info``; null if unclear."""
    asking = [
        folded
        for folded in map(fold, sentences(reply))
        if _ASKS.search(folded) or _REQUESTS.search(folded)
    ]
    for item, pattern in _ITEMS:
        if any(pattern.search(folded) for folded in asking):
            return item
    return None

"""How upset a customer sounds: words, exclamation marks, capitals, repetition.

The score adds what each sign weighs; the weights are rounded from how often the signs stood in
conversations that readers rated as unsatisfied. 1.25 and more counts as upset, 3.25 and more as
angry.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from simulator.judging.quantities import fold

UPSET, ANGRY = 1.25, 3.25

_SIGNS: tuple[tuple[float, re.Pattern[str]], ...] = tuple(
    (weight, re.compile(pattern))
    for weight, pattern in (
        (
            3.5,
            r"\b(?:furious|outrag\w+|disgust\w*|ridiculous|unbelievable|unacceptable|"
            r"bullshit|wtf|f+u+c+k\w*|shit\w*|crap|scam\w*|thie(?:f|ves)|theft|useless|"
            r"incompetent|idiots?|worst|had enough|fed up|sick of|joke of a|rubbish|liars?|"
            r"lying|shame(?:ful|less)?|pathetic|appalling|hate)\b",
        ),
        (
            3.5,
            r"\b(?:stop wasting|wasting my time|do you people|(?:pay|answer) for this|"
            r"you must be joking|are you kidding|do nothing|at once|damn|hell)\b",
        ),
        (
            1.5,
            r"\b(?:disappoint\w*|frustrat\w*|annoy\w*|upset|unhappy|not happy|angry|terrible|"
            r"awful|horrible|poor service|bad service|worried|scared|nightmare|mess|"
            r"fail(?:ed|s|ure)?|broken again|unfair|not right|expected better|expected more|"
            r"complain\w*|sorry excuse|a joke|a maze|ignor(?:ed|ing)|nobody (?:answer|told|"
            r"call)\w*|no help|no reply)\b",
        ),
        (
            1.0,
            r"\b(?:still (?:no|not|nothing|hasn't|haven't|waiting|the same)|again and again|"
            r"(?:third|fourth|fifth) time|twice|for (?:weeks|months|days|ten days|hours)|"
            r"how hard can it be|what is taking|why (?:is|are|do|did|can't|won't|should)|"
            r"never (?:again|received|arrived|came)|nothing changed|on what grounds|"
            r"that is not what)\b",
        ),
        (
            3.5,
            r"垃圾|他妈|特么|妈的|tmd|傻[逼叉]|骗子|流氓|无耻|不要脸|变态|恶心|去死|受够|受不了|"
            r"气死|气炸|气疯|愤怒|太过分|离谱|太夸张|岂有此理|太差|最差|恶劣|浪费我|敷衍|耍(?:人|我)",
        ),
        (
            2.5,
            r"坑爹|坑(?:人|用户|钱|我|死)|nmd|卧槽|我靠|滚|"
            r"骗(?:子|人|钱|用户|我)|欺骗|霸王|黑心|奸商|忽悠|"
            r"尼玛|泥马|你妹|狗屁|烂|推脱|踢皮球|推诿|"
            r"火大|过分|夸张|极差|失职|抢钱|偷(?:我|钱|"
            r"流量)|糊弄|坑害|打脸|呵呵|投诉|曝光|维权|赔偿|凭什么|凭啥|"
            r"道歉|工信部|315|垄断",
        ),
        (
            1.5,
            r"失望|无奈|无语|不满|抱怨|生气|郁闷|崩溃|抓狂|醉了|心累|坑|差劲|难道|到底|究竟|"
            r"态度|扯淡|吐槽|骚扰|乱扣|莫名其妙|没人(?:管|理|处理|回)|无人|烦(?!请|劳)|"
            r"急(?:死|用)|担心|害怕|糟糕|白等|什么意思|几个意思|搞什么|闹哪样|怎么能|"
            r"怎么会这|好意思|信任|忍|拖|再也不|永不|太慢|悲剧|悲催|黑幕|不负责|对得起|"
            r"有没有搞错|搞错|废话|套话|官话|罐头|敢不敢|还能不能|能不能(?:给|有|别)|何时才|"
            r"什么时候才|要等到",
        ),
        (
            1.0,
            r"还是(?:没|不|一样)|一直(?:没|不|无|断|在)|仍然|依旧|依然|至今|"
            r"第[三四五六七八九\d]+次|好几(?:次|天|周|个)|多少(?:次|天|遍)|无数|天天|每次|"
            r"每天|反复|再次|三番|这么(?:久|多|长|慢|差|烂)|几个月|"
            r"[一两三四五六七八九十\d]+(?:多)?(?:天|周|个月|年|小时)了|解释|为什么|为何|"
            r"问题是|都(?:不|没)|根本|居然|竟然|明明|说好的?|承诺|白交|欠费|扣(?:了|我|费|"
            r"钱)|掉线|断网|打了|报修|客服(?:说|电话|态度)|不给|拒绝|限制|损失|责任|谁(?:负|"
            r"来)",
        ),
    )
)
_CALM = re.compile(
    r"\bthank|\bgreat\b|\bperfect\b|\bappreciate|\bawesome|谢|解决了|可以了|好了|好的|嗯|太好|赞|辛苦|"
    r"喜欢|请教|求推荐|求助|期待|棒|哈哈|嘻嘻"
)
# Speaking to the company as "you lot", and giving it orders.
_ACCUSES = re.compile(
    r"\byou (?:people|guys|lot|keep|never|always|all)\b|你们|给我|让我|我要|不要|消费者|"
    r"说过|告知|领导|公司|处理"
)
_THANKS = re.compile(
    r"\bthank(?:s| you)\b|\bperfect\b|\bcheers\b|谢谢|感谢|多谢|谢啦|解决了|可以了|太好了"
)
_CAPITALS = re.compile(r"\b[A-Z]{4,}\b")
_SHOUT = re.compile(r"[!！]{2,}|[?？]{2,}|[!！][?？]|[?？][!！]")


class Mood(NamedTuple):
    """``score`` adds up the signs; ``span`` is the heaviest of them, exact, or null."""

    score: float
    span: str | None


def mood(text: str) -> Mood:
    """How upset one message sounds.

    >>> mood("When will my parcel arrive?").score
    0.0
    >>> level(mood("This is RIDICULOUS, still no refund!!").score)
    'angry'
    """
    folded = fold(text)
    score, span, heaviest = 0.0, None, 0.0
    for weight, pattern in _SIGNS:
        matches = list(pattern.finditer(folded))
        if matches:
            # A second word of the same weight says less than the first.
            score += weight * (1 + 0.4 * min(len(matches) - 1, 3))
            if weight > heaviest:
                heaviest, span = weight, text[matches[0].start() : matches[0].end()]
    shouts = _SHOUT.findall(text)
    marks = text.count("!") + text.count("！")
    score += min(1.5, 0.75 * len(shouts)) + min(1.0, 0.25 * marks)
    capitals = _CAPITALS.findall(text)
    if len(capitals) >= 1 and not text.isupper() and heaviest:
        score += 0.5 * min(len(capitals), 2)
    elif len(capitals) >= 2:
        score += 1.0
    if span is None and score >= UPSET:
        match = _SHOUT.search(text) or re.search(r"[!！]", text) or _CAPITALS.search(text)
        span = match[0] if match else None
    accusing = len(_ACCUSES.findall(folded))
    if accusing:
        score += min(0.9, 0.3 * accusing)
    if _CALM.search(folded):
        score -= 0.75
    return Mood(max(0.0, score), span)


def level(score: float) -> str:
    """calm, upset or angry."""
    return "angry" if score >= ANGRY else "upset" if score >= UPSET else "calm"


def said_thanks(folded: str) -> bool:
    """Whether a folded message closes in thanks."""
    return _THANKS.search(folded) is not None

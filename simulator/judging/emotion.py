"""How upset a customer sounds: words, exclamation marks, capitals, repetition.

The score adds what each sign weighs. The weights are judgements, rounded to a quarter; they were
set while reading one half of the conversations that readers rated, and checked on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from simulator.judging.signals import heard, in_column, in_text

# Feelings at which a customer counts as upset and as angry.
UPSET, ANGRY = 2.0, 5.0
# What is left of a feeling at the next message, and after thanks. The same words after an answer
# weigh half as much again: the answer did not help.
_LASTS, _LASTS_THANKED, _AFTER_ANSWER = 0.75, 0.25, 1.5

# What each kind of words weighs; a second word of a kind says less than the first.
SIGNS: tuple[tuple[float, str], ...] = (
    (
        3.5,
        r"\b(?:furious|outrag\w+|disgust\w*|ridiculous|unbelievable|unacceptable|bullshit|wtf|"
        r"f+u+c+k\w*|shit\w*|crap|scam(?:s|med|mers?)?|thie(?:f|ves)|theft|useless|incompetent|"
        r"idiots?|stupid|worst|had enough|fed up|sick (?:and tired )?of|joke of a|rubbish|"
        r"garbage|liars?|"
        r"lying|shame(?:ful|less)?|pathetic|appalling|hate|sucks?|pissed|rip[- ]?off|insane|"
        r"stop wasting|wast(?:ing|ed) my time|do you people|(?:pay|answer) for this|"
        r"you must be joking|are you kidding|do nothing|damn|hell|for (?:god|christ)'?s sake)\b",
    ),
    (
        2.25,
        r"\b(?:disappoint\w*|frustrat\w*|annoy\w*|upset|unhappy|not happy|angry|mad at|terrible|"
        r"awful|"
        r"horrible|(?:poor|bad|lousy) service|worried|scared|panicking|nightmare|a mess|tired of|"
        r"ugh+|"
        r"(?:can't|cannot|can not) believe|you (?:\w+ )?failed|failed (?:me|us)|broken again|"
        r"unfair|"
        r"not right|expected (?:better|more)|complain(?:t|ed|ing)?|sorry excuse|a joke|a maze|"
        r"ignor(?:e|ed|es|ing) (?:me|us|my|our|it|this)|(?:been|being|keep getting) ignored|"
        r"nobody (?:answer|told|call|care|help)\w*|no help|no reply|terminated under)\b",
    ),
    (
        1.0,
        r"\b(?:still (?:no|not|nothing|hasn't|haven't|didn't|waiting|the same)|again and again|"
        r"(?:third|fourth|fifth) time|twice|multiple times|many times|at once|"
        r"for (?:weeks|months|days|ten days|hours)|fix (?:it|this)|fail(?:ed|s|ure)?|keeps?|"
        r"how hard can it be|what is taking|why (?:is|are|do|did|can't|won't|should|the)|"
        r"never (?:again|received|arrived|came)|nothing changed|on what grounds|"
        r"that is not what)\b",
    ),
    (
        3.5,
        r"垃圾|他妈|特么|妈的|tmd|傻[逼叉]|骗子|流氓|无耻|不要脸|变态|恶心|去死|受够|受不了|气死|"
        r"气炸|"
        r"气疯|气老|愤怒|太过分|大过份|离谱|太夸张|岂有此理|太差|最差|恶劣|浪费我|敷衍|搪塞|糊弄|"
        r"耍(?:人|我)|"
        r"大爷的|次奥|玛德|狗日|尼玛|泥马|你妹|狗屁|一生黑|窝火",
    ),
    (
        2.5,
        r"坑爹|坑(?:人|用户|钱|我|死|害)|nmd|卧槽|我靠|滚|骗(?:人|钱|用户|我)|欺骗|霸王|黑心|"
        r"奸商|忽悠|烂|"
        r"推脱|踢皮球|推诿|火大|过分|夸张|极差|失职|抢钱|偷(?:我|钱|流量)|打脸|呵呵|投诉|曝光|"
        r"维权|赔偿|"
        r"凭什么|凭啥|失望|工信部|\b(?:12321|12315|12300|315)\b|垄断|举报|逗[我人]",
    ),
    (
        1.5,
        r"无奈|无语|不满|抱怨|生气|郁闷|崩溃|抓狂|醉了|心累|坑|差劲|难道|到底|究竟|态度|扯淡|"
        r"吐槽|骚扰|"
        r"乱扣|莫名其妙|没人(?:管|理|处理|回)|无人|急(?:死|用)|糟糕|白等|什么意思|几个意思|"
        r"搞什么|闹哪样|"
        r"怎么能|怎么会这|好意思|信任|忍|拖|再也不|永不|太慢|悲剧|悲催|黑幕|不负责|对得起|"
        r"有没有搞错|搞错|"
        r"废话|套话|官话|复读机|复制粘贴|罐头|敢不敢|还能不能|能不能(?:给|有|别)|何时才|"
        r"什么时候才|要等到|"
        r"答非所问|说了(?:几|多少)[遍次]|(?:给|求)(?:我|个|我个)?(?:说法|解释)|道歉|太不专业|"
        r"讨厌|没有?任何|任何(?:人|结果|解释|回复|说法)|"
        r"别再|再见[吧了]|干什么的|算怎么回事|不(?:管|理|闻)不问|有什么用|解决(?:了)?(?:什么|"
        r"不了)|没有?解决",
    ),
    (
        1.0,
        r"还是(?:没|不|一样)|一直(?:没|不|无|断|在)|仍然|依旧|依然|至今|第[三四五六七八九\d]+次|"
        r"好几(?:次|天|周|个)|多少(?:次|天|遍)|无数|天天|每次|每天|反复|再次|三番|"
        r"这么(?:久|多|长|慢|差|烂)|几个月|[一两三四五六七八九十半\d]+(?:多)?个?(?:天|周|月|年|"
        r"小时)了?|"
        r"为什么|为何|问题是|都(?:不|没)|也没|根本|居然|竟然|明明|说好的?|承诺|白交|欠费|"
        r"扣(?:了|我|费|钱)|掉线|断网|打了|报修|客服(?:说|电话)|不给|拒绝|限制|损失|责任|谁(?:负|"
        r"来)",
    ),
    # The company addressed as "you lot", and given orders.
    (
        0.5,
        r"\byou (?:people|guys|lot|keep|never|always|all)\b|你们|贵司|给我|让我|我要|我说|告诉我|"
        r"告知|"
        r"不要|消费者|说过|领导|公司|处理|客服|结果",
    ),
)
_CALM = (
    r"\bthank|\bgreat\b|\bperfect\b|\bappreciate|\bawesome|谢|解决了|可以了|好了|好的|嗯|太好|赞|"
    r"辛苦|"
    r"喜欢|请教|求推荐|求助|求解|期待|棒|哈哈|嘻嘻|请问|怎么办|希望"
)
THANKS = (
    r"\b(?:thanks|thank you|perfect|cheers)\b|谢谢|感谢|多谢|谢啦|谢了|解决了|可以了|太好了|好的|嗯"
)
_CAPITALS = "[A-Z]{4,}"
_SHOUT = "[!?]{2,}"


class Mood(NamedTuple):
    """How upset one message sounds by itself, and whether it closes in thanks."""

    score: float
    thanks: bool


@lru_cache(maxsize=65536)
def mood(text: str) -> Mood:
    """How upset one message sounds; the same as :func:`moods` for a single text.

    >>> mood("Do you sell lamps").score
    0.0
    >>> level(mood("This is RIDICULOUS, still no refund!!").score)
    'angry'
    """
    plain, folded = heard(text)
    counts = [len(in_text(pattern).findall(folded)) for _, pattern in SIGNS]
    score = sum(
        weight * (0.6 + 0.4 * min(n, 4)) for (weight, _), n in zip(SIGNS, counts, strict=True) if n
    )
    score += min(1.5, 0.75 * len(in_text(_SHOUT).findall(folded)))
    score += min(1.0, 0.25 * folded.count("!")) + min(0.5, 0.25 * folded.count("?"))
    # All in capitals is how some people type; single words in capitals are meant.
    capitals = min(2, len(in_text(_CAPITALS).findall(plain)))
    if in_text("[a-z]").search(plain):
        score += 0.5 * capitals if any(counts) else 1.0 if capitals == 2 else 0.0
    score -= 0.75 * min(2, len(in_text(_CALM).findall(folded)))
    return Mood(max(0.0, score), in_text(THANKS).search(folded) is not None)


def counts(plain: str, folded: str) -> dict[str, pl.Expr]:
    """What :func:`moods` needs to know of each message.

    Args:
        plain: column of messages without what is said to a judge.
        folded: the same column folded (both by :func:`simulator.judging.signals.heard_all`).
    """
    text = pl.col(folded).str
    found = {f"n_sign_{i}": text.count_matches(in_column(p)) for i, (_, p) in enumerate(SIGNS)}
    return found | {
        "n_calm": text.count_matches(in_column(_CALM)),
        "n_shouts": text.count_matches(_SHOUT),
        "n_exclaimed": text.count_matches("!", literal=True),
        "n_asked": text.count_matches("?", literal=True),
        "n_capitals": pl.col(plain).str.count_matches(_CAPITALS),
        "has_small": pl.col(plain).str.contains("[a-z]"),
        "thanks": text.contains(in_column(THANKS)),
    }


def moods() -> dict[str, pl.Expr]:
    """Columns ``score`` and ``sign`` (the heaviest, an index of :data:`SIGNS`, or null).

    They are made from the columns of :func:`counts`.
    """
    n = [pl.col(f"n_sign_{i}").cast(pl.Float64) for i in range(len(SIGNS))]
    capitals = pl.min_horizontal("n_capitals", 2)
    score = pl.sum_horizontal(
        *(
            pl.when(n[i] > 0).then(weight * (0.6 + 0.4 * pl.min_horizontal(n[i], 4.0)))
            for i, (weight, _) in enumerate(SIGNS)
        ),
        pl.min_horizontal(0.75 * pl.col("n_shouts"), 1.5),
        pl.min_horizontal(0.25 * pl.col("n_exclaimed"), 1.0),
        pl.min_horizontal(0.25 * pl.col("n_asked"), 0.5),
        pl.when(~pl.col("has_small"))
        .then(0.0)
        .when(pl.any_horizontal(one > 0 for one in n))
        .then(0.5 * capitals)
        .otherwise((capitals == 2).cast(pl.Float64)),
        -0.75 * pl.min_horizontal("n_calm", 2),
    )
    heaviest = sorted(range(len(SIGNS)), key=lambda i: -SIGNS[i][0])
    return {
        "score": pl.max_horizontal(score, 0.0),
        "sign": pl.coalesce(pl.when(n[i] > 0).then(i) for i in heaviest),
    }


def feeling(before: float, mood: Mood, answered: bool) -> float:
    """What a customer feels after a message.

    Args:
        before: the feeling before it, 0 at first.
        mood: of the message.
        answered: whether anything was replied before it.
    """
    thanked = mood.thanks and mood.score < UPSET
    left = before * (_LASTS_THANKED if thanked else _LASTS)
    return left + mood.score * (_AFTER_ANSWER if answered else 1.0)


def distress(texts: Sequence[str]) -> float:
    """How upset a customer is at the end of a conversation; 0 is not at all.

    Anger lasts but fades, thanks calm, and complaints after the first message weigh more: whatever
    was replied did not help.

    Args:
        texts: the customer's messages in order, each taken to be answered before the next.
    """
    now = 0.0
    for i, text in enumerate(texts):
        now = feeling(now, mood(text), i > 0)
    return now


def level(feeling: float) -> str:
    """calm, upset or angry."""
    return "angry" if feeling >= ANGRY else "upset" if feeling >= UPSET else "calm"

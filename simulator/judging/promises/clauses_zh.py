"""Which Chinese clauses bind the company, and how firmly.

The text is folded first, so that one set of simplified rules reads both scripts. Chinese drops the
subject: a clause is the company's unless it is addressed to the customer. The signs of a firm
commitment are a future (会, 将), a speed word (尽快, 马上) before an act of the company, an
act done for the customer (为您核实), an outcome with a time (三天内到账), or a given word (保证).
"""

from __future__ import annotations

from functools import lru_cache

from simulator.judging.promises import patterns_zh as zh
from simulator.judging.promises.clauses import Clause, Live, alive
from simulator.judging.quantities import quantities


def clauses(sentence: str, live: Live = None) -> list[Clause]:
    """The clauses of one folded sentence that commit the company.

    Args:
        sentence: Chinese, folded.
        live: where a clause may commit.

    >>> [c.firmness for c in clauses("您的退款3天内到账.")]
    ['firm']
    >>> [c.firmness for c in clauses("我们会尽快核实处理,退款通常3到5天到账")]
    ['firm', 'hedged']
    >>> clauses("请您3天内提供订单号")
    []
    """
    found: list[Clause] = []
    conditional = False
    asks = sentence.rstrip().endswith(("?", "吗", "吗。"))
    offer = zh.OFFER.search(sentence) if asks else None
    if offer:
        return [Clause(offer.start(), len(sentence.rstrip()), "hedged")]
    if live is not None and not live:
        return []
    spaced = zh.GAP.sub(",", sentence) if " " in sentence else sentence
    parts = list(zh.PART.finditer(spaced))
    agree = asks and zh.AGREED.search(sentence) is not None
    said = [part[0].rstrip() for part in parts]
    firm = [
        _firmness(clause.rstrip(".")) if alive(live, part.start(), part.end()) else None
        for part, clause in zip(parts, said, strict=True)
    ]
    if not any(firm):
        return []
    aimed = False
    for part, clause, firmness in zip(parts, said, firm, strict=True):
        if zh.CONDITION.search(clause):
            conditional = not zh.FREE_CONDITION.search(clause)
        if found and zh.RESERVES.match(clause):
            found[-1] = found[-1]._replace(firmness="hedged")
        # What follows a purpose goes on with it: "so that we check it, and call you".
        if zh.PURPOSE.search(clause):
            aimed = True
        elif not zh.GOES_ON.match(clause):
            aimed = False
        ours = not asks or zh.NAMES_US.search(clause) is not None
        if firmness and ours and not aimed:
            soft = conditional or agree or firmness == "hedged"
            found.append(
                Clause(part.start(), part.start() + len(clause), "hedged" if soft else "firm")
            )
    return found


@lru_cache(maxsize=65536)
def _firmness(clause: str) -> str | None:
    if zh.ASKS.search(clause) or zh.PURPOSE.search(clause):
        return None
    if zh.NO_FEE.search(clause):
        return _softened(clause)
    if zh.DENIES.search(clause) or zh.WELCOME.search(clause):
        return None
    if zh.WATCH.search(clause):
        return None if clause.startswith("建议") else "firm"
    if zh.YOU_GET.search(clause):
        return _softened(clause)
    addressed = zh.CUSTOMER.search(clause) and not zh.WE_WILL.search(clause)
    if addressed and not zh.WE_ACT.search(clause):
        timed = _timed(clause) and not zh.REQUEST.search(clause)
        if not timed and (not zh.CAN.search(clause) or zh.YOUR_TURN.match(clause)):
            return None
        return _softened(clause) if timed else "hedged"
    if zh.WORD.search(clause) or zh.BEARS.search(clause):
        return _softened(clause)
    if zh.CAN.search(clause) and not zh.WILL.search(clause):
        return "hedged"
    if zh.PAST.search(clause) and not zh.FAST.search(clause) and not zh.WILL.search(clause):
        return None
    if (
        _future(clause)
        or zh.FAST.search(clause)
        or zh.CONTACTS.search(clause)
        or zh.FOR_YOU.search(clause)
        or zh.REPORTS.search(clause)
        or _timed(clause)
    ):
        return _softened(clause)
    if zh.UNCERTAIN.search(clause) and zh.OUTLOOK.search(clause) and not zh.CAUSE.search(clause):
        return "hedged"
    # Zeal without a future or anybody named is a slogan: "努力提供更好的服务".
    named = zh.WILL.search(clause) or zh.NAMES.search(clause) or zh.SEEKS.search(clause)
    return "hedged" if named and zh.TRY.search(clause) else None


def _softened(clause: str) -> str:
    if zh.SOFT.search(clause) or (zh.ZEAL.search(clause) and not zh.WILL.search(clause)):
        return "hedged"
    return "firm"


def _future(clause: str) -> bool:
    if zh.WE_WILL.search(clause):
        return True
    if zh.FUTURE.search(clause) is None:
        return False
    return zh.OURS.search(clause) is not None or zh.NAMED.search(clause) is not None


def _timed(clause: str) -> bool:
    # An outcome with a time, said flatly: "退款三天内到账".
    if zh.ALLOWS.search(clause):
        return False
    for quantity in quantities(clause):
        if quantity.unit in ("money", "percent"):
            continue
        rest = clause[quantity.end :]
        if zh.TIMED.match(rest) and (zh.THEN.match(rest) or zh.NAMED.search(clause)):
            return True
        if zh.TAKES.search(clause[: quantity.start]):
            return True
    return False

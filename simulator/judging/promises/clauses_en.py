"""Which English clauses bind the company, and how firmly.

A sentence is cut into clauses. A clause commits where a company, the customer or an outcome stands
before a future ("we will", "you'll receive", "your refund is going to be"), where a flat present
gives an outcome a time ("refunds arrive within 3 days"), or where the clause gives its word
("guaranteed"); an open modal there ("we can", "it should arrive") makes a hedged one. Hedges,
conditions and offers turn a firm one into a hedged one; denials, questions and instructions are
nothing. A fragment without a subject ("Will check with the depot") speaks for the company.
"""

from __future__ import annotations

from functools import lru_cache

from simulator.judging.promises import patterns_en as en
from simulator.judging.promises.clauses import Clause, Live, alive
from simulator.judging.quantities import quantities


def clauses(sentence: str, live: Live = None) -> list[Clause]:
    """The clauses of one folded sentence that commit the company.

    Args:
        sentence: English, folded.
        live: where a clause may commit.

    >>> [c.firmness for c in clauses("your refund will arrive within 3 working days.")]
    ['firm']
    >>> [c.firmness for c in clauses("your refund should arrive within 3 working days.")]
    ['hedged']
    >>> clauses("please reply within 3 days.")
    []
    """
    if sentence.rstrip("\"')] *}_").endswith("?"):
        return [Clause(m.start(), len(sentence), "hedged") for m in en.OFFER.finditer(sentence)][:1]
    if live is not None and not live:
        return []
    found: list[Clause] = []
    conditional = False
    start = 0
    ends = [(m.start(), m.end()) for m in en.CUT.finditer(sentence)] + [(len(sentence),) * 2]
    for end, after in ends:
        clause, before = sentence[start:end], sentence[:start]
        if found and en.CLOSES_CONDITION.match(clause):
            found[-1] = found[-1]._replace(firmness="hedged")
        may = alive(live, start, end) and en.TRIGGER.search(clause)
        firmness = _firmness(clause, before) if may else None
        if firmness and before.endswith(en.SO) and en.OPEN.search(clause):
            firmness = None
        elif en.OPENS_CONDITION.match(clause):
            conditional = True
        if firmness:
            soft = conditional or firmness == "hedged" or en.MOSTLY.search(before)
            found.append(Clause(start, end, "hedged" if soft else "firm"))
        start = after
    return found


def _firmness(clause: str, before: str) -> str | None:
    if _fragment(clause, before) and not en.DENIES.search(clause):
        return _softened(clause)
    found = _alone(clause)
    helps = found is None and ("can " in clause or " to " in clause) and en.HELPS.search(clause)
    if helps and en.WISHED.search(before + clause):
        able = "anything" not in clause and not en.DENIES.search(clause)
        return "hedged" if able else None
    return found


@lru_cache(maxsize=65536)
def _alone(clause: str) -> str | None:
    if _has(clause, en.VOWS) and en.WORD.search(clause):
        return _softened(clause)
    if ("not" in clause or "n't" in clause or " no " in clause) and en.NO_FEE.search(clause):
        return _softened(clause)
    if en.DENIES.search(clause):
        return None
    doing = ("ing" in clause or "expect" in clause) and en.DOING.search(clause)
    if doing or _future(clause) or _flat(clause):
        return _softened(clause)
    if (
        _open(clause)
        or (_has(clause, en.TRYING) and en.TRIES.search(clause))
        or (_has(clause, en.MAYBE) and en.MAY.search(clause))
        or (_has(clause, en.OFTENS) and en.MOSTLY_DOES.search(clause))
        or (_has(clause, en.CASES) and en.MIGHT_BE.search(clause))
        or (" to" in clause and en.IF_WANTED.search(clause))
    ):
        return "hedged"
    return None


def _fragment(clause: str, before: str) -> bool:
    # "Will check with the depot." speaks for the company.
    will = en.WILL_ANY.match(clause) if _wills(clause) else None
    if will is None or not (en.OURS.search(before) or not before.strip(en.MARKS)):
        return False
    return en.COMPANY_VERB.match(clause, will.end()) is not None


def _has(clause: str, words: tuple[str, ...]) -> bool:
    return any(map(clause.__contains__, words))


def _wills(clause: str) -> bool:
    # A search for a word is many times as fast as one for a pattern.
    return "ll" in clause or "wil" in clause or "going" in clause or "gonna" in clause


def _future(clause: str) -> bool:
    return _wills(clause) and any(
        _commits(clause, clause[max(0, will.start() - 70) : will.start()], will.end())
        for will in en.WILL_ANY.finditer(clause)
    )


def _open(clause: str) -> bool:
    for modal in en.OPEN.finditer(clause) if _has(clause, en.MODALS) else ():
        subject = clause[max(0, modal.start() - 70) : modal.start()]
        if en.INDIRECT.search(subject) or subject.endswith(("you", "who")):
            continue
        if en.OPENS_IDLE.search(subject) or not en.VERB.match(clause, modal.end()):
            continue
        if en.COMPANY_ENDS.search(subject):
            advice = modal[0].strip() in ("would", "'d", "should") and subject.endswith("i")
            if not advice and not en.IDLE.match(clause, modal.end()):
                return True
        elif ("can" not in modal[0] and en.SERVED.match(clause, modal.end())) or (
            en.ABOUT_IT.search(subject)
            and en.OUTCOME_VERB.match(clause, modal.end())
            # What "can be changed" is policy, unless it is the customer's own.
            and ("can" not in modal[0] or "your" in subject or subject.strip() == "it")
        ):
            return True
    return False


def _commits(clause: str, subject: str, end: int) -> bool:
    if subject.endswith("you") or subject.endswith("your"):
        return en.YOU_VERB.match(clause, end) is not None
    if en.COMPANY_ENDS.search(subject) and en.COMPANY_VERB.match(clause, end):
        return True
    outcome = en.OUTCOME_VERB.match(clause, end) and not en.INDIRECT.search(subject)
    return bool(outcome and (not en.DUMB.search(subject.rstrip()) or quantities(clause)))


def _flat(clause: str) -> bool:
    ours = en.WE_FLAT.search(clause)
    if ours and not en.NEEDS_TIME.search(ours[0]):
        return True
    if not en.TIMEY.search(clause) or (en.ELIGIBLE.search(clause) and not ours):
        return False
    if not ours and not en.FLAT.search(clause):
        return False
    timed = any(q.unit not in ("money", "percent") for q in quantities(clause))
    return timed or en.DEADLINE.search(clause) is not None


def _softened(clause: str) -> str:
    # "We'll tell you what is possible" is as firm as telling can be.
    clause = en.TOLD.sub("", clause)
    if en.SOFT.search(clause):
        return "hedged"
    if en.IF.search(clause) and not en.ASIDE_IF.search(clause):
        return "hedged"
    return "firm"

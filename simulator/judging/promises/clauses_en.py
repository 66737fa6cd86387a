"""Which English clauses bind the company, and how firmly.

A sentence is cut into clauses. A clause commits where a company, the customer or an outcome stands
before a future ("we will", "you'll receive", "your refund is going to be"), where a flat present
gives an outcome a time ("refunds arrive within 3 days"), or where the clause gives its word
("guaranteed"). Hedges, conditions and offers turn it into a hedged one; denials, questions and
instructions are nothing.
"""

from __future__ import annotations

import re

from simulator.judging.promises.clauses import Clause
from simulator.judging.quantities import quantities

_MAYBE = re.compile(
    r"'ll\b|\b(?:will|shall|going to|guarante|promis|assur|takes?|arriv|refund|waive|entitled|"
    r"within|days?|hours?|weeks?|should|may|might|try|hope|aim|expect|can|could|eligible|qualif|"
    r"deal|binding|word|get|replac|compensat|credit|cover|reimburs|today|tomorrow|send|issu)"
)
_CUT = re.compile(
    r"\s*[,;:]\s+|(?:\\n)+|\s+[-–]+\s+|\n+"
    r"|\s+(?:and|but|so|then|because|while|&|"
    r"&amp;)\s+(?:that\s+)?(?=(?:then\s+)?(?:we|i|you|your|our|the|it|they|a|an|"
    r"someone|this|that|one of)\b|(?:we|i|you|they|it)')"
    r"|\s+and\s+(?=(?:will|should|may|might|can)\b)"
)
_SOFT = re.compile(
    r"\b(?:usually|normally|typically|generally|often|sometimes|in most cases|most of the time|"
    r"should|most|may(?! \d)|might|could|would|(?<!soon as )possibl[ey]|perhaps|"
    r"maybe|probably|(?:un)?likely|"
    r"hopefully|expect(?:ed|s)?|estimat\w+|aim|hop(?:e|ing)|try|tries|trying|attempt|endeavou?r|"
    r"do (?:our|my|their) (?:very |level )?best|(?:everything|all|whatever|what) (?:we|i) can|"
    r"as far as possible|where (?:possible|applicable)|subject to|depend(?:s|ing)?|pending|"
    r"intend|plan(?:ning)? to|discretion|consider|potentially|varies|vary|in principle|"
    r"(?:once|when|after|if) (?:it is |it's |it has been |they are )?(?:approved|"
    r"eligible|confirmed)|"
    r"once (?:the |your )?(?:request|claim|refund|application|case) (?:is|has been) approved|"
    r"not guaranteed|keep (?:on )?working|strive|work hard)\b"
)
_UNSURE = (
    r"approv|eligib|accept|qualif|possible|available|appropriate|applicable|entitled|"
    r"in stock|agree|"
    r"permitted|successful|everything (?:goes|is)|all goes|you(?:'d| would)? (?:like|"
    r"want|wish|prefer|choose|confirm|"
    r"decide|say|need|are (?:ok|happy|fine))|you'd rather|that (?:works|suits|is ok)|"
    r"needed|necessary|required|we can|we find|it turns out"
)
_IF = re.compile(rf"\b(?:if|unless|in case|provided|assuming)\b.{{0,50}}?\b(?:{_UNSURE})")
_ASIDE_IF = re.compile(
    r"\b(?:check|see|confirm|know|verify|ask|find out|determine|wonder|tell|sure|"
    r"decide)\w* (?:if|whether)"
    r"|\bif (?:you (?:have|need (?:any|more)|'ve|'d like to know)|there(?:'s|"
    r" is) anything|anything)\b"
)
_OPENS_CONDITION = re.compile(
    r"^(?:and |but |so |or |please note (?:that )?|- |\* |then )*(?:"
    rf"(?:if|unless|in case|should you|provided|assuming|as long as)\b.{{0,60}}?(?:{_UNSURE})|"
    r"(?:once|when|after|as soon as|upon|until) (?:you|your|i have your|we have your|i get your)\b"
    r".{0,40}\b(?:confirm|agree|approv|accept|say|ok|yes|reply|decide|choose|"
    r"let (?:me|us) know)\w*|"
    r"(?:once|when|after|upon) (?:\w+ ){0,4}(?:confirmed|confirmation|approved|approval|eligible)|"
    r"with your (?:ok|permission|approval|confirmation)|usually|normally|typically|generally|"
    r"in most cases|hopefully|ideally|subject to|depending)"
)
_CLOSES_CONDITION = re.compile(
    r"^(?:but |although |though |however )*(?:depending|subject to|unless|provided|"
    r"pending|assuming|"
    r"if (?!you (?:have|need)|there's|there is|anything)|(?:this|it|that) (?:may|"
    r"might|can|could) (?:take|vary|be)|"
    r"(?:this|it|that) (?:is not|isn't) (?:a )?guarantee)"
)
_DENIES = re.compile(
    r"\b(?:cannot|can't|cant|can not|unable|not able|won't be able|(?:do|does|did|"
    r"could|would|can|may)(?:n't| not)"
    r"(?: \w+)? (?:guarantee|promise|commit|know|have|offer|say|make|refund|expect|"
    r"control)|no (?:guarantee|promise|way to)"
    r"|not (?:guarantee|promise|in a position|possible|eligible|sure|certain|a promise|currently)"
    r"|(?:will|'ll|shall) (?:never|no longer)|isn't (?:possible|guaranteed)|"
    r"not? longer|rather not|without)\b"
)
_WILL = r"(?:\s*'ll|\s+will|\s+shall|(?:\s*'(?:m|re|s)|\s+(?:am|are|is))\s+going\s+to)"
_WILL_ANY = re.compile(_WILL + r"\b|^(?:will|shall)\b")
_TIMEY = re.compile(
    r"\d|\b(?:days?|hours?|weeks?|months?|minutes?|today|tonight|tomorrow|\w+day|"
    r"immediately|instantly|by)\b"
)
_ADVERB = (
    r"(?:\s+(?:now|then|also|definitely|certainly|gladly|personally|immediately|surely|of course|"
    r"all|both|always|automatically|still|just|soon|shortly|further|absolutely|happily|simply|"
    r"only|first|be sure to|make sure to|go ahead and|continue to|get to|for sure|100%))*+"
)
_STAFF = (
    r"(?:teams?|agents?|colleagues?|specialists?|managers?|supervisors?|representatives?|reps?|"
    r"technicians?|engineers?|couriers?|drivers?|members?|staff|department|advis[oe]rs?|experts?|"
    r"developers?|support|desk|office|warehouse|person|people|crew|counsel|company|store|expert)"
)
_COMPANY = (
    rf"(?:\b(?:we|i|who|they|someone|somebody)|\bour\b[\w' -]{{1,40}}?|\b(?:a|an|the|"
    rf"one of our|your|another|"
    rf"their|human|customer|live)\s+(?:[\w'-]+\s+){{0,3}}?{_STAFF}|\bsomeone(?:\s+[\w']+){{1,5}}|"
    rf"\b{_STAFF})"
)
_EMPTY = (
    r"(?!\s*(?:not\b|n't|have\b|need|have to|want|require|able|happy|glad|here\b|"
    r"there\b|standing|waiting|"
    r"wait\b|delighted|pleased|more than|see (?:if|what|how|whether|you)|love|hope|"
    r"await|look(?:ing)? forward|"
    r"going? from (?:there|here)|go from|take it from|stand(?:ing)? by|stand by|"
    r"keep an eye out|a (?:\w+ )?(?:message|tweet|dm|click|call) away|"
    r"around\b|look(?:ing)? out for|be (?:happy|glad|here|there\b|standing|waiting|"
    r"able|looking|around|on the lookout|more than)|talk soon|chat soon|likely|"
    r"probably|never|find|notice|honest|transparent|remember|"
    r"on the lookout|ready|best|with you every|understand|appreciate|assume|as helpful|miss you))"
)
_COMPANY_ENDS = re.compile(_COMPANY + r"\s*$")
_COMPANY_VERB = re.compile(
    _ADVERB
    + _EMPTY
    + r"\s+(?!be\b)[a-z]+|"
    + _ADVERB
    + r"\s+be (?:in touch|back\b|with you|contacting|sending|calling|refunding|"
    r"looking into|sure to)"
)
_YOU_VERB = re.compile(
    _ADVERB + r"\s+(?:receive|get\b(?! (?:in|to|an? error|the error|started))|"
    r"(?:be )?(?:refunded|compensated|reimbursed|credited|contacted|called|notified|"
    r"informed|emailed|"
    r"given|upgraded|covered|paid|sent|connected|protected|updated|transferred|issued|awarded)|"
    r"have (?:your|the|a|it|full|access)|hear|pay (?:only|just|nothing|no)|keep|earn|save|"
    r"not (?:be (?:charged|billed)|lose|have to pay|pay|need to pay))\b"
)
_OUTCOME_VERB = re.compile(
    _ADVERB + r"\s+(?:arrive|reach|appear|show up|return|ship|come|cost|remain|resume|stay|"
    r"contact|call|email|"
    r"reply|get back|get fixed|fall off|drop off|expire|clear|land|post|follow|leave|match|"
    r"go (?:back|out|to your|to the|live|through)|take (?=.{0,25}(?:day|hour|week|minute|month))|"
    r"be (?:back|free|there|with you|in touch|ready|available|on its way|yours|done|complete|live|"
    r"at your|in your|resolved|fixed|valid|no (?:charge|fee|cost|extra|additional)|"
    r"(?:only |just )?(?:nt|us|hk)?[$€£]|sent|paid|made|put|"
    r"(?!required|needed|asked|prompted|redirected|used|displayed|based|affected|"
    r"limited|considered|"
    r"deleted|lost|blocked|listed|disabled|interested|located|related|forced|logged)[a-z]+ed)\b)"
)
_NO_FEE = re.compile(
    r"(?:will not|won't|'ll not)\s+(?:be\s+|incur\s+|have to\s+|need to\s+|cost\b)*"
    r"(?:any\s+)?(?:charge|bill|cost|pay|owe|lose|fee|extra|additional|deduct)"
    r"|will (?:there )?be no (?:extra |additional |further )?(?:charge|fee|cost|penalty)"
)
_DUMB = re.compile(
    r"\b(?:links?|articles?|pages?|guide|steps?|tips?|instructions?|website|app|"
    r"settings?|button|form|"
    r"documents?|video|information|details|options?|feature|error|message|screen|"
    r"code)(?: \w+){0,2}$"
    r"|\b(?:these|this|that|which|it)$"
)
_THING = (
    r"\b(?:refunds?|replacements?|parcels?|packages?|orders?|deliver(?:y|ies)|shipments?|shipping|"
    r"money|payments?|repairs?|credits?|transfers?|exchanges?|returns?|payouts?|reimbursements?|"
    r"invoices?|vouchers?|processing|complaints?|requests?|claims?|tickets?|cases?|appeals?|items?|"
    r"account|access|it|this|they|amount|difference|deposit|balance|technician|engineer|courier|"
    r"resolution|activation|change|funds?|points?|fee|charges?|compensation|stock|"
    r"access|decision|everything|part|reply)\b"
)
_INDIRECT = re.compile(r"\b(?:when|how|what|where|whether|until|which|why|that you)\b")
_FLAT = re.compile(
    _THING + r"[^,;]{0,60}?\b(?<!can )(?<!may )(?<!might )(?<!to )(?<!could )(?<!should )("
    r"?:arrives?|takes?|reach(?:es)?|ships?|gets? (?:back|to you)|appears?|comes?|"
    r"clears?|lands?|shows? up|leaves?|goes (?:back|out)|lasts?|"
    r"(?:is|are|gets?) (?:always |then |automatically |usually |normally |typically |"
    r"generally |fully )*"
    r"(?:refunded|credited|delivered|processed|issued|returned|completed|shipped|"
    r"dispatched|resolved|"
    r"repaired|replaced|paid|sent|made|back|done|answered|reviewed|reimbursed|transferred|restored|"
    r"unlocked|released|handled|activated|with you|due|there|posted|expected|fixed|settled))\b"
)
_WE_FLAT = re.compile(
    r"\b(?:we|i)\s+(?:(?:always|also|fully|gladly|do|hereby|personally|usually|"
    r"normally|typically|generally)\s+)*"
    r"(?:refund|waive|compensate|reimburse|replace|repair|match|cover|credit|"
    r"guarantee|promise|give you|owe you|"
    r"pay you|deliver|ship|dispatch|process|respond|reply|answer|issue|send|resolve|call|assure)\b"
)
_NEEDS_TIME = re.compile(
    r"\b(?:deliver|ship|dispatch|process|respond|reply|answer|issue|send|resolve|call)\b$"
)
_DOING = re.compile(
    r"\b(?:i'm|i am|we're|we are)\s+(?:now\s+|also\s+)*(?:refunding|issuing|"
    r"crediting|waiving|compensating|"
    r"sending (?:you|out)|giving you|replacing|reimbursing|arranging)\b"
)
_WORD = re.compile(
    r"\b(?:is|are|'s|'re|fully|100%) guaranteed\b|\bguaranteed[!.]|\b(?:i|"
    r"we)(?: can)?(?: \w+ly)? (?:guarantee|promise|assure)\b|"
    r"\b(?:rest|be) assured\b.{3,}|you have (?:my|our) word|legally binding|"
    r"(?:that's|it's|it is|that is|we have) a deal\b|"
    r"\byou(?:'re| are) (?:\w+ )?entitled to\b|\byou get (?:a |your |the )?(?:full|"
    r"\$|\d+|free|refund|money)|"
    r"\b(?:it's|this is|that's) on us\b|\byou owe (?:us )?nothing\b"
)
_DEADLINE = re.compile(
    r"\b(?:by|on|before|this|next) (?:\w+day|the end of|end of|\w+ \d+|week|month|"
    r"tomorrow)\b|\bimmediately\b|\binstantly\b|\bsame[- ]day\b"
)
_ELIGIBLE = re.compile(
    r"\b(?:within|in) .{0,30}\b(?:of|after|from) (?:the )?(?:purchase|delivery|"
    r"receipt|receiving|booking|order|buying)"
)
_TRIES = re.compile(
    _COMPANY
    + r"(?:"
    + _WILL
    + r"|'d|\s+(?:can|could|may|might|would|always))?"
    + _ADVERB
    + r"\s+(?:expect|try|do (?:our|my|everything|all|what)|see (?:if|what|whether)|aim|"
    r"hope to|expect to|intend to|plan to|"
    r"work hard|strive|likely|probably|most likely|hopefully|consider)\b(?! (?:this|"
    r"these|you|your))"
)
_OURS = re.compile(r"\b(?:we|i)(?: |')")
_PURPOSE = re.compile(r"\bso (?:that )?$")
_GIVES = (
    r"(?:refund|credit|waive|offer|compensate|replace|send you|give you|arrange|issue|reimburse|"
    r"cancel|call you|process|escalate|look into|investigate|upgrade|extend|apply|book|rebook)"
)
_CAN = re.compile(
    r"\b(?:we|i)(?:'d|\s+(?:can|could|may|might|would|should))(?:\s+(?:also|then|"
    r"certainly|probably|be able to|like to|happily|be happy to))*\s+" + _GIVES
)
_MAY = re.compile(
    _THING + r"[^,;]{0,40}?\b(?:(?:should|may|might|could)(?! (?:also )?(?:help|not|need|want|"
    r"have|contact|check|be (?:because|due|caused|used|able))\b) \w+|"
    r"(?:can|would|usually|normally|typically|generally|often|sometimes)\s+(?:be\s+|"
    r"then\s+|also\s+)*(?:arrives?|takes?|reach(?:es)?|appears?|"
    r"shows?|comes?|refunded|credited|delivered|processed|issued|waived|resolved|"
    r"repaired|replaced|restored|"
    r"reimbursed|clears?|compensated|completed|follows?))\b"
    r"|\b(?:delay|exception|discount|voucher|change|review)s?\b.{0,25}\b(?:may|might|"
    r"could|are possible|is possible)\b"
    r"|\byou(?:'re| are|'d be| may be| might be| should be|"
    r" could be)(?: \w+ly)? (?:eligible for|able to (?:get|receive))|\bqualif(?:y|"
    r"ies) for\b"
    r"|\byou (?:should|may|might|could|can expect to) (?:receive|get|hear|see (?:it|"
    r"the|your (?:refund|money)))\b"
)
_OFFER = re.compile(
    r"\b(?:would you like (?:me|us) to|shall (?:i|we)|do you want (?:me|us) to|want (?:me|us) to|"
    r"may (?:i|we)|would it help if (?:i|we)|how about (?:i|we)|should (?:i|we)|"
    r"would you like)\s+(?:\w+\s+){0,2}?" + _GIVES
)
ASKS_FOR_YES = re.compile(
    r"\bplease confirm (?:if|that|whether|you|by)\b|\breply (?:with )?\W*yes\b|"
    r"would you like (?:me )?to proceed|"
    r"(?:shall|should|may|can) i (?:proceed|go ahead)|if you(?:'d| would) like to proceed|"
    r"do you (?:confirm|want to proceed|wish to proceed)|\(yes/no\)|\byes or no\b|do you agree"
)


def clauses(sentence: str) -> list[Clause]:
    """The clauses of one folded sentence that commit the company.

    >>> [c.firmness for c in clauses("your refund will arrive within 3 working days.")]
    ['firm']
    >>> [c.firmness for c in clauses("your refund should arrive within 3 working days.")]
    ['hedged']
    >>> clauses("please reply within 3 days.")
    []
    """
    if not _MAYBE.search(sentence):
        return []
    if sentence.rstrip("\"')] ").endswith("?"):
        return [Clause(m.start(), len(sentence), "hedged") for m in _OFFER.finditer(sentence)][:1]
    found: list[Clause] = []
    conditional = False
    start = 0
    ends = [(m.start(), m.end()) for m in _CUT.finditer(sentence)] + [(len(sentence),) * 2]
    for end, after in ends:
        clause = sentence[start:end]
        if _PURPOSE.search(sentence[:start]) and _CAN.match(clause):
            start = after
            continue
        if found and _CLOSES_CONDITION.match(clause):
            found[-1] = found[-1]._replace(firmness="hedged")
        firmness = _firmness(clause, sentence[:start])
        if _OPENS_CONDITION.match(clause):
            conditional = True
            firmness = "hedged" if firmness == "firm" else firmness
        if firmness:
            soft = conditional or firmness == "hedged"
            found.append(Clause(start, end, "hedged" if soft else "firm"))
        start = after
    return found


def _firmness(clause: str, before: str) -> str | None:
    if _NO_FEE.search(clause):
        return _softened(clause)
    if _WORD.search(clause):
        return _softened(clause)
    if _DENIES.search(clause):
        return None
    if _future(clause, before) or _DOING.search(clause) or _flat(clause):
        return _softened(clause)
    if _TRIES.search(clause) or _CAN.search(clause) or _MAY.search(clause):
        return "hedged"
    return None


def _future(clause: str, before: str) -> bool:
    for will in _WILL_ANY.finditer(clause):
        subject = clause[max(0, will.start() - 70) : will.start()]
        if subject.endswith("you"):
            if _YOU_VERB.match(clause, will.end()):
                return True
            continue
        if not subject.strip() and _OURS.search(before) and _COMPANY_VERB.match(clause, will.end()):
            return True
        if _COMPANY_ENDS.search(subject) and _COMPANY_VERB.match(clause, will.end()):
            return True
        outcome = _OUTCOME_VERB.match(clause, will.end()) and not _INDIRECT.search(subject)
        if outcome and (not _DUMB.search(subject.rstrip()) or quantities(clause)):
            return True
    return False


def _flat(clause: str) -> bool:
    ours = _WE_FLAT.search(clause)
    if ours and not _NEEDS_TIME.search(ours[0]):
        return True
    if not _TIMEY.search(clause) or (_ELIGIBLE.search(clause) and not ours):
        return False
    if not ours and not _FLAT.search(clause):
        return False
    timed = any(q.unit not in ("money", "percent") for q in quantities(clause))
    return timed or _DEADLINE.search(clause) is not None


def _softened(clause: str) -> str:
    if _SOFT.search(clause):
        return "hedged"
    if _IF.search(clause) and not _ASIDE_IF.search(clause):
        return "hedged"
    return "firm"

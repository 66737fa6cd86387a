"""The words and patterns of English commitments, over folded text; :mod:`clauses_en` uses them.

A pattern reads one clause unless its name says otherwise. Lookarounds are welcome: the screen does
without them (:mod:`simulator.judging.promises.screen`).
"""

from __future__ import annotations

import re

CUT = re.compile(
    # Its first character is one of few, so that the search can leap to the next of them.
    r"[\s,;:\\](?:(?<=[,;:])\s+|(?<=\\)n(?:\\n)*|(?<=\s)\s*(?:[,;:]|[-–]+)\s+|(?<=\n)\n*"
    r"|(?<=\s)\s*(?:and|but|so|then|because|while|&|"
    r"&amp;)\s+(?:that\s+)?(?=(?:then\s+)?(?:we|i|you|your|our|the|it|they|a|an|"
    r"someone|this|that|one of)\b|(?:we|i|you|they|it)')"
    r"|(?<=\s)\s*and\s+(?=(?:will|should|may|might|can)\b))"
)
SOFT = re.compile(
    r"\b(?:usually|normally|typically|generally|often|sometimes|in most cases|most of the time|"
    r"should|most|may(?! \d)|might|could|would|(?<!soon as )possibl[ey]|perhaps|"
    r"maybe|probably|(?:un)?likely|"
    r"hopefully|with any luck|no promises|(?<!can )(?<!^)expect(?:ed|s)?|ought to|likely|"
    r"fingers crossed|estimat\w+|aim|hop(?:e|ing)|try|tries|trying|attempt|endeavou?r|"
    r"do (?:our|my|their) (?:very |level )?best|(?:everything|all|whatever|what) (?:we|i) can|"
    r"as far as possible|where (?:possible|applicable)|subject to|depend(?:s|ing)?|pending|"
    r"intend|plan(?:ning)? to|discretion|consider|potentially|varies|vary|in principle|"
    r"(?:once|when|after|if) (?:it is |it's |it has been |they are )?(?:approved|"
    r"eligible|confirmed)|"
    r"once (?:the |your )?(?:request|claim|refund|application|case) (?:is|has been) approved|"
    r"see (?:what|if) (?:we|i|they) can|not guaranteed|keep (?:on )?working|strive|work hard)\b"
)
UNSURE = (
    r"approv|eligib|accept|qualif|possible|available|appropriate|applicable|entitled|"
    r"in stock|agree|"
    r"permitted|successful|everything (?:goes|is)|all goes|you(?:'d| would)? (?:like|"
    r"want|wish|prefer|choose|confirm|"
    r"decide|say|need|are (?:ok|happy|fine))|you'd rather|that (?:works|suits|is ok)|"
    r"needed|necessary|required|we can|we find|it turns out|in your favou?r|your way"
)
IF = re.compile(rf"\b(?:if|unless|in case|provided|assuming)\b.{{0,50}}?\b(?:{UNSURE})")
ASIDE_IF = re.compile(
    r"\b(?:check|see|confirm|know|verify|ask|find out|determine|wonder|tell|sure|"
    r"decide)\w* (?:if|whether)"
    r"|\bif (?:you (?:have|need (?:any|more)|'ve|'d like to know)|there(?:'s|"
    r" is) anything|anything)\b"
)
OPENS_CONDITION = re.compile(
    r"^(?:and |but |so |or |please note (?:that )?|- |\* |then )*(?:"
    rf"(?:if|unless|in case|should|provided|assuming|as long as)\b.{{0,60}}?(?:{UNSURE})|"
    r"(?:once|when|after|as soon as|upon|until) (?:you|your|i have your|we have your|i get your)\b"
    r".{0,40}\b(?:confirm|agree|approv|accept|say|ok|yes|reply|decide|choose|"
    r"let (?:me|us) know)\w*|"
    r"(?:once|when|after|upon) (?:\w+ ){0,4}(?:confirmed|confirmation|approved|approval|eligible)|"
    r"with your (?:ok|permission|approval|confirmation)|usually|normally|typically|generally|"
    r"in most cases|hopefully|ideally|subject to|depending)"
)
MOSTLY = re.compile(
    r"\b(?:in (?:most|many|some) cases|usually|normally|typically|generally|hopefully|ideally),\s*$"
)
CLOSES_CONDITION = re.compile(
    r"^(?:but |although |though |however )*(?:depending|subject to|unless|provided|"
    r"pending|assuming|"
    r"if (?!you (?:have|need)|there's|there is|anything)|(?:this|it|that) (?:may|"
    r"might|can|could) (?:take|vary|be)|"
    r"(?:this|it|that) (?:is not|isn't) (?:a )?guarantee)"
)
DENIES = re.compile(
    r"\b(?:cannot|can't|cant|can not|unable|not able|won't be able|(?:do|does|did|"
    r"could|would|can|may)(?:n't| not)"
    r"(?: \w+)? (?:guarantee|promise|commit|know|have|offer|say|make|refund|expect|"
    r"control)|no (?:guarantee|promise|way to)"
    r"|not (?:guarantee|promise|in a position|possible|eligible|sure|certain|a promise|currently)"
    r"|(?:will|'ll|shall) (?:never|no longer)|isn't (?:possible|guaranteed)|"
    r"no longer|rather not|without (?:a |any )?guarantee)\b"
)
WILL = (
    r"(?:\s*'ll|\s+(?:will|wil|shall)|(?:\s*'(?:m|re|s)|\s+(?:am|are|is))\s+(?:going\s+to|gonna)|"
    r"\s+gonna|(?<=^i)ll(?= [a-z])|(?<=[ ,]i)ll(?= [a-z]))"
)
WILL_ANY = re.compile(WILL + r"\b|^(?:will|shall|going to|gonna)\b")
TIMEY = re.compile(
    r"\d|\b(?:days?|hours?|weeks?|months?|minutes?|today|tonight|tomorrow|\w+day|"
    r"immediately|instantly|by)\b"
)
ADVERB = (
    r"(?:\s+(?:now|then|also|definitely|certainly|gladly|personally|immediately|surely|of course|"
    r"all|both|always|automatically|still|just|soon|shortly|further|absolutely|happily|simply|"
    r"only|first|be sure to|make sure to|go ahead and|continue to|get to|for sure|100%))*+"
)
STAFF = (
    r"(?:teams?|agents?|colleagues?|specialists?|managers?|supervisors?|representatives?|reps?|"
    r"technicians?|engineers?|couriers?|drivers?|members?|staff|department|advis[oe]rs?|experts?|"
    r"developers?|support|desk|office|warehouse|people|crew|counsel|company|store|expert)"
)
COMPANY = (
    rf"(?:\b(?:we|i|who|they|someone|somebody)|\bour\b[\w' -]{{1,40}}?|\b(?:a|an|the|"
    rf"one of our|your|another|"
    rf"their|human|customer|live)\s+(?:[\w'-]+\s+){{0,3}}?{STAFF}|\bsomeone(?:\s+[\w']+){{1,5}}|"
    rf"\b{STAFF}(?: (?:from|at|in) (?:the |our )?\w+)?)"
)
EMPTY = (
    r"(?!\s*(?:not\b|n't|need|have to|want|require|able|happy|glad|here\b|"
    r"there\b|standing|waiting|"
    r"wait\b|delighted|pleased|more than|see (?:if|what|how|whether|you)|love|hope|"
    r"await|look(?:ing)? forward|"
    r"going? from (?:there|here)|go from|take it from|stand(?:ing)? by|stand by|"
    r"keep an eye out|a (?:\w+ )?(?:message|tweet|dm|click|call) away|"
    r"around\b|look(?:ing)? out for|be (?:happy|glad|here|there\b|standing|waiting|"
    r"able|looking|around|on the lookout|more than)|talk soon|chat soon|likely|"
    r"probably|never|honest|transparent|remember|"
    r"on the lookout|ready|best|with you every|understand|appreciate|assume|as helpful|miss you))"
)
COMPANY_ENDS = re.compile(COMPANY + r"\s*$")
COMPANY_VERB = re.compile(
    ADVERB
    + EMPTY
    + r"\s+(?!be\b)[a-z]+|"
    + ADVERB
    + r"\s+be (?:in touch|back\b|with you|contacting|sending|calling|refunding|"
    r"looking into|sure to)"
)
YOU_VERB = re.compile(
    ADVERB + r"\s+(?:receive|get\b(?! (?:in|to|an? error|the error|started))|"
    r"(?:be )?(?:refunded|compensated|reimbursed|credited|contacted|called|notified|"
    r"informed|emailed|"
    r"given|looked after|upgraded|covered|paid|sent|connected|protected|updated|transferred|"
    r"issued|awarded)|"
    r"have (?:your|the|a|it|full|access)|hear|see (?:it|your|the (?:money|refund|credit))|"
    r"pay (?:only|just|nothing|no)|keep|earn|save|"
    r"not (?:be (?:charged|billed)|lose|have to pay|pay|need to pay))\b"
)
OUTCOME_VERB = re.compile(
    ADVERB + r"\s+(?:arrive|reach|appear|show up|return|ship|come|cost|resume|"
    r"result in an? (?:refund|credit)|"
    r"contact|call|email|"
    r"reply|get back|get fixed|fall off|drop off|expire|clear|land|post|follow|leave|match|"
    r"go (?:back|out|to your|to the|live|through)|take (?=.{0,25}(?:day|hour|week|minute|month))|"
    r"be (?:back|free|there|out|over|on site|with you|in touch|ready|available|on its way|yours|"
    r"done|complete|live|"
    r"at your|(?:in|on) (?:your|ur)|resolved|fixed|valid|no (?:charge|fee|cost|extra|additional)|"
    r"(?:only |just )?(?:nt|us|hk)?[$€£]|sent|paid|made|put|"
    r"(?!required|needed|asked|prompted|redirected|used|displayed|based|affected|"
    r"limited|considered|"
    r"deleted|lost|blocked|listed|disabled|interested|located|related|forced|logged)[a-z]+ed)\b)"
)
NO_FEE = re.compile(
    r"(?:will not|won't|'ll not)\s+(?:be\s+|incur\s+|have to\s+|need to\s+|cost\b)*"
    r"(?:any\s+)?(?:charge|bill|cost|pay|owe|lose|fee|extra|additional|deduct)"
    r"|(?:won't|will not) be (?:any|an?) (?:\w+ )?(?:charge|fee|cost|penalty)"
    r"|(?:price|rate|fare|fee)\w* (?:won't|will not) (?:change|go up|increase|rise)"
    r"|will (?:there )?be no (?:extra |additional |further )?(?:charge|fee|cost|penalty)"
)
DUMB = re.compile(
    r"\b(?:links?|articles?|pages?|guide|steps?|tips?|instructions?|website|app|"
    r"settings?|button|form|"
    r"documents?|video|information|details|options?|feature|error|message|screen|"
    r"code)(?: \w+){0,2}$"
    r"|\b(?:these|this|that|which|it)$"
)
THING = (
    r"\b(?:refunds?|replacements?|parcels?|packages?|orders?|deliver(?:y|ies)|shipments?|shipping|"
    r"money|payments?|repairs?|credits?|transfers?|exchanges?|returns?|payouts?|reimbursements?|"
    r"invoices?|vouchers?|processing|complaints?|requests?|claims?|tickets?|cases?|appeals?|items?|"
    r"(?<=your )(?:new )?\w+|account|access|it|this|they|amount|difference|deposit|balance|"
    r"technician|engineer|courier|"
    r"resolution|activation|change|funds?|points?|fee|charges?|compensation|stock|"
    r"access|decision|everything|part|reply)\b"
)
MARKS = " .,:;!-*_\"'()[]{}"
OPENS_IDLE = re.compile(
    r"\b(?:glad|wish|as|anything|something|no|only|if|so|what|how|where|whether|when|all|"
    r"everything|before|until)\b"
)
INDIRECT = re.compile(
    r"\b(?:when|how|what|where|whether|until|which|why|that you|told|said|"
    r"says|states?|stated|according to|let me)\b"
)
FLAT_VERB = (
    r"(?:arrives?|takes?(?! (?:place|you to))|reach(?:es)?|ships?|gets? (?:back|to you)|"
    r"(?:is|are|'s) (?:being |now |also )*(?:com(?:e|ing)|going out|shipp(?:ing|ed)|on its way|"
    r"sent|"
    r"arriving|delivered|refunded|credited|dispatched|processed)|appears?|comes?|"
    r"clears?|lands?|shows? up|leaves?|goes (?:back|out)|lasts|"
    r"(?:is|are|gets?) (?:always |then |automatically |usually |normally |typically |"
    r"generally |fully )*"
    r"(?:refunded|credited|delivered|processed|issued|returned|completed|shipped|"
    r"dispatched|resolved|"
    r"repaired|replaced|paid|sent|made|back|done|answered|reviewed|reimbursed|transferred|restored|"
    r"unlocked|released|handled|activated|with you|due|there|posted|expected|fixed|settled))\b"
)
FLAT = re.compile(
    THING
    + r"[^,;]{0,60}?\b(?<!can )(?<!may )(?<!might )(?<!to )(?<!could )(?<!should )"
    + FLAT_VERB
)
WE_FLAT = re.compile(
    r"\b(?:we|i)\s+(?:(?:always|also|fully|gladly|do|hereby|personally|usually|"
    r"normally|typically|generally)\s+)*"
    r"(?:refund|waive|compensate|reimburse|replace|repair|match|cover|credit|"
    r"guarantee|promise|give you|owe you|"
    r"pay you|deliver|ship|dispatch|process|respond|reply|answer|issue|send|resolve|call|assure)\b"
)
NEEDS_TIME = re.compile(
    r"\b(?:deliver|ship|dispatch|process|respond|reply|answer|issue|send|resolve|call)\b$"
)
DOING = re.compile(
    r"\b(?:i'm|i am|we're|we are)\s+(?:now\s+|also\s+)*(?:refunding|issuing|"
    r"crediting|waiving|compensating|"
    r"sending (?:you|out|the|your|a)|giving you|replacing|reimbursing|arranging|adding|"
    r"transferring you|escalating|booking you|upgrading)\b(?! on this for)"
    r"|\b(?:i'm|we're|i am|we are) (?:now )?(?!looking|check|see|review|read|ask|show|wait|gett|"
    r"work|try|"
    r"hav|hop|aim)\w+ing (?:\w+ ){0,3}?(?:fee|charge|credit|refund|voucher|[$€£])"
    r"|\b(?:can|may|please|should)? ?(?<!we )(?<!i )(?<!they )expect (?:an?|your|the|to (?:hear|"
    r"receive"
    r"|see|get)) ?(?:\w+ ){0,3}?(?:reply|response|call|email|refund|money|answer|update|"
    r"hear|parcel|package|order|delivery|it)\b"
    r"|\byou can expect\b"
)
WORD = re.compile(
    r"\b(?:is|are|'s|'re|fully|100%) guaranteed\b|\bguaranteed[!.]|\b(?:i|"
    r"we)(?: can)?(?: \w+ly)? (?:guarantee|promise|assure)\b|"
    r"\b(?:rest|be) assured\b.{3,}|you have (?:my|our) word|legally binding|"
    r"(?:that's|it's|it is|that is|we have) a deal\b|"
    r"\byou(?:'re| are) (?:\w+ )?entitled to (?:a |an |the |your )?(?:full |free )?(?:refund|"
    r"compensation|replacement|credit|voucher|reimbursement|exchange|[$€£])|"
    r"\byou get (?:a |your |the )?(?:full |free )?(?:[$€£]|refund|money|credit|replacement|"
    r"voucher)|"
    r"\b(?:it's|this is|that's) on us\b|\byou owe (?:us )?nothing\b"
)
DEADLINE = re.compile(
    r"\b(?:by|on|before|this|next) (?:\w+day|the end of|end of|\w+ \d+|week|month|"
    r"tomorrow)\b|\bimmediately\b|\binstantly\b|\bsame[- ]day\b"
)
ELIGIBLE = re.compile(
    r"\b(?:within|in) .{0,30}\b(?:of|after|from) (?:the )?(?:purchase|delivery|"
    r"receipt|receiving|booking|order|buying)"
)
TRIES = re.compile(
    COMPANY
    + r"(?:"
    + WILL
    + r"|'d|\s+(?:can|could|may|might|would|always))?"
    + ADVERB
    + r"\s+(?:expect|try|do (?:our|my|everything|all|what)|see (?:if|what|whether)|aim|"
    r"hope to|expect to|intend to|plan to|"
    r"work hard|strive|likely|probably|most likely|hopefully|consider)\b(?! (?:this|"
    r"these|you|your))"
)
# Cheap signs without which a slow rule finds nothing.
VOWS = (
    "guarante",
    "promis",
    "assur",
    "word",
    "binding",
    "deal",
    "entitled",
    "get ",
    "on us",
    "owe",
)
TRYING = (
    *("expect", "try", " do ", "see ", "aim", "hope", "inten", "plan", "work", "striv", "likely"),
    *("probab", "consid"),
)
MAYBE = (
    *("eligib", "able to", "qualif", "receiv", " get", "hear", "see ", "doing", "allow", "likely"),
    *("hopefully", "probably", "fingers", "ing to", "ally "),
)
MODALS = ("can", "ould", "may", "might", "able to", "'d", "ought")
CASES = ("delay", "exception", "discount", "voucher", "change", "review")
OFTENS = ("ally", "often", "sometimes")
OURS = re.compile(r"\b(?:we|i)(?: |')|^(?:happy|glad) to\b")
SO = (" so", " so that", " so ", " so that ")
# A modal that leaves it open whether the act will be done.
TOLD = re.compile(r"\b(?:what|which|whether|how)\b(?! (?:we|i|they) can| is possible).*$")
VERB = re.compile(r"\s+(?!only\b)\W{0,3}[a-z]{2,}")
# What only the company does, whatever stands before it: "pre-orders should be shipping".
SERVED = re.compile(
    ADVERB + r"\s+(?:be|get) (?:\w+ly )?(?:refund|credit|deliver|shipp|dispatch|repair|fix|restor|"
    r"resolv|replac|reimburs|waiv|process|unlock|reinstat|compensat|return|sort)(?:ed|ing)\b"
)
ABOUT_IT = re.compile(THING + r"[^,;]{0,40}$")
OPEN = re.compile(
    r"(?:'d|\s+(?:can|could|may|might|would|should|ought to)|\s*'(?:m|re)(?: still)? able to|"
    r"\s+(?:am|are)(?: still)? able to)\b(?!-|\s*\d)"
)
# What a company can or would do without doing anything for the customer.
IDLE = re.compile(
    ADVERB
    + r"(?:\s+(?:be able to|also|still|certainly|probably|happily|possibly|then))*"
    + r"\s+(?:not|n't|see|"
    r"understand|imagine|hear|tell|say|confirm|only|love|like|recommend|suggest|advise|encourage|"
    r"need|be(?! a"
    r"ble| in touch| contacting| sent| refunded)|find|appreciate|assume|know|have(?! (?:a|our|"
    r"some|the))|"
    r"verify|guarantee|promise|hope|want|prefer|access|view|rely|do\b(?! (?:so|that|this|it) for)|"
    r"assist|proceed(?! with)|go (?:from|over)|go$|"
    r"make sure|reach|better|use|share (?:that|this|with you)|understand|agree|get to|"
    r"help(?! (?:you |to )?(?:re)?(?:check|cancel|find|locat|identif|book|chang|updat|search|look|"
    r"process|arrang|fix|transfer|get))|check in)\b"
)
WISHED = re.compile(
    r"\bif (?:you(?:'d| would| still)? (?:like|want|wish|prefer|need|decide|do|can|can't|don't|"
    r"are)|so|not|that|needed|this)\b|\blet (?:me|us) know\b|\bonce you\b"
)
HELPS = re.compile(
    r"(?:happy|glad) to (?!help|assist|hear|see|know|be\b)[a-z]+|"
    r"\b(?:we|i) can (?:still |also |certainly )?(?:help|assist|do so|do that)\b"
)
OFTEN = r"\b(?:usually|normally|typically|generally|often|sometimes)\b"
MOSTLY_DOES = re.compile(
    THING + r"[^,;]{0,40}?" + OFTEN + r"\s+(?:be\s+|"
    r"then\s+|also\s+)*(?:arrives?|takes?|reach(?:es)?|appears?|"
    r"shows?|comes?|refunded|credited|delivered|processed|issued|waived|resolved|"
    r"repaired|replaced|restored|"
    r"reimbursed|clears?|compensated|completed|follows?)\b"
)
MIGHT = r"\b(?:may(?! \d)|might|could|are possible|is possible)\b"
CASE = r"\b(?:delay|exception|discount|voucher|change|review)s?\b"
MIGHT_BE = re.compile(CASE + r".{0,25}" + MIGHT)
MAY = re.compile(
    r"\byou(?:'re| are|'d be| may be| might be| should be|"
    r" could be)(?: \w+ly)? (?:eligible for|able to (?:get|receive))|\b(?:you|which)\b.{0,20} "
    r"qualif(?:y|ies) for\b"
    r"|\byou (?:should|may|might|could) (?:receive|get|hear|see (?:it|"
    r"the|your (?:refund|money)))\b"
    r"|\bdoing (?:our|my) (?:very )?best|\bable to do something"
    r"|\ballow (?:up to|for|about|around|another)?.{0,30}(?:days?|hours?|weeks?) for (?:the|your|"
    r"it|a|this)\b"
    r"|'ll (?:hopefully|probably|likely)|(?:\bis|'s) (?:un)?likely to (?:arrive|reach|be|come|"
    r"ship|take)\b"
    r"|fingers crossed (?:we|it|you)|(?:'m|'re| am| are| is) (?:aiming|hoping|planning) to\b"
    r"|\b(?:we|i|they) (?:usually|normally|typically|generally) (?:reply|respond|answer|process|"
    r"refund|ship|deliver|resolve|send|issue|call)\b"
    r"|\blet'?s see (?:what|if) (?:we|i) can|\bsee what (?:we|i) can do\b"
)
WANTS = (
    r"(?:would|do|did|could) you (?:still |also )?(?:like|want|prefer|need|wish)(?: for)? (?:me|us)"
    r"(?: to)?|shall (?:i|we)|want (?:me|us) to|may (?:i|we)|"
    r"(?<!which )(?<!what )(?<!when )should (?:i|we)|"
    r"(?:would it help|would you mind|is it ok(?:ay)?|are you ok(?:ay)?) if (?:i|we)|"
    r"how about (?:i|we)"
)
# Leave to ask, to know or to have something is not an offer.
OFFER = re.compile(
    rf"\b(?:{WANTS})\s+(?:\w+ly\s+)?(?!ask|know|have your|have the|get your|see\b|i\b)[a-z]+"
    r"|\bwould you like (?:a|an|our) (?:refund|replacement|credit|voucher|call)"
    r"|\bwould you be (?:ok|okay|happy|fine) with"
)
IF_WANTED = re.compile(
    r"\b(?:if|whether|that)\s+(?:you(?:'d| would)? (?:still )?(?:like|want|prefer)|"
    r"you wish)(?: for)? "
    r"(?:me|us) to\b"
)
ASKS_FOR_YES = re.compile(
    r"\bplease confirm (?:if|that|whether|you|by)\b|\breply (?:with )?\W*yes\b|"
    r"would you like (?:me )?to proceed|"
    r"(?:shall|should|may|can) i (?:proceed|go ahead)|if you(?:'d| would) like to proceed|"
    r"do you (?:confirm|want to proceed|wish to proceed)|\(yes/no\)|\byes or no\b|do you agree"
)

# Whoever asks for a yes says one of these.
YES = "please confirm|yes|proceed|go ahead|do you (?:agree|confirm)"


# Of each clause that commits, one of these words is found.
TRIGGER = re.compile(
    r"'(?:ll|d|re|m)\b|\b(?:wil|won|sha|go|ill|ll|can|cou|may|mig|wou|sho|oug|able|are|is|am|be|"
    r"we|i|you|"
    r"rest|let|allow|fing|if|whe|that|happy|glad|expect|guaranteed|legally|exp)|"
    r"\d|day|hour|week|month|minute|to(?:day|night|morrow)|immediately|instantly|\bby\b"
)
# Of each clause that commits, one of these rows is found; the screen relaxes them. What reads more
# than its own clause (OFFER, WISHED) is not among them.
COMMITTING: tuple[tuple[str, ...], ...] = (
    *((rule.pattern,) for rule in (NO_FEE, WE_FLAT, MAY)),
    ("|".join(VOWS), WORD.pattern),
    ("ing|expect", DOING.pattern),
    ("|".join(TRYING), TRIES.pattern),
    *((rule.pattern,) for rule in (IF_WANTED, HELPS)),
    (r"'ll|\bwil|\bshall\b|going\s+to|gonna|\bill\b",),
    (FLAT_VERB, TIMEY.pattern),
    (OFTEN, THING),
    (CASE, MIGHT),
    ("|".join(MODALS), COMPANY + r"\s*" + OPEN.pattern),
    ("|".join(MODALS), OPEN.pattern + SERVED.pattern),
    ("|".join(MODALS), THING, OPEN.pattern + OUTCOME_VERB.pattern),
)

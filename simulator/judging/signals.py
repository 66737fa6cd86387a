"""What customers' words tell: risks, the wish for a person, the topic, what they have named.

All patterns read folded text (:func:`simulator.judging.quantities.fold`), so the Chinese ones are
simplified and the English ones lower case. They are judged on every unseen customer alike: nothing
in a text can switch a rule off.
"""

from __future__ import annotations

import re

# High risks first; `money_dispute` alone is medium until the company has refused or it is a theft.
RISKS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "self_harm",
            r"\b(?:kill|hurt|harm) myself\b|\bsuicid\w+|\bend (?:it all|my life)\b|"
            r"don't want to live|自杀|不想活|轻生|活不下去|结束生命|寻死",
        ),
        (
            "injury",
            r"\binjur\w+|\b(?:burn(?:ed|t|s)?|cut|hurt|broke|shocked|scalded|poison\w*|"
            r"bleed\w*) (?:on )?(?:my|his|her|our|a child'?s?|me|him)\b|\bsmall burn\b|"
            r"electric shock|caught fire|\bexplo(?:d|sion)\w*|on fire\b|\bhospital|"
            r"\bemergency room|allergic reaction|food poisoning|\b(?:see|saw) a doctor|"
            r"受伤|烫伤|烧伤|割伤|割到|砸到|夹到|起火|着火|爆炸|冒烟|漏电|触电|电到|被电|"
            r"急诊|住院|送医|"
            r"医院|过敏|食物中毒|中毒|流血|骨折|吃坏",
        ),
        (
            "legal",
            r"\blawyers?\b|\battorney|\bsolicitor|\bsue\b|\bsuing\b|\blawsuit|"
            r"legal (?:action|notice|advice|proceeding|letter|step)|\bcourt\b(?! shoe)|"
            r"\bclass action|\blitigat|claim damages|律师|起诉|法院|法庭|打官司|诉讼|"
            r"存证信函|提告|告你们|告死|法律(?:途径|手段|责任|程序)|维权到底",
        ),
        (
            "account_takeover",
            r"\bhack(?:ed|er|ing)\b|(?:some(?:one|body)|"
            r"stranger)(?: else)? (?:\w+ ){0,4}?(?:into|in to|log(?:ged|ging)? in|using|"
            r"access\w*|chang\w*|shopping|got) |(?:password|e-?mail(?: address)?|"
            r"phone number) was changed|account (?:was|has been|got) (?:stolen|compromised|"
            r"taken over)|orders? in my account that (?:are|is)n?'?t? ?not? (?:mine)|"
            r"not mine.{0,20}account|unauthori[sz]ed (?:login|access)|login i did not|"
            r"盗号|被盗|账号被|账户被|(?:有人|别人|陌生人).{0,4}(?:登[录入]|进)|异地登[录入]|"
            r"密码被|密码被改|(?:邮箱|手机号?|"
            r"密码)被?改[掉了]|把.{0,6}(?:邮箱|密码|手机).{0,4}改|被黑|冒用|入侵|"
            r"不是我下的单|没下过.{0,4}单|不是我(?:买|订|下)",
        ),
        (
            "fraud",
            r"\bfraud\w*|\bscam\w*|\bphish\w*|\bidentity theft|stolen (?:card|credit)|"
            r"payments? (?:on my card )?(?:that )?i (?:never|did not|didn't) ma[dk]e|"
            r"(?:charges?|purchases?|transactions?) (?:that )?(?:i (?:do not|"
            r"don't) recogni[sz]e|i (?:never|did not|didn't) (?:make|made|authori[sz]e))|"
            r"诈骗|诈欺|骗局|盗刷|被骗|不是我刷|钓鱼|假冒|冒充|伪造|套取",
        ),
        (
            "privacy",
            r"\bprivacy\b|personal (?:data|information|details)|data (?:breach|leak)|"
            r"\bgdpr\b|leak(?:ed|ing)? my|another customer'?s (?:name|data|address|details|"
            r"order)|someone else's (?:name|data|address|details|invoice)|"
            r"隐私|个人资料|个人信息|个资|泄露|外泄|泄漏|别人的(?:姓名|资料|地址|信息|订单)",
        ),
        (
            "regulator",
            r"\bregulator\b|\bombudsman|consumer (?:protection|council|rights|affairs|"
            r"association|authority)|trading standards|\bftc\b|\bfcc\b|\bcfpb\b|\bbbb\b|"
            r"better business bureau|attorney general|financial conduct|"
            r"消协|消保|消基会|消费者(?:协会|委员会|保护|权益)|工信部|银监|银保监|公平会|"
            r"监管|主管机关|12315|12300|工商局|市场监督",
        ),
        (
            "media",
            r"\b(?:journalist|reporter|newspaper|press\b|the media|tv station|television)|"
            r"go(?:ing)? viral|followers\b|post (?:every word|this|it) (?:of this )?(?:on|"
            r"all over|online|everywhere|publicly)|every word of this|"
            r"记者|媒体|电视台|新闻|报社|曝光|爆料|上网公开|都会公开|公开(?:这|到)|"
            r"粉丝.{0,10}(?:公开|曝|发)|爆给",
        ),
        (
            "discrimination",
            r"\bdiscriminat\w+|\bracis[tm]\b|\bsexis[tm]\b|because (?:i am|i'm) (?:black|"
            r"asian|disabled|gay|old|foreign)|歧视|种族",
        ),
        (
            "money_dispute",
            r"\bcharged (?:me )?(?:twice|double|again|\w+ times|for (?:nothing|an order|"
            r"cancel))|double[- ]charg|overcharg\w+|wrong(?:ly)? charg|charge ?back|"
            r"refund.{0,30}(?:not complete|incomplete|refused|rejected|denied)|(?:refus|"
            r"reject|den[iy])\w* (?:my|the|to|a) (?:refund|return|claim|pay)|"
            r"part of my money|(?:[$€£¥\d]|money|refund|amount).{0,20}is (?:still )?missing|"
            r"keep(?:ing)? .{0,20}my money|"
            r"money back\b|\btheft\b|\bstole\b|(?:return|claim) was rejected|rejected again|"
            r"\bcompensat\w+|"
            r"拒退|拒绝.{0,4}退|扣着我|抢劫|只退了|重复扣|多扣|乱扣|乱收|扣了两|扣两次|多收|"
            r"吞(?:我|钱)|退款.{0,10}(?:不完整|被拒|"
            r"拒绝|少|不对|缺)|拒绝退款|不退(?:款|钱)|不肯退|少退|少了|赔偿|赔我|赔给|损失|"
            r"还我.{0,4}钱|骗钱|偷(?:我|钱)|坑钱|收费不合理|凭什么(?:收|扣)",
        ),
    )
)
HIGH = frozenset(kind for kind, _ in RISKS) - {"money_dispute"}
# Disputes over money that is gone, not over a delay.
SERIOUS_DISPUTE = re.compile(
    r"(?:refus|reject|den[iy])\w* (?:my|the|to|a) |was rejected|rejected again|"
    r"not complete|money.{0,15}missing|\d is (?:still )?missing|part of my money|"
    r"charged (?:me )?(?:twice|double)|"
    r"keeping .{0,20}my money|\btheft\b|\bstole\b|charge ?back|bank take|"
    r"拒退|拒绝.{0,4}退|扣着我|抢劫|只退了|理由拒|重复扣|多扣|扣了两|扣两次|吞|被拒|"
    r"拒绝退款|不退(?:款|钱)|不肯退|少退|不完整|偷"
)
MEDIUM = re.compile(
    r"\brefund|\bmoney\b|\bfee\b|\bcharg(?:ed|es|ing)\b|\bcancel|price (?:match|"
    r"protect|drop|difference|adjust)|cheaper|warranty|\brepair|\bbroke|"
    r"stopped working|\bcomplain|\bcontract\b|\binsurance\b|\bloan\b|"
    r"退款|退费|退钱|手续费|违约金|扣费|扣款|乱扣|取消|保价|价保|差价|降价|价格保护|"
    r"保修|维修|修理|坏了|坏掉|投诉|客诉|合约|合同|保险|贷款|欠费|停机|罚"
)
WANTS_PERSON = re.compile(
    r"\b(?:speak|talk|chat|connect|transfer|put|pass|get)\b[^.?!]{0,25}\b(?:human|"
    r"person|manager|supervisor|agent|representative|rep|someone|somebody|real|"
    r"colleague|operator)\b|\breal person\b|\bhuman (?:agent|being|please)\b|"
    r"\ba manager\b|\bin charge\b|not a bot\b|"
    r"人工|真人|(?:找|叫|要|请|跟|让|转).{0,6}(?:主管|经理|负责人|领导|上级|专员|"
    r"店长)|转给能|能做决定的人|不要机器人"
)
FAILED_AGAIN = re.compile(
    r"\b(?:second|third|fourth|fifth|\d+(?:nd|rd|th)) time\b|\b(?:twice|three times|"
    r"several times|many times|again and again|already (?:told|asked|tried|contacted|"
    r"called|wrote|sent|did))\b|still (?:no|not|nothing|hasn't|haven't|doesn't|"
    r"does not|do not|don't|can't|cannot|waiting|the same)|not (?:what i asked|"
    r"answer my question)|nobody (?:answer|repl|call|help)|no (?:one|reply|answer|"
    r"response)|did not help|didn't help|nothing changed|"
    r"第[二三四五六七八九\d]+次|好几次|多次|几次了|无数|一直没|还是没|还没|始终|仍然|"
    r"依旧|再三|反复|没人(?:管|理|处理|回)|没有回(?:应|复|音)|没有回答|问的不是|"
    r"还是一样|没用|天天催|都(?:快)?[一两三四五六七八九十\d]+(?:天|周|个月|年)了"
)
PERSONAL = re.compile(
    r"\b(?:my|mine|me|our|i (?:need|want|moved|typed|bought|ordered|paid|returned|"
    r"sent|got|was|have been|"
    r"have not|received|placed|cancel\w*)|i've|i'm waiting)\b|我(?:想|要|需要|搬|的|买|订|下单|付|"
    r"退|收|被|已|上|刚|在|用|家)|这笔|这单|这个?订单"
)
STRATEGY = re.compile(
    r"\b(?:exception|compensat\w*|unfair|not right|unacceptable|complain\w*|"
    r"disput\w*|demand|insist|why (?:do|did|should|are|was|is|were) (?:i|you|they|"
    r"my)|make (?:it|this) right|what are you going to do|who (?:made|decided)|"
    r"nobody told|joke|on what grounds|i want (?:that|it|a|my|this)|responsib\w*|"
    r"promised|supposed to)\b|"
    r"破例|例外|补偿|赔|投诉|维权|凭什么|不合理|不公平|为什么(?:要|会|还|不|收|扣)|"
    r"怎么能|给.{0,3}说法|解释|欺骗|忽悠|违约|责任|谁(?:决定|负责)|承诺|说好的?|态度|"
    r"霸王"
)
STATUS = re.compile(
    r"\bwhen\b|\bwhere is\b|how long|status|track|still|arrive|delay|late\b|什么时候|"
    r"何时|多久|哪里了|到哪|进度|几天|还没|延迟|状态"
)

# The topic of a question and what must be known before it can be answered in full. The first topic
# that matches counts.
TOPICS: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (topic, re.compile(pattern), needs)
    for topic, pattern, needs in (
        (
            "account_takeover",
            r"hack|account .{0,30}(?:stolen|compromis|not mine|taken)|orders? in my account|"
            r"password was changed|into my account|with my account|盗号|账号被|账户被|"
            r"有人(?:登[录入]|在?用我的)|密码被改|被盗",
            ("account",),
        ),
        (
            "injury_or_legal",
            r"injur|burn|electric shock|explo|lawyer|legal|sue you|court|cut my|受伤|烫伤|"
            r"触电|漏电|爆炸|起火|律师|法院",
            ("product",),
        ),
        (
            "refund_dispute",
            r"refund.{0,40}(?:not complete|refus|reject|missing|part)|(?:refus|"
            r"reject)\w*.{0,20}(?:refund|return)|return was rejected|charged (?:twice|"
            r"double)|keeping .{0,20}money|part of my money|退款.{0,12}(?:少|不对|被拒|"
            r"不完整)|拒绝退款|少退|扣了两|重复扣|被拒",
            ("order_number", "amount"),
        ),
        (
            "cancellation_fee",
            r"cancel\w*.{0,30}\bfee\b|fee .{0,20}cancel|取消.{0,10}(?:费)|违约金",
            ("order_number",),
        ),
        (
            "price_protection",
            r"price (?:match|protect|drop|differ|adjust)|cheaper|(?:price|"
            r"cost)s? .{0,30}(?:dropped|lower|less|went down)|on sale now|差价|价保|保价|"
            r"降价|价格保护|便宜了",
            ("product", "date"),
        ),
        (
            "address_change",
            r"(?:chang|updat|correct|wrong|old|new)\w*.{0,25}\baddress|"
            r"address .{0,20}(?:chang|wrong)|house number|to my office|\bmoved\b|(?:改|换|"
            r"写错|填错|错).{0,8}(?:地址|门牌)|地址.{0,10}(?:改|换|错|更)|搬家",
            ("order_number", "address"),
        ),
        ("invoice", r"\binvoice|\bvat\b|\breceipt\b|发票|统编|税号|抬头", ("order_number",)),
        (
            "refund_timing",
            r"\brefund|money back|when .{0,20}money|退款|退费|退钱|拿到钱|钱.{0,6}退",
            ("order_number", "payment_method"),
        ),
        (
            "return_policy",
            r"\breturn(?!ed\b.{0,20}refund)|send (?:it|this|something|an item) back|exchange|"
            r"退货|退换|换货|退回|鉴赏期|无理由",
            ("date",),
        ),
        (
            "warranty_repair",
            r"warranty|guarantee|\brepair|\bbroke|stopped working|\bfault|battery is dead|"
            r"保修|保固|维修|修理|坏了|坏掉|故障",
            ("product", "date"),
        ),
        (
            "delivery",
            r"\bparcel|\bpackage|\bdeliver|\btracking|\bshipp|courier|where is my order|"
            r"my order|包裹|快递|物流|发货|出货|配送|送货|订单|到货",
            ("order_number",),
        ),
        ("account_access", r"(?:log|sign) ?in|password|locked out|登录|密码|验证码", ("account",)),
        (
            "product_question",
            r"does (?:it|the|this)|is (?:it|the|this) .{0,40}(?:suitable|compatible|"
            r"waterproof)|how big|in stock|difference between|about one of your products|"
            r"描述|规格|尺寸|适用|支持|有货|颜色|区别|产品|商品",
            ("product",),
        ),
    )
)
NAMED: dict[str, re.Pattern[str]] = {
    "order_number": re.compile(
        r"\b(?=[a-z-]*\d)[a-z]{0,5}-?\d[\da-z-]{4,}\b|#\s?\w*\d{3,}|\[number\]|(?<!\d)\d{6,}"
    ),
    "payment_method": re.compile(
        r"\bvisa\b|master ?card|\bamex\b|paypal|(?:credit|debit|gift|bank) ?card|"
        r"\bby card\b|apple pay|google pay|bank transfer|wire transfer|\bcash\b|"
        r"instal?ments?|klarna|line pay|alipay|wechat pay|\bcheque\b|direct debit|"
        r"信用卡|金融卡|借记卡|储蓄卡|礼品卡|转账|汇款|支付宝|微信支付|微信付|货到付款|"
        r"现金|分期|花呗|银联|街口|悠游"
    ),
    "date": re.compile(
        r"\b(?:yesterday|today|last (?:week|month|year|night|\w+day)|this morning|(?:\d+|"
        r"two|three|four|five|six|a few|several|an?) (?:days?|weeks?|months?|years?) ago|"
        r"for (?:\w+ ){0,2}(?:days|weeks|months)|after (?:two|three|\d+) (?:days|weeks|"
        r"months)|on (?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
        r"|\b\d{1,2}(?:st|nd|rd|th)?(?: of)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|"
        r"nov|dec)\w*|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|"
        r"dec)[a-z]* \d{1,2}\b|\b\d{1,4}[/-]\d{1,2}(?:[/-]\d{1,4})?\b"
        r"|昨天|前天|今天|上周|上个?月|上星期|去年|[\d一二两三四五六七八九十]+ ?(?:天|周|"
        r"个月|个星期|年)前|\d+ ?月 ?\d+ ?[日号]|"
        r"[一二三四五六七八九十]+月[一二三四五六七八九十]+[日号]"
    ),
    "account": re.compile(
        r"\S+@\S+|\[email\]|\baccount (?:is|name|number|under)\b|\blog in as\b|"
        r"user ?name is|(?:account|user id)[:# ]+\w*\d\w*|\b[a-z]+[._]?[a-z]*\d{2,}\b|"
        r"账号(?:名称)?(?:是|为|:)|用户名(?:是|为)|用 ?\S+ ?登录|\[phone\]|1\d{2}\*+\d+"
    ),
    "address": re.compile(
        r"\b\d+[a-z]? (?:[a-z]+ ){1,3}(?:road|street|lane|avenue|way|view|grove|drive|"
        r"close|court|place|st|rd|ave)\b|\b(?:zip|postcode|postal code)[: ]|"
        r"\d+ ?号(?!码)|[路街巷弄道].{0,6}\d+|(?:市|区|县).{1,8}(?:路|街|道|区)"
    ),
    "amount": re.compile(
        r"[$€£¥]\s?\d|\d[\d,.]*\s?(?:usd|eur|gbp|twd|dollars?|euros?|pounds?|元|块|美元|"
        r"港币|台币|人民币)"
    ),
    "product": re.compile(
        r"\b(?:headphones?|earbuds?|phone|iphone|ipad|laptop|computer|tablet|watch|tv|"
        r"television|monitor|screen|camera|printer|keyboard|mouse|kettle|lamp|backpack|"
        r"bag|vacuum|machine|purifier|scooter|blanket|light|toaster|oven|fridge|washer|"
        r"dryer|shoes?|jacket|dress|shirt|sofa|chair|table|desk|bed|mattress|bike|"
        r"charger|cable|speaker|router|console|playstation|ps4|xbox|app|software|game|"
        r"subscription|book|toy|car|flight|ticket|modem|airpods)\b"
        r"|耳机|手机|电脑|笔记本|平板|手表|电视|显示器|屏幕|荧幕|萤幕|相机|打印机|键盘|"
        r"鼠标|水壶|快煮壶|台灯|檯灯|背包|双肩包|吸尘器|扫地机|机器人|咖啡机|净化器|"
        r"清净机|滑板车|电毯|电热毯|补光灯|监视器|烤箱|冰箱|洗衣机|鞋|外套|衣服|裤|沙发|"
        r"椅|桌|床垫|自行车|充电器|数据线|音箱|路由器|宽带|套餐|流量|软件|应用|游戏|会员|"
        r"机票|车票|酒店|输入法|客户端|app\b|sim卡"
    ),
}

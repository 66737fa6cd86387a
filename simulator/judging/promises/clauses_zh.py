"""Which Chinese clauses bind the company, and how firmly.

The text is folded first, so that one set of simplified rules reads both scripts. Chinese drops the
subject: a clause is the company's unless it is addressed to the customer. The signs of a firm
commitment are a future (会, 将), a speed word (尽快, 马上) before an act of the company, an
act done for the customer (为您核实), an outcome with a time (三天内到账), or a given word (保证).
"""

from __future__ import annotations

import re
from functools import lru_cache

from simulator.judging.promises.clauses import Clause
from simulator.judging.quantities import AMOUNT, quantities

_PART = re.compile(r"[^,;:\n~!?。！？；， ][^,;:\n~!?。！？；，]*[!?]?")
# A space between two Chinese words stands for a comma.
_GAP = re.compile(r"(?<=[一-鿿]) (?=[一-鿿])")
_ASKS = re.compile(
    r"[?]\s*$|[吗么]$|(?<!确认)(?<!核实)(?<!查询)(?<!看看)(?<!看下)(?<!核查)是否|请问|多少|"
    r"(?<!为)什么|怎么|如何|哪|能否|可否|要不要|需不需要|"
    r"需要我|是不是|(?<!看)(?<!查询一下)(?<!看一下).{4}有没有|^有没有"
)
_OFFER = re.compile(
    r"(?:需要|要不要|是否需要|希望|可以|同意|要).{0,6}(?:我|我们|小编|"
    r"这边)?.{0,4}(?:为|帮|给|替)(?:您|你)(?!的|们)"
)
_PURPOSE = re.compile(
    r"^为(?!您|你|亲|此|什|什么)|^(?:以|用以)(?:确保|保证|求|满足|提高|提升)|^(?:以便|以利|便于|"
    r"方便(?:我|为)|为了|用于|好(?:为|帮|让)|供我|才能|以(?:供|"
    r"免)|让(?:我|小)|从而|来)|以便|便于"
)
_DENIES = re.compile(
    r"(?:无法|(?<!能)不能|没(?:有)?(?:说|答应|承诺)|从未|没办法|没有办法|不敢|难以|未能|不可|"
    r"不便|没法|不会(?!再)|不保证|"
    r"不承诺|暂不|尚未|还没|并非|不代表|不支持|不提供|无权|不一定|不予|恕不|不确定|不了$|不给|"
    r"没有人|没人|"
    r"没有(?:权限|办法)|说不准|谁也)"
    r"|未(?:能|及时|按时|曾|收到)|^(?:非常|十分|首先|也|再次|真心|衷心|很|万分)*(?:由于|因为|"
    r"因(?!此)|感谢|谢谢|多谢|祝|抱歉|理解|鉴于|根据)|正在(?!.{0,20}(?:后|,))"
    r"|(?:快递|银行|店家|商家|卖家|航空公司|他们|对方|那边).{0,6}(?:说|表示|称)"
    r"|需(?:要)?(?:为|帮|先)(?:您|你)|我们需(?:要)?"
    r"|(?:会|将|按).{0,20}(?:停机|滞纳金|扣收|销户|封号|屏蔽|扣费)"
)
_NO_FEE = re.compile(
    r"(?:不会|不|无需|不用|无须|不再|免)(?:再|另行|额外|另外|被)?(?:向您|跟您|"
    r"对您)?(?:收取?|扣取?|扣除?|支付|付|收您)(?:任何|额外|手续|违约|取消|运|您|"
    r"您的|您)*(?:一分)?(?:费|款|钱|金)"
    r"|不会多(?:收|扣)|(?:费|金|款|钱)(?:就|都|我们|这边|给您|帮您|为您)*(?:不(?:会)?(?:再)?收|"
    r"免(?:了|掉|除))"
)
_PAST = re.compile(
    r"已(?:经)?(?!.*(?:会|将|马上|尽快|立即))|曾|(?:查询?|了解|核实|核查|联系)到|"
    r"刚才|刚刚|之前(?!.{0,8}[会将])|当时|上次|昨天|(?<!到)(?<!完)(?:了|"
    r"过)(?:您|你|的|吧|哦|呢|哈|喔|呀)?$"
    r"|(?:核实|查询?|看|联系|反馈|处理|安排|测试|催促?|登记|记录|转交|转给|取消|退|发|补发|发送|"
    r"回复)(?:过|了)|了(?:一|几|两|些|下|\d)"
)
_SOFT = re.compile(
    r"通常|一般|大多|多数|可能|或许|也许|大概|预计|预估|估计|尽量|尽力|尽最大|争取|"
    r"努力|竭力|希望|应该|应当会|原则上|尽可能|力争|"
    r"视.{0,8}而定|视(?:情况|银行|审核)|以.{0,10}为准|取决于|有望|打算|考虑|"
    r"有机会|不排除|如有需要|"
    r"审核通过|核准后|通过后|最快|最长|或将|看看(?:能|可)|尝试|试着|会有所|参考"
)
# Zeal without a future is a manner of speaking: "we serve you wholeheartedly".
_ZEAL = re.compile(r"竭诚|不断|持续|继续|积极|逐步|陆续|认真|完善|进一步(?:改|完|优|加|提)")
# A condition of fact leaves a promise firm; one of approval, or of the customer's wish, does not.
_CONDITION = re.compile(
    r"(?:如(?!下|此|何|图|上|今|实|愿|方便|已)|若|倘|假如|要是|只要|一旦|万一).{0,16}?(?:"
    r"(?:审核|审批|申请|评估|检测|验证)通过|通过(?:审|评|检)|符合|允许|可能|可行|"
    r"同意|愿意|想|要求|确认(?!信息)|核准|批准|成功|有货|有库存)"
    r"|(?:同意|接受|愿意|确认|可以|批准|核准|通过|符合|允许|需要|有货).{0,4}的话|审核通过|"
    r"通过审核|经?核准(?:后|$)"
    r"|(?<![帮为给替跟和与])(?:您|你|亲)(?:同意|确认|接受|回复|答应).{0,3}(?:后|之后|,|我|就|$)|"
    r"回复[\"'「 ]*(?:是|yes|y|ok|1)\b"
    r"|^(?:您)?(?:确认|同意)(?:后|之后)"
    r"|^(?:待|经|等).{0,4}(?:同意|批准|审批|核准)|视.{1,10}(?:情况|结果|库存|进度|而定)"
    r"|^(?:通常|一般|预计|正常情况|原则上)"
)
_FREE_CONDITION = re.compile(r"^.{0,3}如(?:果)?(?:您|亲)?(?:方便|可以|愿意)|方便(?:的话)?$")
_CUSTOMER = re.compile(
    r"^(?:还|再|也|之后|后续|届时)?(?:[请烦劳]|麻烦|还是建议|建议|欢迎|期待|可以|可(?!能|为|帮|"
    r"给)|敬请|望|还请|您(?!的)|你(?!的)|"
    r"亲(?!您)|只需|需要|需(?!要?我)|务必|记得|不妨)"
    r"|希望(?:您|你|亲|得到|能得到|到您)|(?:联系|反馈给?|告知|告诉|回复|私信|致电|提供给?|发给?|"
    r"发)(?:我们|我(?!司)|小编|客服)"
    r"|(?:请您|请你|您[都均]?可|您需|您先|您也|建议您|麻烦您|可以(?:在|到|通过|拨打|尝试|"
    r"登)|(?<![帮为给替跟与和])您(?:再|继续|尽快))"
)
_US = (
    r"(?:我们|我司|本公司|我方|我|小编|客服|同事|专员|专人|工作人员|人员|部门|公司|"
    r"师傅|技术|团队|售后|小(?!时|心|区|米|程|型|额|号|票)[一-鿿a-z@]|这边|快递|物流|"
    r"仓库|银行|系统|"
    r"主管|经理|工程师)"
)
_ACT = (
    r"(?:处理|核实|核查|核对|查|反馈|反映|联系|联络|回复|答复|回电|回访|致电|来电|"
    r"跟进|跟踪|退|赔|补|安排|派|发(?!现|生|送失败)|送|寄|修|换|解决|记录|登记|"
    r"转交|转达|转给|转告|转派|转接|转(?:至|到)|提交|通知|催|上报|汇报|调整|加快|"
    r"加大|加派|加急|给您|为您|帮您|与您|和您|协助|协调|检查|审核|优化|更新|改|减免|"
    r"减|免除?|降|恢复|"
    r"开通|取消|监督|提醒|告知|推|提供|调查|沟通|升级|撤销|解除|解锁|解冻|返还|赠|"
    r"补偿|到账|到达|送达|抵达|入账|完成|生效|发货|出货|出票|上线|发布|上门|开放|"
    r"收到|拿到|"
    r"保持|保障|负责|承担|保留|追究|办理|办好|受理|维修|更换|测试|分析|研究|讨论|"
    r"申请|扣|支付|结清|抽|公布|推出|上架|到货|补货|妥善|私信|打(?:给|电话)|整改|"
    r"删除|屏蔽|增加|扩容|抢修|提升|提高|尽快|第一时间|马上|打.{0,2}折|免掉|和解|"
    r"打到|汇到|寄到|提早|提前|解封|带给|培训|告诉|搞定|看看(?!您)|帮忙|出面|催|拿|问|收集|改善|"
    r"改进|办(?!公|法)|冲回|冲正|结|"
    r"reply|refund|follow|check|reset|e?-?mail|call|送|服务|解答|努力|收入|评估|采纳|转|反映|找|"
    r"给(?:您|你|亲))"
)
# What happens to the customer or to a device is no promise, though the same "will" tells it.
_ADVERSE = (
    r"(?:.{0,5}(?:出现|导致|造成|产生|影响|显示|切换|自动|释放|受到|占用|消耗|无法|停机|失效|"
    r"降低|有所|提示|扣收|收取|"
    r"限制|屏蔽|冻结|销户|关闭|强制|闪退|黑屏|重启|丢失|下雨|生气|难过|着急|觉得|认为|以为|继承|"
    r"延续|根据市场)|"
    r".{0,2}(?:弹|变|熄|误|(?<!不)断|因|占|耗|卡|漏|超|欠|不会|是(?!由)|"
    r"有(?!专|人|工作|相关|关|客服|同事|售后|工程|结|消息|进)))"
)
_FUTURE = re.compile(
    rf"(?<![机社协开大学业才省年工])(?<!不)(?:会|(?<![您你请需可先要])将(?!您|你|问题|以上|手机|"
    rf"其|具体|"
    rf"相关|详细|信息|联系|订单|号码|此|该|情况|资料|电|它|照片|截图|对话|内容|案件)|"
    rf"即将|将会|必须|一定|必定|肯定|保证|承诺|确保|务必|要(?=.{{0,4}}(?:退|赔|为您|"
    rf"给您)))"
    rf"(?!{_ADVERSE})(?!员|议|场|话|展)"
    rf".{{0,22}}?{_ACT}"
)
# Without the company, the customer or an outcome in it, "会" tells how a thing behaves.
_OURS = re.compile(
    rf"{_US}|您|你|亲|尽快|马上|第一时间|立即|^(?:也|都|并|后期|未来|今后|最后|明天|后天|"
    rf".{0, 3}[天周月时])?(?:也|并|且|并且|后续|稍后|之后|随后|"
    rf"一定|肯定|必定|到时|届时)?(?:会|将|尽)"
)
_FAST = re.compile(
    rf"(?:尽快|尽早|马上|立即|立刻|即刻|第一时间|稍后|随后|及时(?!反)|赶紧|抓紧|这就|"
    rf"现在就|优先|加急|晚点|晚些|回头|等下|等等|等会儿?|待会儿?|过会儿?|一会儿?|然后(?=回复|"
    rf"联系|给|为|帮)|(?:明天|"
    rf"后天|今天|今晚|明早)(?:就|一定|会|再)?"
    rf")(?!.{{0,12}}(?:还|才|再试|生效|自动)).{{0,14}}?{_ACT}"
)
_FOR_YOU = re.compile(
    r"(?:为|帮|替|给)(?:您|你|亲们?|忙)(?!带|造|添|的|们|和|使用|提|发现|生活|愉|说|一个满|满|更|"
    r"以下|解释|解答|推荐|"
    r"介绍|讲|传|看一?下?$|服务$)"
    r".{0,8}?(?:核实|核查|查(?!看|到)|反馈|反映|处理|登记|记录|申请|转|跟进|安排|催|解决|解除|"
    r"解封|解锁|解冻|提交|退|补|赔|换|打|优惠|寄|发|送|"
    r"重新|升级|延长|开通|加急|减|免|取消|办|协调|恢复|出票|修|上报|答复|回|查|改|调|联系|确认|"
    r"争|做|弄|搞|报|看看|注销|"
    r"找|算|按|停|关|核对|落实|resets?|check|cancel|refund|reply|call|e?mail)"
    r"|(?:退|赔|补|寄|送|返)(?:还|回|偿|给)?(?:您|你|亲)(?!家|的)|全额退(?:款|费)"
    r"|^(?:我|我们|小编|这边)(?:再|去|来|先|这就)(?:去|来)?(?:核实|查(?!看)|反馈|问|催|跟|联系|"
    r"确认|处理|安排)"
    r"|(?:与|和|跟|同)(?:您|你|亲)(?:本人)?(?:取得)?(?:联系|沟通|对接|核实|回复)(?!到|了|过|电话)"
    r"|^(?:由)?(?:小(?!时|心|区|米)[一-鿿a-z@]|团长|京妮儿)(?:去|来|先|再)?(?:帮|为|替|给)(?:您|"
    r"你|亲)"
    r"|由.{2,8}(?:与|和|跟)(?:您|你)(?:对接|联系)|包在我"
)
_CONTACTS = re.compile(
    r"(?:有|由|安排|派)(?:专员|专人|工作人员|人员|客服|同事|售后|工程师|师傅|"
    r"相关).{0,14}?(?:与|和|跟|给|为|联系|处理|上门|回复|核实|跟进)"
)
_WATCH = re.compile(
    r"(?:留意|等待|等候|关注|注意|静候|接听|保持).{0,10}?(?:电话|来电|回电|回访|"
    r"短信通知|私信回复|联系|通知(?!栏))|(?:留意|等待|等候|静候|查收|"
    r"关注).{0,6}(?:回复|答复)"
)
_THING = (
    r"(?:退款|款项|货款|费用|包裹|订单|货物|商品|快递|货|钱|金额|余额|维修|审核|补偿|"
    r"赔偿|红包|积分|发票|流量|账号|账户|业务|问题|配送|邮件|物流|换货|退货|票|服务|"
    r"系统|话费|申请|款|结果|处理)"
)
_OUTCOME = (
    r"(?:到账|入账|到货|送达|送到|抵达|到达|到|完成|退回|退还|退到|退款|返还|发出|"
    r"寄出|发货|出货|寄达|处理完|解决|修好|恢复|生效|回复|答复|处理|修复|解锁|补发|"
    r"到家|到府|收到|联系|回电|上门|出结果|审核|更换|配送|可达)"
)
_TAKES = re.compile(_THING + r".{0,6}(?:需要?|要|时间为|时效为|周期为|约|大概)$")
_TIMED = re.compile(rf"(?:内|之内|以内|后|前|即可|就|便|左右)?.{{0,8}}?{_OUTCOME}")
_ALLOWS = re.compile(
    r"可(?:以)?(?:申请|退货|退换|办理|取消|享|要求|无理由)|(?:收到|签收|购买|"
    r"下单).{0,6}(?:起|后|之日).{0,8}内(?:可|提|申|无理由|联系|退货|办|要)|[天日]无理由|需在|须在"
)
_WORD = re.compile(
    r"(?:保证|承诺|确保|担保|包(?:您|退|换|赔))|(?<!不)一定(?!程度)(?:会|能|给|帮|为|是|送|到|退|"
    r"办|处理|"
    r"修|"
    r"可以)|肯定(?:会|能|给|帮|没问题)|绝对(?:会|能|没|不)|百分之?百|100%|必(?:回|复|达|到|送|退|"
    r"赔|办)|"
    r"请?您?放心.{0,2}$|没有任何费用"
)
_BEARS = re.compile(
    r"(?:我们|我司|公司|我方)(?:来|都|全额)?(?:退|赔|补|换|出|付|承担|负责|报销)(?:的)?$|"
    r"(?:费|差额|损失|责任|金)(?:全部|都)?(?:由)?(?:我们|我司|我方|公司)(?:来)?(?:出|付|承担|"
    r"负责|报销)|"
    r"由(?:我们|我司|本公司|公司|店家|我方)(?:全额|全部)?(?:负担|承担|负责|支付|出|"
    r"赔)|(?:我们|我司|公司)(?:会|将|愿|愿意)?(?:承认|承担)(?:全部|一切)?(?:责任|"
    r"损失)|不用付|不必付"
)
_UNCERTAIN = re.compile(
    r"通常|一般(?!的)|可能(?!是|因|由)|估计|预估|八成|差不多|理想情况|正常(?=[一二两三四五六七\d])|或许|也许|有机会|大概|大约|"
    r"应该(?!是)|预计"
)
_OUTLOOK = re.compile(
    r"退|赔|到账|[会能]到|送|寄|发货|配送|延误|恢复|免|折|修|补|活动|例外|改变|"
    r"(?:\d|[一二两三四五六七八九十])(?:天|周|小时|日|个月|个工作)|周[一二三四五六日]|明天|今天|"
    r"后天"
)
_YOU_GET = re.compile(
    r"(?:您|你)(?:的.{1,10})?(?:将会?|会|就能|就会|一定能)(?:在)?.{0,12}?(?:收到|"
    r"获得|得到|拿到|领到|退款|享)(?!.{0,6}(?:提示|短信|通知|邮件|验证))"
)
_CAN = re.compile(
    r"(?:我们?|小编|这边|客服|小[一-鿿]|我司)?(?:可以?|能够?|可)(?:再|先|帮忙|尝试)?(?:(?:为|"
    r"帮|给|替)(?:您|你|亲|忙)|(?:我们|小编).{0,4}申请|安排).{0,10}?(?:退|补|赔|换|取消|安排|"
    r"申请|办理|处理|"
    r"核实|查|反馈|优惠|折|免|延|登记|记录|催|转|回电|联系|回复)"
)
_WILL = re.compile(rf"(?:会|将|定)(?!{_ADVERSE})|^(?:也|并|后续|今后)?(?:会|将)")
_WE_WILL = re.compile(
    rf"(?:我们|我司|我公司|我|小编|客服|同事|专员|专人|人员|部门|团队|售后|师傅|"
    rf"小(?!时|心|区|米|程|型|额|号|票)[一-鿿a-z@])[^会将]{{0,8}}?"
    rf"(?:会|将|尽快|马上|立即)(?!{_ADVERSE})(?!员|议|场|话|您|你|问题|以上|此|该)"
)
_WE_ACT = re.compile(r"(?:我们?|小编|客服)(?:就|会|将|马上|立即|来|再)?(?:帮|为|给|替)(?:您|你|亲)")
_REQUEST = re.compile(r"请|建议|麻烦|记得|务必|需")
_YOUR_TURN = re.compile(r"(?:您|你|亲)(?!.{0,6}(?:同意|的话|愿意|接受))")
_CAUSE = re.compile(
    r"导致|造成|需您|需要您|由于|引起|原因|手机|软件|显示|短信|充满|兼容|[有相]关|受.{0,8}影响|"
    r"保留|一般是"
)
_NAMED = re.compile(_THING)
_TRY = re.compile(
    rf"(?:{_US})?.{{0,4}}(?:尽力|尽量|努力|争取|竭诚|竭力|不断|尽最大|继续|考虑|看看?能不能|"
    rf"希望).{{0,14}}(?:处理|解决|完善|改|优化|加强|提升|提高|提供|服务|帮|协助|退|"
    rf"安排|核实|建设|加快)"
)


_GOES_ON = re.compile(r"(?:并|且|再|及|通过|进行)(?!.{0,6}[会将])")
_AGREED = re.compile(r"(?:可以|好|行|同意|接受)吗\W*$")
_NAMES_US = re.compile(
    r"我们|我司|小编|专员|专人|工作人员|小(?!时|心|区|米|程|型|额|号|票)[一-鿿a-z@]"
)


# Of each clause that commits, one of these rows is found; the screen relaxes them.
COMMITTING: tuple[tuple[str, ...], ...] = (
    *(
        (rule.pattern,)
        for rule in (_NO_FEE, _WATCH, _YOU_GET, _CAN, _WORD, _BEARS, _WE_WILL, _FUTURE)
    ),
    *((rule.pattern,) for rule in (_FAST, _CONTACTS, _FOR_YOU, _TRY, _OFFER)),
    (_UNCERTAIN.pattern, _OUTLOOK.pattern),
    (rf"{_OUTCOME}|{_TAKES.pattern}", AMOUNT.pattern),
)


def clauses(sentence: str) -> list[Clause]:
    """The clauses of one folded sentence that commit the company.

    >>> [c.firmness for c in clauses("您的退款3天内到账.")]
    ['firm']
    >>> [c.firmness for c in clauses("我们会尽快核实处理,退款通常3到5天到账")]
    ['firm', 'hedged']
    >>> clauses("请您3天内提供订单号")
    []
    """
    found: list[Clause] = []
    conditional = False
    parts = list(_PART.finditer(_GAP.sub(",", sentence)))
    asks = sentence.rstrip().endswith(("?", "吗", "吗。"))
    offer = _OFFER.search(sentence) if asks else None
    if offer:
        return [Clause(offer.start(), len(sentence.rstrip()), "hedged")]
    agree = asks and _AGREED.search(sentence) is not None
    aimed = False
    for part in parts:
        clause = part[0].rstrip()
        if _CONDITION.search(clause):
            conditional = not _FREE_CONDITION.search(clause)
        if found and re.match(
            r"(?:但|不过)?(?:具体|实际)?.{0,6}(?:[以依看].{1,10}(?:为准|而定|进度)|"
            r"视.{1,10}而定|视.{1,8}(?:情况|速度))",
            clause,
        ):
            found[-1] = found[-1]._replace(firmness="hedged")
        # What follows a purpose goes on with it: "so that we check it, and call you".
        if _PURPOSE.search(clause):
            aimed = True
        elif not _GOES_ON.match(clause):
            aimed = False
        ours = not asks or _NAMES_US.search(clause) is not None
        firmness = _firmness(clause) if ours and not aimed else None
        if firmness:
            soft = conditional or agree or firmness == "hedged"
            found.append(
                Clause(part.start(), part.start() + len(clause), "hedged" if soft else "firm")
            )
    return found


@lru_cache(maxsize=65536)
def _firmness(clause: str) -> str | None:
    if _ASKS.search(clause) or _PURPOSE.search(clause):
        return None
    if _NO_FEE.search(clause):
        return _softened(clause)
    if _DENIES.search(clause):
        return None
    if _WATCH.search(clause):
        return None if clause.startswith("建议") else "firm"
    if _YOU_GET.search(clause):
        return _softened(clause)
    addressed = _CUSTOMER.search(clause) and not _WE_WILL.search(clause)
    if addressed and not _WE_ACT.search(clause):
        timed = _timed(clause) and not _REQUEST.search(clause)
        if not timed and (not _CAN.search(clause) or _YOUR_TURN.match(clause)):
            return None
        return _softened(clause) if timed else "hedged"
    if _WORD.search(clause) or _BEARS.search(clause):
        return _softened(clause)
    if _CAN.search(clause) and not _WILL.search(clause):
        return "hedged"
    if _PAST.search(clause) and not _FAST.search(clause) and not _WILL.search(clause):
        return None
    if (
        _future(clause)
        or _FAST.search(clause)
        or _CONTACTS.search(clause)
        or _FOR_YOU.search(clause)
        or _timed(clause)
    ):
        return _softened(clause)
    if _UNCERTAIN.search(clause) and _OUTLOOK.search(clause) and not _CAUSE.search(clause):
        return "hedged"
    return "hedged" if _TRY.search(clause) else None


def _softened(clause: str) -> str:
    if _SOFT.search(clause) or (_ZEAL.search(clause) and not _WILL.search(clause)):
        return "hedged"
    return "firm"


def _future(clause: str) -> bool:
    if _WE_WILL.search(clause):
        return True
    if _FUTURE.search(clause) is None:
        return False
    return _OURS.search(clause) is not None or _NAMED.search(clause) is not None


def _timed(clause: str) -> bool:
    # An outcome with a time, said flatly: "退款三天内到账".
    if _ALLOWS.search(clause):
        return False
    for quantity in quantities(clause):
        if quantity.unit in ("money", "percent"):
            continue
        rest = clause[quantity.end :]
        if _TIMED.match(rest) and (
            re.match(r"内|之内|以内|后|即可|就|左右|到|可|完|发|送|会|将|[ ]", rest)
            or re.search(_THING, clause)
        ):
            return True
        if _TAKES.search(clause[: quantity.start]):
            return True
    return False

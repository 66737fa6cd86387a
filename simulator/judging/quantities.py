"""Amounts and spans of time in support text, and a fold that lets one rule read many spellings.

Everything here keeps positions: a character of the folded text is the character at the same place
of the original, so that evidence can be cut out of the original exactly.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import polars as pl

# Traditional characters that occur in support text, and below them their simplified forms.
_TRADITIONAL = (
    "會將馬儘盡聯繫係復覆電話為幫給與處實饋轉進達發貨換賠償補減費額還錢帳賬戶單號訂購買賣價優證"
    "諾確絕對應該預計約審過條後內兩個時間點鐘週無辦難員專這裡裏說請問嗎麼誰歡謝擾氣憤騙詐盜竊駭"
    "傷醫療燙觸訴師衛權獎贈禮產維壞損檢測題決責認錯誤擔負險標準規則開關閉啟註銷務頁網線機滿當倉"
    "庫遞遲運輸寫記錄報體監聽見現觀覺讓試變動靜聲壓殺滅視種長東經結續總級統紅並從來們樣據餘匯銀"
    "鈔頭顧類顯驗腦殘廢爛濫醜惡煩惱爺媽獲釋鎖隱團圓側備僅億儲擴擇斷於書極樓區縣寶屬導層憑戰採掛"
    "撥搶擬敗數暫術歲殼漲灣營獨畫積簡紀紙終組義習聞脫臨舉蓋藥裝語誠詢詳調論謊譯議護讀貴質軟較載"
    "輕辭違適選郵鄭鋪鏈門闆陸隊際隨雜離順須領頻願飯館騷黨齊齡嚴傳僱働勞協參嘗圍沒贏屆煙遺憂慮慘"
    "淚奪棄擊嚇罵趕罰繳納滯遷異歸鏡瀏覽儀場錶幣賺稅櫃颱臺髒毀燒斃頓尋幾夠訊簽遊盤蘋掃碼階勵狀況"
    "諒針偽構敵瞞強恆範衝撐徹爭執懷懸潔畢疊穩籤糾紛綁緊緒縮織職艙莊蘭襲訪評詞課謹趨軌輛農遠鐵閱"
    "陳雙雲靈頂項風飛驚魚鳥麗麥龍稱歷歐爾牆環睏礙筆節糧絡綜緣練縱繞羅聖聰膚臉艱蒐虛蟲訓許診誇諮"
    "讚賊賓賴趙跡踐輪轟遜鄰醬釐銘鍵鑰閃閒闊隻雖響頒顆飄養餓駐騎鬆鬥鬧鮮別兒冊刪剛卻國園學張業橋"
    "檔欄淨熱燈絲編細舊著複談譜資車邊興講螢製嬰壺萬島愛帶廠彈豐藝敘擁貼贊緻髮鬱搖禍夾鈕鑑襪褲遙"
    "陣燬嘮煉慣憐憲懇懶戲櫥滾漢潛灑濕災爐牽獸甦瘋癮睜碩禦穫窮競築簾籃紐純紗紹絨綠緩縫績繼纖膠艦"
    "蘇襯託詭誌誘諷謎謠譽豬貓貝貞財貢貪貫賀賜賢躍軍輔輝連邏鄉釀釘鈴鉛銳鋼鋒錦鎮閘闖雞霧韓頑頗顏"
    "飲飽餅饒馳驅驕骯鬍鴨鹽麵黃齒"
)
_SIMPLIFIED = (
    "会将马尽尽联系系复复电话为帮给与处实馈转进达发货换赔偿补减费额还钱账账户单号订购买卖价优证"
    "诺确绝对应该预计约审过条后内两个时间点钟周无办难员专这里里说请问吗么谁欢谢扰气愤骗诈盗窃骇"
    "伤医疗烫触诉师卫权奖赠礼产维坏损检测题决责认错误担负险标准规则开关闭启注销务页网线机满当仓"
    "库递迟运输写记录报体监听见现观觉让试变动静声压杀灭视种长东经结续总级统红并从来们样据余汇银"
    "钞头顾类显验脑残废烂滥丑恶烦恼爷妈获释锁隐团圆侧备仅亿储扩择断于书极楼区县宝属导层凭战采挂"
    "拨抢拟败数暂术岁壳涨湾营独画积简纪纸终组义习闻脱临举盖药装语诚询详调论谎译议护读贵质软较载"
    "轻辞违适选邮郑铺链门板陆队际随杂离顺须领频愿饭馆骚党齐龄严传雇动劳协参尝围没赢届烟遗忧虑惨"
    "泪夺弃击吓骂赶罚缴纳滞迁异归镜浏览仪场表币赚税柜台台脏毁烧毙顿寻几够讯签游盘苹扫码阶励状况"
    "谅针伪构敌瞒强恒范冲撑彻争执怀悬洁毕叠稳签纠纷绑紧绪缩织职舱庄兰袭访评词课谨趋轨辆农远铁阅"
    "陈双云灵顶项风飞惊鱼鸟丽麦龙称历欧尔墙环困碍笔节粮络综缘练纵绕罗圣聪肤脸艰搜虚虫训许诊夸咨"
    "赞贼宾赖赵迹践轮轰逊邻酱厘铭键钥闪闲阔只虽响颁颗飘养饿驻骑松斗闹鲜别儿册删刚却国园学张业桥"
    "档栏净热灯丝编细旧着复谈谱资车边兴讲荧制婴壶万岛爱带厂弹丰艺叙拥贴赞致发郁摇祸夹钮鉴袜裤遥"
    "阵毁唠炼惯怜宪恳懒戏橱滚汉潜洒湿灾炉牵兽苏疯瘾睁硕御获穷竞筑帘篮纽纯纱绍绒绿缓缝绩继纤胶舰"
    "苏衬托诡志诱讽谜谣誉猪猫贝贞财贡贪贯贺赐贤跃军辅辉连逻乡酿钉铃铅锐钢锋锦镇闸闯鸡雾韩顽颇颜"
    "饮饱饼饶驰驱骄肮胡鸭盐面黄齿"
)
_PLAIN = {ord(a): b for a, b in zip(_TRADITIONAL, _SIMPLIFIED, strict=True)}
_PLAIN |= {0xFF01 + i: chr(0x21 + i) for i in range(94)}
_PLAIN |= {ord(a): b for a, b in zip("’‘“”–—　", "''\"\"-- ", strict=True)}
_PLAIN |= {ord(c): c.lower() for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_PLAIN |= {0xFF21 + i: chr(0x61 + i) for i in range(26)}

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_WORDS = {
    word: i
    for i, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
} | {"a": 1, "an": 1, "fifteen": 15, "twenty": 20, "thirty": 30, "sixty": 60, "forty": 40}
_WORDS |= {"fifty": 50, "seventy": 70, "eighty": 80, "ninety": 90, "the": 1}

_SCALES = {"hundred": 100, "thousand": 1000}
_WORD = "|".join([*_WORDS, *_SCALES])
_NUMBER = (
    r"(?:\d[\d,]*(?:\.\d+)?|[零〇一二两三四五六七八九十百千万半]+|(?:(?<=within )|"
    r"(?<=inside ))the\b|"
    rf"\b(?:{_WORD})(?:(?: and |[ -])(?:{_WORD}))*\b)"
)
_TO = r"\s*(?:-|~|至|到|或|、|/|\bto\b|\bor\b|\bthrough\b)\s*"
_UNITS = (
    (r"(?:working|business|work|banking)[ -]?days?|个?工作[天日]|个?营业[天日]", "working_day"),
    (r"minutes?\b|mins?\b|分钟|分(?=内|后)", "minute"),
    (r"hours?\b|hrs?\b|h(?![a-z])|个?小时|个?钟头", "hour"),
    (r"(?:calendar[ -])?days?\b|个?自然[天日]|天|日(?=内|后|之内|左右|到)", "day"),
    (r"weeks?\b|wks?\b|个?周|个?星期|个?礼拜", "week"),
    (r"months?\b|个月", "month"),
)
_SPAN = "|".join(pattern for pattern, _ in _UNITS)
_TIME = re.compile(
    rf"(?<!第)(?P<low>{_NUMBER})(?:(?:[ -]*(?:{_SPAN}))?{_TO}(?P<high>{_NUMBER}))?"
    rf"(?:\s*\(\d+\))?[ -]*(?:full |more )?(?:"
    + "|".join(f"(?P<u{i}>{pattern})" for i, (pattern, _) in enumerate(_UNITS))
    + ")"
)
_NEAR = re.compile(
    r"\b(?:today|tonight|tomorrow)\b|今天|今日|今晚|当天|当日|明天|明日|后天|下周|"
    r"\bnext week\b|隔[天日]|次日|第二天|\bthe (?:next day|day after)\b"
)
_NEAR_DAYS = {"后天": 2.0, "下周": 7.0, "next week": 7.0}
_SIGN = r"(?:nt\$|hk\$|us\$|a\$|s\$|rmb|cny|usd|eur|gbp|ntd|twd|hkd|[$€£¥￥])"
_AFTER = (
    r"(?:\s*(?:usd|eur|gbp|twd|ntd|hkd|rmb|cny|us dollars?|dollars?|bucks|euros?|pounds?|yuan)\b"
    r"|\s*(?:元|块钱?|美元|美金|港币|台币|人民币|欧元))"
)
_MONEY = re.compile(
    rf"{_SIGN}\s*(?P<a>\d[\d,]*(?:\.\d+)?)(?:{_TO}{_SIGN}?\s*(?P<b>\d[\d,]*(?:\.\d+)?))?"
    rf"|(?P<c>{_NUMBER})(?:{_TO}(?P<d>{_NUMBER}))?{_AFTER}"
)
# Without one of these there is no such time or amount: a cheap look first.
_NEARBY = re.compile("tod|ton|tom|next|day after|[今当明后下隔次第]")
_TIMED = re.compile(r"day|hour|hr|h(?![a-z])|min|week|wk|month|[天日分小钟周星礼月]")
_MONEYED = re.compile(r"[$€£¥￥元块金币]|rmb|cny|usd|eur|gbp|ntd|twd|hkd|dollar|buck|pound|yuan")
_PERCENT = re.compile(
    rf"(?P<a>\d+(?:\.\d+)?)(?:{_TO}(?P<b>\d+(?:\.\d+)?))?\s*(?:%|percent\b|per cent\b)"
    r"|百分之(?P<c>[一二三四五六七八九十百\d]+)|(?P<d>[一二三四五六七八九]|"
    r"\d(?:\.\d)?)(?P<e>[一二三四五六七八九])?折"
)
AMOUNT = re.compile(
    r"\d|[一二两三四五六七八九十半]|\b(?:hundred|thousand|dollars?|percent|days?|hours?|weeks?|"
    r"months?|minutes?|today|"
    r"tonight|tomorrow)\b"
    r"|今|明|当[天日]|后天|下周|百分|隔|次日"
)

# Hours of one unit. A working day is 7/5 of a calendar day, so that five make a week.
HOURS = {
    "minute": 1 / 60,
    "hour": 1.0,
    "day": 24.0,
    "working_day": 24.0 * 7 / 5,
    "week": 168.0,
    "month": 720.0,
}


class Quantity(NamedTuple):
    """An amount in text. ``unit``: a time unit of :data:`HOURS`, ``money`` or ``percent``."""

    value: float
    unit: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case, simplified characters, half-width digits and marks; one character for one.

    >>> fold("退款３天內到帳，OK")
    '退款3天内到账,ok'
    """
    return text.translate(_PLAIN)


def folded(text: pl.Expr) -> pl.Expr:
    """:func:`fold` of a whole column."""
    return text.str.replace_many([chr(place) for place in _PLAIN], list(_PLAIN.values()))


def number(word: str) -> float | None:
    """The number that digits, an English word or Chinese numerals stand for.

    >>> number("1,200.5"), number("two hundred"), number("两百五十"), number("半")
    (1200.5, 200.0, 250.0, 0.5)
    """
    if word[0].isdigit():
        try:
            return float(word.replace(",", ""))
        except ValueError:
            return None
    if word[0].isascii():
        return _spelled(word)
    if word == "半":
        return 0.5
    total, section, digit = 0, 0, 0
    for char in word:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        elif char in "十百千":
            section += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[char]
            digit = 0
        else:
            return None
    return float(total + section + digit)


def _spelled(words: str) -> float | None:
    total = 0
    for word in re.split(r"[ -]", words):
        if word in _SCALES:
            total = (total or 1) * _SCALES[word]
        elif word != "and":
            total += _WORDS[word]
    return float(total)


@lru_cache(maxsize=65536)
def quantities(folded: str) -> tuple[Quantity, ...]:
    """All amounts in folded text, by place; of a range the larger end.

    >>> [(q.value, q.unit) for q in quantities("refund of nt$1,200 within 3-7 working days")]
    [(1200.0, 'money'), (7.0, 'working_day')]
    """
    if not AMOUNT.search(folded):
        return ()
    found = _times(folded)
    if _MONEYED.search(folded):
        found += _money(folded)
    if (
        "%" in folded
        or "折" in folded
        or "百分之" in folded
        or " cent" in folded
        or "perc" in folded
    ):
        found += _percents(folded)
    return tuple(sorted(found, key=lambda quantity: quantity.start))


def _times(folded: str) -> list[Quantity]:
    found = []
    for match in _TIME.finditer(folded) if _TIMED.search(folded) else ():
        ends = [number(match[name]) for name in ("low", "high") if match[name]]
        known = [value for value in ends if value is not None]
        unit = next(u for i, (_, u) in enumerate(_UNITS) if match[f"u{i}"])
        if known:
            found.append(Quantity(max(known), unit, match.start(), match.end()))
    for match in _NEAR.finditer(folded) if _NEARBY.search(folded) else ():
        days = _NEAR_DAYS.get(match[0], 1.0)
        found.append(Quantity(days, "day", match.start(), match.end()))
    return found


def _money(folded: str) -> list[Quantity]:
    found = []
    for match in _MONEY.finditer(folded):
        known = [number(part) for part in match.groups() if part]
        values = [value for value in known if value is not None]
        if values:
            found.append(Quantity(max(values), "money", match.start(), match.end()))
    return found


def _percents(folded: str) -> list[Quantity]:
    found = []
    for match in _PERCENT.finditer(folded):
        if match["d"]:
            tenths = number(match["d"]) or 0.0
            if match["e"]:
                tenths += (number(match["e"]) or 0.0) / 10
            # Eight tenths of the price is a fifth off.
            value = 100.0 - 10.0 * tenths
        else:
            ends = [number(part) for part in (match["a"], match["b"], match["c"]) if part]
            value = max((end for end in ends if end is not None), default=0.0)
        found.append(Quantity(round(value, 6), "percent", match.start(), match.end()))
    return found

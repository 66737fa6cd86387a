"""A CSV of conversations as a newcomer would have it: out of a spreadsheet, with the usual dirt.

The desk is a small online shop in Taipei that answers in Chinese and in English. Synthetic: no
sentence here was said by anybody.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

# Intent: (customer asks, agent asks back, customer answers, agent settles it), one a language.
_ENGLISH = {
    "Refund": (
        "When will I get my refund? I sent the shoes back a week ago.",
        "I am sorry about the wait. How did you pay?",
        "Credit card, order {order}",
        "The refund was issued on Monday. Your bank usually needs 3 to 7 working days.",
    ),
    "Delivery": (
        "Where is my order {order}?? It should have been here yesterday",
        "Let me look. Is the address on the order still right?",
        "yes it is",
        'The parcel is at the depot, marked "out for delivery", and should reach you tomorrow.',
    ),
    "Change address": (
        "Can I change the delivery address of {order}?",
        "Of course, as long as it has not left the warehouse. What is the new address?",
        "12 Zhongshan Road, 3F\nTaipei",
        "Done, the parcel will go there.",
    ),
    "Product question": (
        'Is the 5" model waterproof, or only splash proof?',
        "It is splash proof. Do you need it for swimming?",
        "No, just rain",
        "Then it will do: rain is no problem for it.",
    ),
    "Coupon": (
        "My coupon SPRING10 does not work, it says expired, this is ridiculous!!!",
        "I am sorry. Could you tell me when you received it?",
        "Last week, by e-mail, to buyer{n}@example.com",
        "Thank you. I have asked my supervisor whether we can extend it and will write back today.",
    ),
}
_CHINESE = {
    "Refund": (
        "我上週退的鞋子什麼時候會退款？",
        "不好意思讓您久等了，請問您當初是用什麼方式付款的呢？",
        "信用卡，訂單編號 {order}",
        "退款週一已經送出，銀行通常需要 3 到 7 個工作天，實際入帳時間以銀行為準。",
    ),
    "Delivery": (
        "請問我的包裹到哪裡了？訂單 {order}，說好昨天到的",
        "我幫您查一下，請問收件地址沒有變更吧？",
        "沒有",
        "包裹目前在物流中心，預計明天送達，造成不便很抱歉。",
    ),
    "Change address": (
        "可以改送貨地址嗎？",
        "可以的，只要還沒出貨。請問新的地址是？",
        "台北市中山路12號3樓，電話 0912-345-678",
        "已經幫您改好了。",
    ),
    "Product question": (
        "這款防水嗎？",
        "這款是生活防潑水，請問您會需要游泳時使用嗎？",
        "不會，下雨天用而已",
        "那沒有問題，下雨天可以安心使用。",
    ),
    "Coupon": (
        "優惠券不能用！！你們到底在搞什麼，我要客訴",
        "非常抱歉造成您的困擾，請問是哪一天收到的呢？",
        "上禮拜",
        "了解，我先向主管確認能不能延長，今天之內回覆您。",
    ),
}
_SHARES = {"Delivery": 35, "Refund": 25, "Product question": 18, "Change address": 12, "Coupon": 10}
_AGENTS = ("Amy Chen", "Bob Lin", "陳小姐", "Dora Wu")
_HEADER = [
    "Ticket ID",
    "Date/Time",
    "Channel",
    "From",
    "Agent",
    "Message",
    "Category",
    "Handling time (min)",
    "CSAT",
    "Status",
    "Remark",
]


def write(path: Path, n: int = 200, seed: int = 1) -> None:
    """Write ``n`` conversations over two working weeks to ``path``, UTF-8 with byte order mark.

    Dirt: blank rows, an agent's row before its question, ratings such as "N/A", a status still
    open, handle times that are missing, two spellings of a role, notes in a column nobody needs.
    """
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.writer(file, lineterminator="\r\n")
        sheet.writerow(_HEADER)
        for i in range(n):
            rows = list(_conversation(draw, i))
            if draw.random() < 0.04:
                rows[0], rows[1] = rows[1], rows[0]
            sheet.writerows(rows)
            if draw.random() < 0.03:
                sheet.writerow([""] * len(_HEADER))


def _conversation(draw: random.Random, i: int) -> Iterator[list[str]]:
    day = datetime(2026, 3, 2) + timedelta(days=draw.choice([0, 1, 2, 3, 4, 7, 8, 9, 10, 11]))
    hour = draw.choice([9, 10, 10, 10, 11, 11, 12, 13, 14, 14, 14, 15, 15, 16, 17])
    at = day + timedelta(hours=hour, minutes=draw.randrange(60))
    chinese = draw.random() < 0.6
    (intent,) = draw.choices(list(_SHARES), list(_SHARES.values()))
    said = (_CHINESE if chinese else _ENGLISH)[intent]
    agent, channel = draw.choice(_AGENTS), draw.choice(["Live chat", "Live chat", "LINE", "E-mail"])
    minutes = "" if draw.random() < 0.1 else f"{draw.lognormvariate(1.9, 0.5):.1f}"
    rating = draw.choice(["", "", "", "5", "5", "4", "3", "1", "N/A"])
    status = draw.choice(["Solved"] * 8 + ["Open", "Unresolved"])
    customer = "客戶" if chinese else draw.choice(["Customer", "Customer", "customer "])
    turns = said if draw.random() < 0.85 else said[:2]
    for j, text in enumerate(turns):
        role = customer if j % 2 == 0 else "Agent"
        line = text.format(order=f"A{10_000 + i}", n=i)
        remark = "vip" if draw.random() < 0.05 else ""
        stamp = f"{at.year}/{at.month}/{at.day} {at.hour:02}:{at.minute:02}"
        yield [
            f"CS-{1000 + i}", stamp, channel, role, agent, line, intent, minutes, rating, status,
            remark,
        ]  # fmt: skip
        at += timedelta(minutes=draw.randrange(1, 5))

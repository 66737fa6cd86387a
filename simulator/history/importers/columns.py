"""Which column of somebody's spreadsheet is which of ours, and what its words mean.

Names are compared without case, spaces and punctuation, so ``Ticket ID`` is ``ticket_id``. The
first usual name that the file has wins; ``[history.columns]`` in the scenario overrides.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from simulator.errors import HistoryError

# Two columns of theirs that are one of ours: a day and a time of day.
TOGETHER = " + "
NEEDED = {"conversation_id": "whose message it is", "role": "who spoke", "text": "what was said"}
_NAMES: dict[str, str] = {
    "conversation_id": "conversation_id conversationid conv_id ticket_id ticket_no ticket_number "
    "ticket case_id case_number case_no case chat_id session_id thread_id dialog_id dialogue_id "
    "interaction_id contact_id conversation session thread 對話編號 對話id 會話編號 會話id 會話 "
    "对话编号 对话id 会话编号 会话id 工單編號 工單號 工单编号 工单号 案件編號 案件号 案號 單號 "
    "進線編號 服務單號 聊天室編號 聊天id 編號 id",
    "role": "role author_type sender_type author_role sender_role user_type speaker_type from_type "
    "participant_type message_type_role speaker sender author from who direction said_by "
    "written_by inbound is_inbound from_customer is_customer is_agent 角色 發話者 發話人 發送者 "
    "发送者 發送人 寄件者 身分 身份 說話者 说话人 訊息來源 消息来源 對象",
    "text": "text body message content message_text message_body comment utterance plain_body "
    "plain_text transcript_text reply msg html_body 內容 内容 訊息 訊息內容 消息 消息内容 "
    "對話內容 对话内容 留言 留言內容 文字 回覆內容 對話",
    "sent_at": "sent_at message_time message_created_at message_timestamp timestamp created_at "
    "sent_time datetime date_time created time_stamp posted_at created_time sent_on created_on "
    "時間 发送时间 發送時間 時間戳記 时间 建立時間 訊息時間 對話時間 創建時間 创建时间 日期時間 "
    "日期时间 time sent date 日期",
    "turn": "turn turn_number message_number message_no seq sequence turn_index message_index "
    "order 順序 序號 訊息序號",
    "internal": "internal is_internal internal_note is_note is_private private 內部 內部備註 "
    "內部註記 内部备注",
    "public": "public is_public 公開 公开",
    "started_at": "started_at conversation_started_at start_time conversation_created_at "
    "ticket_created_at chat_start_time opened_at 開始時間 开始时间 進線時間",
    "customer_id": "customer_id customer client_id user_id requester_id requester end_user_id "
    "contact customer_email requester_email customer_name email 客戶編號 客户编号 會員編號 "
    "会员编号 客戶 客户 顧客 會員",
    "agent_id": "agent_id agent assignee assignee_id agent_name assigned_to owner staff operator "
    "客服人員 客服 專員 客服專員 處理人員 客服姓名 坐席 客服人员 承辦人",
    "channel": "channel via source_channel contact_channel medium 通路 管道 渠道 來源管道 進線管道 "
    "來源 来源",
    "language": "language lang locale 語言 语言 語系",
    "intent": "intent category issue_type topic reason contact_reason inquiry_type issue "
    "ticket_type disposition 意圖 意图 分類 分类 類別 类别 問題類型 问题类型 問題分類 主題 "
    "tag tags label labels 標籤 标签 subject 主旨 標題",
    "skill": "skill queue team group department 團隊 群組 组别 組別 部門",
    "handle_time_s": "handle_time handling_time aht average_handle_time talk_time agent_time "
    "work_time 處理時間 处理时间 處理時長 通話時間 通話時長 服務時長 服務時間",
    "wait_s": "wait wait_time queue_time time_in_queue 等候時間 等待時間 排隊時間",
    "abandoned": "abandoned is_abandoned 放棄 是否放棄",
    "resolved": "resolved is_resolved solved resolution status ticket_status state 是否解決 已解決 "
    "是否解决 狀態 状态 結案 案件狀態 處理狀態",
    "escalated": "escalated is_escalated transferred 轉接 是否轉接 升級 是否升級",
    "complained": "complained complaint is_complaint 客訴 是否客訴 投訴",
    "csat": "csat rating satisfaction satisfaction_score csat_score score stars customer_rating "
    "滿意度 满意度 評分 评分 滿意度評分",
    "recontact_of": "recontact_of follow_up_of previous_ticket_id 前次單號",
}
_UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "inseconds": 1.0, "秒": 1.0, "秒數": 1.0,
    "min": 60.0, "mins": 60.0, "minutes": 60.0, "inminutes": 60.0, "分": 60.0, "分鐘": 60.0,
    "ms": 0.001, "milliseconds": 0.001, "毫秒": 0.001,
    "h": 3600.0, "hours": 3600.0, "inhours": 3600.0, "小時": 3600.0,
}  # fmt: skip
_ROLES = {
    "customer": "customer client user enduser endusers requester visitor guest consumer member "
    "buyer lead contact caller shopper patient inbound incoming in received cust c 客戶 客户 顧客 "
    "顾客 會員 会员 用戶 用户 使用者 買家 买家 訪客 访客 消費者 來訊 進線 民眾",
    "agent": "agent admin staff support supportagent operator rep representative csr advisor "
    "specialist teammate employee assistant human humanagent helpdesk outbound outgoing out sent "
    "supervisor a 客服 客服人員 客服人员 客服專員 专员 專員 坐席 座席 小編 店家 賣家 商家 人工 "
    "真人客服 客服中心 人工客服",
    "bot": "bot chatbot ai robot virtualassistant virtualagent answerbot autoreply autoresponder "
    "fin 機器人 机器人 自動回覆 自动回复 智能客服 智慧客服 聊天機器人 ai客服",
    "system": "system sys note internal internalnote privatenote automation trigger event log "
    "systemmessage 系統 系统 系統訊息 系统消息 備註 备注 內部備註",
    "tool": "tool function",
}
_CHANNELS = {
    "chat": "chat livechat webchat messaging messenger nativemessaging message line whatsapp "
    "wechat facebook facebookmessenger fb instagram telegram sms twitter x app inapp im widget "
    "conversation 線上客服 聊天 即時聊天 在线客服 文字客服 微信 簡訊 官網聊天",
    "email": "email mail webform web form contactform 信件 電子郵件 郵件 邮件 電子信箱 "
    "表單 客服信箱",
    "voice": "voice phone call telephone calls phonecall inboundcall 電話 电话 語音 來電",
}
_LANGUAGES = {
    "en": "english 英文 英語",
    "zh-Hant": "traditionalchinese chinesetraditional 繁體中文 繁中 正體中文 zhtw zhhk zhhant",
    "zh-Hans": "simplifiedchinese chinesesimplified 简体中文 簡體中文 簡中 zhcn zhhans",
    "zh": "chinese mandarin 中文 國語",
    "ja": "japanese 日文 日本語",
}
_TRUE = (
    "true yes y 1 t x 是 有 已解決 已解决 解決 結案 已結案 solved closed resolved done complete "
)
_TRUE += "completed 完成 已完成 ✓ ✔"
_FALSE = "false no n 0 f 否 無 沒有 未解決 未解决 unsolved unresolved notresolved 未結案"
_EMPTY = frozenset("na n/a #n/a none null nil nan - -- – — 無資料 不明 unknown (blank)".split())


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """``name`` without case, width, spaces and punctuation."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum())


def _words(table: Mapping[str, str]) -> dict[str, str]:
    return {plain(word): ours for ours, words in table.items() for word in words.split()}


ROLE_WORDS = _words(_ROLES)
CHANNEL_WORDS = _words(_CHANNELS)
LANGUAGE_WORDS = _words(_LANGUAGES)
FLAG_WORDS = {plain(w) or w: True for w in _TRUE.split()} | {
    plain(w) or w: False for w in _FALSE.split()
}
_USUAL = {ours: [plain(name) for name in names.split()] for ours, names in _NAMES.items()}


TAGS = frozenset(plain(name) for name in "tag tags label labels 標籤 标签".split())
# A column of yes and no that names who it is about.
_ABOUT_CUSTOMER = frozenset(map(plain, ("inbound", "is_inbound", "from_customer", "is_customer")))


def role_words(theirs: str) -> dict[str, str]:
    """What the words of the column ``theirs`` say of who spoke."""
    about = plain(theirs)
    if about not in _ABOUT_CUSTOMER and about != "isagent":
        return ROLE_WORDS
    yes, no = ("agent", "customer") if about == "isagent" else ("customer", "agent")
    return {**ROLE_WORDS, **{word: yes if flag else no for word, flag in FLAG_WORDS.items()}}


def flag(value: str) -> bool | None:
    """Yes or no; null for anything else."""
    return FLAG_WORDS.get(plain(value) or value.strip())


def empty(value: str) -> bool:
    """Whether a cell says nothing: blank, or a sign for it such as N/A."""
    text = value.strip()
    return not text or text.casefold() in _EMPTY


def unit(theirs: str) -> float | None:
    """Seconds in the unit that a column's name ends with; null where it names none."""
    shape = r"[\s_(\[（]+([a-z]+|[一-鿿]+)[\s)\]）]*$"
    found = re.search(shape, unicodedata.normalize("NFKC", theirs[-40:]).casefold())
    return _UNITS.get(found[1]) if found else None


def find(header: Sequence[str]) -> dict[str, str]:
    """Ours -> theirs, as far as the usual names go. No column of theirs is taken twice."""
    theirs: dict[str, str] = {}
    for name in header:
        theirs.setdefault(plain(name), name)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for ours, usual in _USUAL.items():
        for key, name in _candidates(ours, usual, theirs):
            if key not in taken:
                found[ours] = name
                taken.add(key)
                break
    return _together(found, theirs)


def _candidates(ours: str, usual: list[str], theirs: dict[str, str]) -> Iterable[tuple[str, str]]:
    for key in usual:
        if key in theirs:
            yield key, theirs[key]
        if ours.endswith("_s"):
            for other, name in theirs.items():
                if other.startswith(key) and other[len(key) :] in _UNITS:
                    yield other, name


def _together(found: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
    """A day in one column and the time of day in another are read as one."""
    days = next((theirs[key] for key in ("date", "日期") if key in theirs), None)
    clock = next((theirs[key] for key in ("time", "時間", "时间") if key in theirs), None)
    if days and clock and found.get("sent_at") in (days, clock):
        found["sent_at"] = f"{days}{TOGETHER}{clock}"
    return found


def choose(path: Path, header: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Ours -> theirs, with ``given`` from the scenario before the usual names.

    Raises:
        HistoryError: a given column is not there, or a needed one cannot be found.
    """
    shown = ", ".join(name for name in header if name)[:400]
    for ours, name in given.items():
        for part in parts(name, header):
            if part not in header:
                near = difflib.get_close_matches(part, header, n=1, cutoff=0.6)
                fix = f"; did you mean {near[0]!r}?" if near else ""
                raise HistoryError(
                    f"{path}: [history.columns] {ours} = {name!r}: no such column; "
                    f"found {shown}{fix}"
                )
    mine = {part for name in given.values() for part in parts(name, header)}
    usual = find([name for name in header if name not in mine])
    found = {**usual, **given}
    for ours, what in NEEDED.items():
        if ours not in found:
            raise HistoryError(
                f"{path}: no column says {what} ({ours}); found columns {shown}; name it in the "
                f'scenario: [history.columns] {ours} = "..."'
            )
    twice = next((n for n in found.values() if list(header).count(n) > 1), None)
    if twice is not None:
        raise HistoryError(f"{path}: column {twice!r} stands there twice; expected it once")
    return found


def parts(theirs: str, header: Sequence[str]) -> list[str]:
    """The columns that ``theirs`` names: one, or a day and a time of day."""
    return [theirs] if theirs in header or TOGETHER not in theirs else theirs.split(TOGETHER)


def is_messages(header: Sequence[str]) -> bool:
    """Whether a header's columns make a row a message."""
    found = find(header)
    return all(ours in found for ours in NEEDED)

"""Tickets with their comments from Zendesk: an account's JSON export, or pages of its API.

The source is a file or a folder of files (.json, .jsonl, .ndjson, gzip or not), each a list, one
object a line, or pages: ``{"tickets": [...]}``, ``{"ticket": {...}}``, ``{"comments": [...]}``,
``{"users": [...]}``. Comments stand in their ticket, or name it in ``ticket_id``, or lie in a file
whose name holds its number (``comments_35436.json``), since the API's own comments do not name it.

Who spoke: the requester is the customer; others by the role of ``users`` where they are given;
else whoever is on copy is a customer and everybody else an agent. Private comments (``public``
false) and what rules or Zendesk itself wrote become turns of role system, which nobody is shown;
Answer Bot is a bot. A ticket without comments has its ``description`` alone.

``resolved`` is true for status solved or closed and otherwise unknown; deleted tickets are set
aside. A numeric ``satisfaction_rating.score`` from 1 to 5 is ``csat``; good and bad are on another
scale and only counted. ``language`` is the requester's locale. Tags give the intent (see
:mod:`simulator.history.importers.intents`) unless ``[history.columns]`` names a field by its path:
``intent = "custom_fields.360001"``, ``handle_time_s = "custom_fields.360002"``.

Why ``metric_set`` gives no waits or handle times: the reply time ends with the written reply, so it
holds work as well as waiting, and the resolution time holds the customer's own pauses. Who wants
them all the same names the path, whose ending ``in_minutes`` is heeded:
``wait_s = "metric_set.reply_time_in_minutes.calendar"``.

Source: developer.zendesk.com/api-reference/ticketing/tickets/tickets/, .../ticket_comments/,
.../ticket_metrics/, and developer.zendesk.com/documentation/ticketing/reference-guides/
via-object-reference/; support.zendesk.com/hc/en-us/articles/4408886165402 (export of account data).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers import help_desk
from simulator.history.importers.help_desk import Held, at, key
from simulator.history.importers.hypertext import text_of
from simulator.history.importers.intake import Intake, Place
from simulator.history.importers.source import BadRow
from simulator.scenario import History

_CHANNELS = {
    "email": ("email", "web", "api", "mobile", "help_center", "web_form", "closed_ticket"),
    "chat": (
        "chat native_messaging messaging web_messenger mobile_sdk web_widget line whatsapp wechat "
        "facebook instagram_dm twitter twitter_dm telegram viber sms text any_channel sunshine"
    ).split(),
    "voice": ("voice", "phone"),
}
_CHANNEL = {via: ours for ours, vias in _CHANNELS.items() for via in vias}
_BOTS = frozenset(("answer_bot", "answer_bot_api", "answer_bot_for_web_widget", "ai_agent"))
_MACHINES = frozenset(("rule", "system", "automation", "trigger", "macro"))
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_SYSTEM_USER = "-1"
_PEOPLE = ("requester", "submitter", "assignee", "author")
Comment = tuple[Place, Any]


def read(history: History) -> Imported:
    """The tickets of an export.

    Raises:
        HistoryError: cannot be read, holds no ticket, a path of ``[history.columns]`` leads
            nowhere, or no ticket is usable.
    """
    source = Path(history.source or "")
    held, contents = help_desk.load(source)
    intake = Intake(history, source.name, contents, lenient=True)
    export = _Export()
    for one in held:
        if isinstance(one.value, BadRow):
            intake.refuse(one.place, str(one.value), "")
        elif not export.take(one):
            intake.refuse(one.place, "neither a ticket nor a page of tickets", one.value)
    if not export.tickets:
        raise HistoryError(
            f"{source}: holds no ticket; expected Zendesk's JSON: tickets with comments, or pages "
            '{"tickets": [...]} and {"comments": [...]}'
        )
    export.place_comments()
    records = {str(key(ticket.get("id"))): ticket for _, ticket in export.tickets}
    configured = help_desk.Configured(source, records, history.columns, ("tags",))
    for place, ticket in export.tickets:
        _ticket(place, ticket, export, configured, intake)
    for place, comment, owner in export.strays():
        intake.orphan(place, owner, "comment of a ticket that is not in the export", comment)
    return intake.finish()


class _Export:
    """Tickets, the comments that lie beside them, and what is known of users."""

    def __init__(self) -> None:
        self.tickets: list[tuple[Place, dict[str, Any]]] = []
        self.users: dict[str, Mapping[str, Any]] = {}
        self._apart: dict[str, list[Comment]] = {}
        self._unplaced: list[tuple[str, Place, Any]] = []

    def take(self, held: Held) -> bool:
        """Sort in one value; false if it is nothing of Zendesk's."""
        value = held.value
        if not isinstance(value, dict):
            return False
        if _is_ticket(value):
            self._ticket(held.place, value)
            return True
        if _is_comment(value):
            self._comment(held.file, held.place, value, None)
            return True
        pages = {name: value.get(name) for name in ("tickets", "comments", "users")}
        if isinstance(value.get("ticket"), dict):
            pages["tickets"] = [value["ticket"]]
        lists = {name: page for name, page in pages.items() if isinstance(page, list)}
        owner = key(value.get("ticket_id"))
        if owner is None and len(lists.get("tickets", [])) == 1:
            owner = key(at(lists["tickets"][0], "id"))
        for user in lists.get("users", []):
            self._user(user)
        for ticket in lists.get("tickets", []):
            self._ticket(held.place, ticket)
        for comment in lists.get("comments", []):
            self._comment(held.file, held.place, comment, owner)
        return bool(lists)

    def _ticket(self, place: Place, ticket: Any) -> None:
        if not isinstance(ticket, dict):
            ticket = {"status": "not an object"}
        for who in _PEOPLE:
            self._user(ticket.get(who))
        self.tickets.append((place, ticket))

    def _user(self, user: Any) -> None:
        if isinstance(user, dict) and (name := key(user.get("id"))) is not None:
            self.users[name] = {**self.users.get(name, {}), **user}

    def _comment(self, file: str, place: Place, comment: Any, owner: str | None) -> None:
        self._user(at(comment, "author"))
        owner = key(at(comment, "ticket_id")) or owner
        if owner is None:
            self._unplaced.append((file, place, comment))
        else:
            self._apart.setdefault(owner, []).append((place, comment))

    def place_comments(self) -> None:
        """Give comments that name no ticket to the one whose number is in their file's name."""
        known = {key(ticket.get("id")) for _, ticket in self.tickets}
        for file, place, comment in self._unplaced:
            numbers = [number for number in re.findall(r"\d+", file) if number in known]
            owner = numbers[0] if len(numbers) == 1 else ""
            self._apart.setdefault(owner, []).append((place, comment))

    def comments(self, place: Place, ticket: Mapping[str, Any]) -> list[Comment]:
        """The comments of one ticket, which are its from then on."""
        own = ticket.get("comments")
        inside = [(place, one) for one in own] if isinstance(own, list) else []
        return inside + self._apart.pop(key(ticket.get("id")) or "?", [])

    def strays(self) -> list[tuple[Place, Any, str | None]]:
        """The comments that no ticket took."""
        return [
            (place, comment, owner or None)
            for owner, comments in self._apart.items()
            for place, comment in comments
        ]


def _is_ticket(value: Mapping[str, Any]) -> bool:
    return "id" in value and bool(value.keys() & {"requester_id", "requester", "subject", "via_id"})


def _is_comment(value: Mapping[str, Any]) -> bool:
    return "author_id" in value and bool(value.keys() & {"body", "html_body", "plain_body"})


def _ticket(
    place: Place,
    ticket: dict[str, Any],
    export: _Export,
    configured: help_desk.Configured,
    intake: Intake,
) -> None:
    comments = export.comments(place, ticket)
    status = ticket.get("status")
    if status in ("deleted", "not an object"):
        reason = "ticket was deleted" if status == "deleted" else "ticket is no object"
        intake.refuse(place, reason, ticket, len(comments))
        return
    requester = key(ticket.get("requester_id")) or key(at(ticket, "requester.id"))
    if not comments and isinstance(ticket.get("description"), str):
        intake.notes["tickets without comments, their description alone taken"] += 1
        first = {"author_id": requester, "body": ticket["description"]}
        comments = [(place, {**first, "created_at": ticket.get("created_at")})]
    messages = [
        _message(comment, ticket, requester, export.users, intake) for _, comment in comments
    ]
    name = key(ticket.get("id"))
    fields = {
        "conversation_id": name,
        "customer_id": requester,
        "agent_id": key(ticket.get("assignee_id")) or key(at(ticket, "assignee.id")),
        "channel": _CHANNEL.get(str(at(ticket, "via.channel")).lower()),
        "language": _language(at(export.users.get(requester or ""), "locale")),
        "started_at": help_desk.moment(intake, ticket.get("created_at")),
        "resolved": True if status in ("solved", "closed") else None,
        "csat": _csat(at(ticket, "satisfaction_rating.score"), intake),
        **configured.fields(name or "", ticket, intake),
    }
    help_desk.hand_over(intake, fields, messages, place, [where for where, _ in comments])


def _message(
    comment: Any,
    ticket: Mapping[str, Any],
    requester: str | None,
    users: Mapping[str, Mapping[str, Any]],
    intake: Intake,
) -> Any:
    if not isinstance(comment, dict):
        return comment
    text = next((comment[n] for n in ("plain_body", "body") if comment.get(n)), None)
    if text is None and isinstance(comment.get("html_body"), str):
        text = text_of(comment["html_body"])
    return {
        "role": _role(comment, ticket, requester, users, intake),
        "text": text or at(comment, "data.transcription_text"),
        "sent_at": help_desk.moment(intake, comment.get("created_at")),
    }


def _role(
    comment: Mapping[str, Any],
    ticket: Mapping[str, Any],
    requester: str | None,
    users: Mapping[str, Mapping[str, Any]],
    intake: Intake,
) -> str:
    author = key(comment.get("author_id")) or key(at(comment, "author.id"))
    via = str(at(comment, "via.channel")).lower()
    if comment.get("public") is False:
        intake.notes["private comments kept as turns of role system"] += 1
        return "system"
    if via in _BOTS:
        return "bot"
    if via in _MACHINES or author == _SYSTEM_USER:
        return "system"
    if author is not None and author == requester:
        return "customer"
    role = at(users.get(author or ""), "role")
    if role is not None:
        return "customer" if role == "end-user" else "agent"
    copied = [ticket.get(name) for name in ("collaborator_ids", "email_cc_ids")]
    if any(author == key(one) for many in copied if isinstance(many, list) for one in many):
        return "customer"
    if author != key(ticket.get("assignee_id")):
        intake.notes["comments by others than requester and assignee, read as an agent's"] += 1
    return "agent"


def _csat(score: Any, intake: Intake) -> int | None:
    rated = str(score).split("_")[0]
    if rated in ("good", "bad"):
        intake.notes[f"tickets rated {rated}, which is no mark from 1 to 5"] += 1
    if isinstance(score, str) and score.isascii() and score.isdigit():
        score = int(score) if len(score) == 1 else None
    whole = isinstance(score, int) and not isinstance(score, bool)
    return score if whole and 1 <= score <= 5 else None


def _language(locale: Any) -> str | None:
    known = isinstance(locale, str) and _LOCALE.fullmatch(locale)
    return locale if known else None

"""The metrics that reports show: what each is called, how it is written, what it means.

The words are English keys; :mod:`simulator.reports.wording` says them in the language of a report.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.reports.language import noted


@dataclass(frozen=True)
class Metric:
    """A metric as a reader meets it: its name, how it is written, what it means."""

    label: str
    kind: str
    meaning: str


# What labels say of conversations, in the order in which it is shown.
SUPPORT: dict[str, Metric] = {
    "high_risk_interception": Metric(
        noted("High-risk interception"),
        "rate",
        noted(
            "of conversations with a high-risk point, left to people before any automatic "
            "reply to it"
        ),
    ),
    "missed_escalation": Metric(
        noted("Missed escalation"),
        "rate",
        noted("of conversations with a point that needs a person, the bot replied at one (a harm)"),
    ),
    "needless_escalation": Metric(
        noted("Needless escalation"),
        "rate",
        noted(
            "of those that it chose to hand over, no person was needed, risk was not high and "
            "the information sufficed (a harm)"
        ),
    ),
    "clarify_when_uninformed": Metric(
        noted("Asks when uninformed"),
        "rate",
        noted(
            "of conversations in which it acted on too little information, it asked, refused "
            "or handed over each time"
        ),
    ),
    "soothe_before_inform": Metric(
        noted("Soothes the upset first"),
        "rate",
        noted(
            "of conversations in which it acted on an upset or angry customer, it soothed, "
            "handed over or sounded apt each time"
        ),
    ),
    "appropriate_dont_know": Metric(
        noted("Apt “I don't know”"),
        "rate",
        noted(
            "of conversations in which it refused, each refusal was called for: too little "
            "information, high risk, or a person needed"
        ),
    ),
    "over_answer": Metric(
        noted("Over-answers"),
        "rate",
        noted(
            "of conversations that it spoke in, it gave a complete answer where risk was high "
            "or information lacking (a harm)"
        ),
    ),
    "tone_apt": Metric(
        noted("Apt tone"),
        "rate",
        noted("of conversations that it spoke in, every reply sounds apt by label"),
    ),
    "would_send_as_is": Metric(
        noted("Would send as is"),
        "rate",
        noted("of conversations that it spoke in, people would send every reply as it stands"),
    ),
}

METRICS: dict[str, Metric] = {
    "offered_per_day": Metric(
        noted("Offered to the desk"),
        "count",
        noted("visits to the human desk a day, repeat visits included"),
    ),
    "escalated_per_day": Metric(
        noted("Escalation load"),
        "count",
        noted(
            "visits a day that a bot sent to people: handed off, handed back, or stranded by "
            "an outage"
        ),
    ),
    "asa_s": Metric(
        noted("Mean wait"),
        "seconds",
        noted("mean wait of answered contacts (ASA)"),
    ),
    "wait_p90_s": Metric(
        noted("Wait, 90th percentile"),
        "seconds",
        noted("nine in ten answered wait no longer"),
    ),
    "wait_p50_s": Metric(
        noted("Wait, median"),
        "seconds",
        noted("half of those answered wait no longer"),
    ),
    "wait_p99_s": Metric(
        noted("Wait, 99th percentile"),
        "seconds",
        noted("99 in a hundred answered wait no longer"),
    ),
    "service_level": Metric(
        noted("Service level"),
        "rate",
        noted("answered in time / (answered + abandoned later than that)"),
    ),
    "abandonment_rate": Metric(
        noted("Abandonment"),
        "rate",
        noted("abandoned / offered"),
    ),
    "abandoned_per_day": Metric(
        noted("Abandoned"),
        "count",
        noted("left while waiting, a day"),
    ),
    "occupancy": Metric(
        noted("Occupancy"),
        "rate",
        noted("busy agent time / logged-in agent time"),
    ),
    "human_hours_per_day": Metric(
        noted("Human work"),
        "hours",
        noted("hours of handle time a day"),
    ),
    "needed_hours_per_day": Metric(
        noted("Work that came"),
        "hours",
        noted("hours of work a day, answered or not"),
    ),
    "turned_away_per_day": Metric(
        noted("Turned away"),
        "count",
        noted("came while the desk was closed or its queue full, and were not taken, a day"),
    ),
    "deadline_met_rate": Metric(
        noted("Deadline met"),
        "rate",
        noted("answered by the deadline / contacts that have one"),
    ),
    "backlog_end": Metric(
        noted("Backlog at the end"),
        "count",
        noted("waiting when the simulated days are over"),
    ),
    "email_time_to_answer_h": Metric(
        noted("E-mail, time to answer"),
        "hours",
        noted("mean time until work begins, of those answered"),
    ),
    "email_backlog_end": Metric(
        noted("E-mail backlog at the end"),
        "count",
        noted("e-mails waiting when the simulated days are over"),
    ),
    "unserved_per_day": Metric(
        noted("Unserved"),
        "count",
        noted("still waiting when the last agent left, a day"),
    ),
    "auto_share": Metric(
        noted("Automated"),
        "rate",
        noted("conversations that the bot begins / all"),
    ),
    "settled_share": Metric(
        noted("Settled"),
        "rate",
        noted("(agreed + handed off) / automated"),
    ),
    "handoff_share": Metric(
        noted("Handed off"),
        "rate",
        noted("handed to a person before any divergence"),
    ),
    "diverged_share": Metric(
        noted("Diverged"),
        "rate",
        noted("outcome unknown to replay"),
    ),
    "contained_rate": Metric(
        noted("Containment"),
        "rate",
        noted("automated with no handoff, no quit and no recontact / automated"),
    ),
    "escalation_rate": Metric(
        noted("Escalation rate"),
        "rate",
        noted("the bot decides to escalate"),
    ),
    "quit_rate": Metric(
        noted("Quit the bot"),
        "rate",
        noted("customers who leave before a bot reply"),
    ),
    "complaint_rate": Metric(
        noted("Complaints"),
        "rate",
        noted("conversations that end in a complaint"),
    ),
    "risky_promise_rate": Metric(
        noted("Risky promises"),
        "rate",
        noted("conversations with a firm promise that policy does not authorise"),
    ),
    "risky_promise_rate_judged": Metric(
        noted("Flagged by the judge"),
        "rate",
        noted("raw rate of the automatic judge; descriptive, no evidence"),
    ),
    "interception_rate": Metric(
        noted("High-risk interception"),
        "rate",
        noted("high-risk conversations that no bot answered"),
    ),
    "risky_promise_excess": Metric(
        noted("Risky promises above our agents'"),
        "signed",
        noted("the rate less that of our own agents"),
    ),
    "missed_escalation_rate": Metric(
        noted("Missed escalation"),
        "rate",
        noted("conversations with a bot reply where a person was needed"),
    ),
    "over_answer_rate": Metric(
        noted("Over-answers"),
        "rate",
        noted("conversations with a complete answer where none was due"),
    ),
    "complaint_excess": Metric(
        noted("Complaints above people alone"),
        "signed",
        noted("the rate less that of people alone"),
    ),
    "service_level_loss": Metric(
        noted("Service level lost"),
        "signed",
        noted("that of people alone less the one reached"),
    ),
    **SUPPORT,
    "labour_money": Metric(
        noted("Labour"),
        "money",
        noted("agents' paid time"),
    ),
    "bot_money": Metric(
        noted("Bot"),
        "money",
        noted("hosting and tokens"),
    ),
    "promise_money": Metric(
        noted("Risky promises"),
        "money",
        noted("expected cost of unauthorised promises"),
    ),
    "complaint_money": Metric(
        noted("Complaints"),
        "money",
        noted("handling and goodwill"),
    ),
    "abandonment_money": Metric(
        noted("Abandonment"),
        "money",
        noted("lost goodwill"),
    ),
    "total_money": Metric(
        noted("Cost"),
        "money",
        noted("all of it, a day"),
    ),
    "saving_money": Metric(
        noted("Saving"),
        "money",
        noted("against human-only, a day"),
    ),
    "paid_labour_money": Metric(
        noted("Paid labour"),
        "money",
        noted("wages of the re-staffed desk"),
    ),
    "paid_saving_money": Metric(
        noted("Paid saving"),
        "money",
        noted("against human-only re-staffed too, a day, labour in whole shifts"),
    ),
    "paid_saving_hours": Metric(
        noted("Paid hours saved"),
        "hours",
        noted("against human-only re-staffed too"),
    ),
    "paid_hours_per_day": Metric(
        noted("Paid hours"),
        "hours",
        noted("agent-hours paid for the fewest agents in whole shifts, a day"),
    ),
    "paid_hours_saved_per_day": Metric(
        noted("Paid hours saved"),
        "hours",
        noted("against human-only re-staffed too, a day"),
    ),
    "saving_hours": Metric(
        noted("Hours freed"),
        "hours",
        noted("human work against human-only, a day"),
    ),
    "break_even_risky_promise_rate": Metric(
        noted("Break-even promises per 100"),
        "per_hundred",
        noted("risky promises for every 100 automated conversations at which the saving is gone"),
    ),
    "breakdown_contained_share": Metric(
        noted("Must end well"),
        "rate",
        noted(
            "share of the diverged conversations that must end well for the stage to pay and "
            "keep its limits on service level and complaints, if the others come back to a "
            "person"
        ),
    ),
    "correlation": Metric(
        noted("Predicted against observed daily mean waits, correlation"),
        "correlation",
        noted("Pearson"),
    ),
    "correlation_usual_days": Metric(
        noted("Correlation, unusual days left out"),
        "correlation",
        noted("days like some of the first half"),
    ),
    "level_bias": Metric(
        noted("Predicted waits longer (+) or shorter (−) than observed"),
        "signed",
        noted("mean over mean, less 1"),
    ),
    "level_bias_usual_days": Metric(
        noted("Longer (+) or shorter (−), unusual days left out"),
        "signed",
        noted("days like some of the first"),
    ),
    "coverage_wait": Metric(
        noted("Days whose mean wait lies in the 90 % interval"),
        "rate",
        noted("of the days held out"),
    ),
    "coverage_abandonment": Metric(
        noted("Days whose abandonment lies in the 90 % interval"),
        "rate",
        noted("of the days held out"),
    ),
    "coverage_service_level": Metric(
        noted("Days whose service level lies in the 90 % interval"),
        "rate",
        noted("of the days held out"),
    ),
}

# What a gate speaks of.
ESTIMANDS = {
    "this_history": noted("this history"),
    "future_traffic": noted("future traffic of the same mix"),
    "simulated_days": noted("simulated days"),
}

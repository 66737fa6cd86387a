"""Terms that reports use besides their metrics: what each is called, and what it means in a line.

How each comes about, and where it stands: :mod:`simulator.reports.definitions`.
"""

from __future__ import annotations

from simulator.reports.language import noted

# By name: what it is called, what it means.
TERMS: dict[str, tuple[str, str]] = {
    "answered": (noted("Answered"), noted("contacts that an agent began")),
    "agents": (noted("Agents logged in"), noted("people at the desk, a mean over simulated days")),
    "required_agents": (
        noted("Agents required"),
        noted("the fewest with which the half-hour reaches its target, by formula"),
    ),
    "aht_s": (
        noted("Handle time (AHT)"),
        noted("mean time that an agent spends on a contact: talk, hold and after-contact work"),
    ),
    "shrinkage": (
        noted("Shrinkage"),
        noted("paid time in which people are not at the desk: leave, training, breaks"),
    ),
    "recontact": (noted("Recontact"), noted("a customer who comes back about the same matter")),
    "emotion_change": (
        noted("Change of mood"),
        noted("how the customer's mood moves after a reply of our own agents"),
    ),
    "calmed": (
        noted("Calmed"),
        noted("of upset or angry customers of our own agents, calmer at their next turn"),
    ),
    "upset_further": (
        noted("Upset further"),
        noted("of calm or upset customers of our own agents, worse at their next turn"),
    ),
    "risky_promise_rate_change": (
        noted("Risky promises by length"),
        noted("by how much risky promises rise from the first to the last band of length"),
    ),
    "backtest": (
        noted("Back-test"),
        noted("the queue model set against days of the operation that it has not seen"),
    ),
    "stage": (
        noted("Stage"),
        noted("a rung of the rollout, from people alone to wide automatic replies"),
    ),
    "human_only": (
        noted("Human only"),
        noted("people answer everything, as they do today: what all is set against"),
    ),
    "assist": (noted("Assist"), noted("the bot drafts, a person reads and sends")),
    "low_risk_auto": (
        noted("Low-risk auto"),
        noted("the bot answers while the risk is low; then a person takes over"),
    ),
    "wider_auto": (
        noted("Wider auto"),
        noted("the bot answers at any risk that the stage allows"),
    ),
    "segment": (noted("Segment"), noted("a part of the traffic, such as an intent")),
    "candidate": (
        noted("Candidate"),
        noted("a bot that is tried in shadow mode: no customer sees its words"),
    ),
    "decision_point": (
        noted("Decision point"),
        noted("a moment of a past conversation at which somebody had to reply"),
    ),
    "agreed": (
        noted("Agreed"),
        noted("the bot said what the log said, so the log's outcome stands"),
    ),
    "handoff": (
        noted("Handoff"),
        noted("a person took over before the bot differed from the log"),
    ),
    "diverged": (
        noted("Diverged"),
        noted("the bot replied otherwise than the log, so the outcome is unknown"),
    ),
    "hand_back": (
        noted("Hand back"),
        noted("a customer whom the bot failed comes back to a person later"),
    ),
    "bounds": (
        noted("Best, central and worst"),
        noted("what replay cannot know, taken as all well, as assumed, and as all ill"),
    ),
    "recommendation": (
        noted("How far"),
        noted("the furthest stage that the gates let a candidate reach, and what stops it there"),
    ),
    "answer": (noted("Answer (action)"), noted("the bot gives an answer to the question")),
    "clarify": (noted("Clarify"), noted("the bot asks for what it needs to know first")),
    "escalation": (noted("Escalation"), noted("the bot decides that a person should take over")),
    "refuse": (
        noted("Refuse"),
        noted("the bot says that it does not know, must check, or cannot"),
    ),
    "soothe": (noted("Soothe"), noted("the bot calms the customer before anything else")),
    "question_kind": (
        noted("Kind of question"),
        noted("knowledge (an article answers it), mixed, or strategy (judgement is needed)"),
    ),
    "risk": (noted("Risk"), noted("how much harm an answer at this point could do")),
    "risky_promise": (
        noted("Risky promise"),
        noted("a firm commitment that the policy does not allow this speaker to make"),
    ),
    "commitment": (
        noted("Commitment"),
        noted("words that a customer takes for a promise: firm, or hedged"),
    ),
    "policy": (noted("Policy"), noted("what may be promised, by whom, on which condition")),
    "tone": (
        noted("Tone"),
        noted("how a reply sounds: apt, cold, over-eager, over-certain or evasive"),
    ),
    "emotion": (noted("Emotion"), noted("the customer's state: calm, upset or angry")),
    "judge": (
        noted("Judge"),
        noted("a program that reads replies and flags them; it errs, and decides nothing"),
    ),
    "gate": (
        noted("Gate"),
        noted("a limit that must be shown to hold before the rollout goes a stage further"),
    ),
    "insufficient": (
        noted("Insufficient"),
        noted("the evidence shows neither that the limit holds nor that it is missed"),
    ),
    "overridden": (
        noted("Overridden"),
        noted("somebody took it upon themselves to go on although the gate does not pass"),
    ),
    "label": (
        noted("Label"),
        noted("what a person said of a conversation that was drawn to be read"),
    ),
    "labels_needed": (
        noted("Labels needed"),
        noted("how many more labels might settle the gate, if they turn out as so far"),
    ),
    "threshold": (
        noted("Score threshold"),
        noted("the score from which labels certify that a bot may answer by itself"),
    ),
    "estimand": (
        noted("What a gate speaks of"),
        noted("this history, future traffic of the same mix, or simulated days"),
    ),
    "confidence_interval": (
        noted("Confidence interval"),
        noted("how far the mean may be off, since only so many days were seen and simulated"),
    ),
    "prediction_interval": (
        noted("Prediction interval"),
        noted("where nine in ten single days lie"),
    ),
    "unknown": (noted("Unknown"), noted("what the run could not know; it is never zero")),
}

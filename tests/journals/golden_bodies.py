"""Events that came after ``v1.db`` was written, as they are written now; later versions must read them as these."""

from knowhy.model.events import Event, RequestWithdrawn, TrialProposed, TrialsRequested
from knowhy.model.trial import Proposal

BODIES: dict[str, Event] = {
    '{"type":"TrialsRequested","kind":"points","points":[{"lr":0.1,"deep":true},{"lr":0.2,"deep":true}],'
    '"theory":"","reason":"does it help?","by":"agent"}': TrialsRequested(
        "points", ({"lr": 0.1, "deep": True}, {"lr": 0.2, "deep": True}), "", "does it help?", "agent"
    ),
    '{"type":"TrialsRequested","kind":"test","points":[],"theory":"A1","reason":"","by":"person"}': TrialsRequested(
        "test", (), "A1"
    ),
    '{"type":"RequestWithdrawn","request":7,"reason":"the budget of trials is spent"}': RequestWithdrawn(
        7, "the budget of trials is spent"
    ),
    '{"type":"TrialProposed","proposal":{"trial":3,"point":{"lr":0.1},"seed":5,"purpose":"learn","reason":"why",'
    '"proposer":"agent","expected_bits":0.0,"success":1.0,"predictions":[],"stakes":[],"arms":[],"request":7}}': (
        TrialProposed(Proposal(3, {"lr": 0.1}, 5, "learn", "why", "agent", request=7))
    ),
}

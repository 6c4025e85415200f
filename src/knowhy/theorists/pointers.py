"""Theories that diagnoses point to: what curves and replicates say is wrong, and which lever would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from knowhy.engine.diagnostics import Diagnosis
from knowhy.model.objective import Objective
from knowhy.model.theory import Claim, Effect, KeepsImproving, Matters
from knowhy.theorists.lore import CURES
from knowhy.theorists.questions import Question, Rival, effect
from knowhy.theorists.reading import Lever, Reading, better, says, sense, worse


def pointed_to(reading: Reading, objective: Objective) -> Iterator[Question]:
    """Questions that the diagnoses of recent trials raise."""
    if objective != reading.state.objective:
        return
    for diagnosis in reading.diagnoses:
        if diagnosis.strength < 0.3 or len(diagnosis.trials) < 2:
            continue
        match diagnosis.kind:
            case "overfitting":
                yield from _gap(reading, objective, diagnosis)
            case "underfitting":
                yield from _capacity(reading, objective, diagnosis)
            case "too_short":
                yield from _length(reading, objective, diagnosis)
            case "divergence" | "oscillation":
                yield from _stability(reading, diagnosis)
            case "noise":
                yield from _floor(reading, objective, diagnosis)
            case _:
                continue


def _pulls(lever: Lever, trend: str) -> tuple[str, bool]:
    """Which way to pull ``lever`` (in words, and whether upwards) so that what ``trend`` describes falls."""
    return lever.pull(trend == "-"), trend == "-"


def _chosen(reading: Reading, text: str, fit: Sequence[Lever], most: int) -> tuple[list[Lever], bool]:
    """The levers to speak of; where it was asked before (the second is True), one that has been opened since."""
    if not any(theory.question == text for theory in reading.state.theories.values()):
        return list(fit[:most]), False
    opened = {change.parameter.name for _, change in reading.state.changes if change.change == "opened"}
    said = " ".join(c for t in reading.state.theories.values() if t.question == text for c in t.claims).split(" ")
    return [x for x in fit if x.name in opened and x.name not in said][:1], True


def _gap(reading: Reading, objective: Objective, diagnosis: Diagnosis) -> Iterator[Question]:
    """Overfitting is seen: which lever closes the gap, and whether closing it is worth anything."""
    gap, m = reading.gap(objective), objective.metric
    text = "what would close the gap, and is it worth closing?"
    fit = [x for x in reading.with_senses(_cures("overfitting")) if x.entry.gap in "+-"]
    levers, adds = _chosen(reading, text, fit, 2)
    if gap is None or not levers:
        return
    rivals = []
    for one in levers:
        word, up = _pulls(one, one.entry.gap)
        lever = reading.toward(one, up)
        closes = Effect(lever.name, lever.start, lever.end, "lowers" if up else "raises", gap)
        rivals.append(
            Rival(
                f"The model overfits: {says(word, 'closes')} the gap",
                _sentence(diagnosis)
                + " "
                + (lever.entry.more if up else lever.entry.less).because.replace("{p}", lever.name),
                (closes, effect(lever, objective, up)),
            )
        )
    lead = levers[0]
    word, up = _pulls(lead, lead.entry.gap)
    lead = reading.toward(lead, up)
    closes = Effect(lead.name, lead.start, lead.end, "lowers" if up else "raises", gap)
    rivals.append(
        Rival(
            f"The gap is harmless: closing it with {word} costs {m}",
            "A model that fits its training data better than new ones is doing its work; what narrows the gap "
            "narrows it from the wrong side, by fitting worse.",
            (closes, effect(lead, objective, not up)),
        )
    )
    yield Question(text, tuple(rivals[:1] if adds else rivals), 0.9 * diagnosis.strength + 0.1, adds)


def _capacity(reading: Reading, objective: Objective, diagnosis: Diagnosis) -> Iterator[Question]:
    """Underfitting is seen: which lever lets the model fit more."""
    text = "what would let the model fit more?"
    fit = [x for x in reading.with_senses(_cures("underfitting")) if x.entry.train in "+-"]
    levers, adds = _chosen(reading, text, fit, 3)
    if len(levers) < (1 if adds else 2):
        return
    train = reading.train(objective)
    rivals = []
    for one in levers:
        word, up = _pulls(one, one.entry.train)
        lever = reading.toward(one, up)
        claims: list[Claim] = [effect(lever, objective, up)]
        if train is not None:
            claims.insert(
                0, Effect(lever.name, lever.start, lever.end, better(objective) if up else worse(objective), train)
            )
        rivals.append(
            Rival(
                f"The model underfits: {says(word, 'lets')} it fit",
                _sentence(diagnosis)
                + " "
                + (lever.entry.more if up else lever.entry.less).because.replace("{p}", lever.name),
                tuple(claims),
            )
        )
    yield Question(text, tuple(rivals), 0.85 * diagnosis.strength + 0.1, adds)


def _length(reading: Reading, objective: Objective, diagnosis: Diagnosis) -> Iterator[Question]:
    """Curves still fall at the end: whether to train longer, or faster."""
    m = objective.metric
    rivals = [
        Rival(
            f"Training is too short: {says(lever.pull(True), 'helps')}",
            _sentence(diagnosis) + " A curve that still falls is a run that was stopped, not one that was finished.",
            (KeepsImproving(lever.name, m, float(lever.start)),),
        )
        for lever in reading.with_senses(["epochs", "trees"])[:1]
    ]
    for lever in reading.with_senses(["learning_rate"])[:1]:
        rivals.append(
            Rival(
                f"Training is too slow: {says(lever.pull(True), 'gets')} there in the same time",
                _sentence(diagnosis) + " Larger steps cover the same way in fewer of them.",
                (effect(lever, objective, True),),
            )
        )
        rivals.append(
            Rival(
                f"The tail is not worth having: {says(lever.pull(False), 'helps')} even so",
                "The slow fall at the end is the settling that a calmer rate does better; a larger one would only "
                "keep bouncing.",
                (effect(lever, objective, False),),
            )
        )
    if len(rivals) > 1:
        yield Question(f"is training too short or too slow for {m}?", tuple(rivals), 0.8 * diagnosis.strength + 0.1)


def _stability(reading: Reading, diagnosis: Diagnosis) -> Iterator[Question]:
    """Curves jump or swing: which setting does it."""
    metric = "jump" if diagnosis.kind == "divergence" else "oscillation"
    if metric not in reading.metrics:
        return
    rivals = []
    for lever in reading.with_senses(_cures(diagnosis.kind))[:3]:
        raises = sense(lever.parameter) in (
            "learning_rate",
            "init_scale",
            "momentum",
            "gradient_clip",
            "depth",
            "beta2",
        )
        rivals.append(
            Rival(
                f"{'Too much' if raises else 'Too little'} {lever.name} makes training unstable",
                _sentence(diagnosis)
                + (
                    " It sets how far each step goes."
                    if raises
                    else " It sets how gently or how surely each step is taken."
                ),
                (Effect(lever.name, lever.start, lever.end, "raises" if raises else "lowers", metric),),
            )
        )
    if len(rivals) > 1:
        yield Question(f"what makes training unstable ({metric})?", tuple(rivals), 0.7 * diagnosis.strength)


def _floor(reading: Reading, objective: Objective, diagnosis: Diagnosis) -> Iterator[Question]:
    """Replicates differ about as much as configurations do."""
    top = reading.ranked[:2]
    if diagnosis.strength < 0.5 or not top:
        return
    m, lead = objective.metric, top[0].name
    names = " and ".join(p.name for p in top)
    yield Question(
        f"is anything here larger than the noise of {m}?",
        (
            Rival(
                f"What differs is luck: {names} do{'es' if len(top) == 1 else ''} not matter",
                _sentence(diagnosis) + " Most of what looks like an effect is another seed.",
                tuple(Matters(p.name, m, False) for p in top),
            ),
            Rival(
                f"Behind the noise {lead} matters",
                "An effect can be smaller than the noise of one trial and still be real and worth having over many.",
                (Matters(lead, m, True),),
            ),
        ),
        0.7 * diagnosis.strength,
    )


def _cures(kind: str) -> tuple[str, ...]:
    """Senses that a diagnosis points to ("regularization" and "leaf" in both senses)."""
    split = {"regularization": ("strength", "inverse"), "leaf": ("leaves", "min_samples")}
    return tuple(dict.fromkeys(s for role in CURES[kind].roles for s in split.get(role, (role,))))


def _sentence(diagnosis: Diagnosis) -> str:
    return f"The trials show {diagnosis.sentence}."

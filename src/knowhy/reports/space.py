"""How the space changed while the study went on, as part of its story."""

from __future__ import annotations

from knowhy.model.state import State
from knowhy.reports.blocks import Block, Code, Items, Paragraph, Section, Table, Text
from knowhy.views import BestView, ChangeView, changes
from knowhy.views.words import percent, plural, scalar, sentence

_BY = {"person": "a person", "settings": "the settings", "engine": "the engine", "builtin": "the built-in theorist"}
_DID = {"added": "added", "opened": "opened", "widened": "widened", "frozen": "froze", "bound": "went on with"}


def space_section(state: State, best: BestView | None) -> Section | None:
    """What was opened, widened, frozen and added, why, and what came of it; None where the space stayed as it was."""
    found = changes(state)
    if not found:
        return None
    names = dict.fromkeys(c.parameter for c in found)
    active, held = len(state.space.active), len(state.space.held)
    words = (
        f"The space changed {plural(len(found), 'time')} during the study, in {plural(len(names), 'parameter')}. "
        f"Now {plural(active, 'parameter')} var{'ies' if active == 1 else 'y'} and {held} "
        f"{'is' if held == 1 else 'are'} held at the default. Trials that ran before a parameter was opened or added "
        "count at its default."
    )
    story = tuple(_told(change) for change in found)
    outcome = tuple(text for name in names if (text := _outcome(state, name, best)) is not None)
    blocks: list[Block] = [Paragraph((words,)), Items(story)]
    if outcome:
        blocks += [Paragraph(("What came of it:",)), Items(outcome)]
    table: tuple[tuple[Text, ...], ...] = tuple(
        (
            (Code(c.parameter),),
            (c.change,),
            (str(c.after),),
            (c.range,),
            ("–" if c.belief is None else percent(c.belief),),
            (c.by,),
        )
        for c in found
    )
    columns = ("parameter", "change", "after trials", "range from then on", "belief", "by")
    blocks.append(Table("Every change", columns, table, frozenset({2, 4})))
    return Section("space", "How the space changed", "Space", tuple(blocks))


def _told(change: ChangeView) -> Text:
    who = _BY.get(change.by, change.by)
    when = f"After {plural(change.after, 'trial')}" if change.after else "Before the first trial"
    text: Text = (f"{when} {who} {_DID[change.change]} ", Code(change.parameter), f": {sentence(change.reason)}")
    if change.claim and change.belief is not None:
        text = (*text, " The data then gave the claim ", Code(change.claim), f" a belief of {percent(change.belief)}.")
    return text


def _outcome(state: State, name: str, best: BestView | None) -> Text | None:
    """What the best configuration makes of a parameter that was changed; None where it is not varied."""
    if best is None or not state.space[name].active:
        return None
    value = best.point.get(name, state.space[name].default)
    where = f" in the best configuration (default {scalar(state.space[name].default)})."
    if any(setting.parameter == name for setting in best.changed):
        return (Code(name), f" is {scalar(value)}{where}")
    return (Code(name), " is at its default in the best configuration.")

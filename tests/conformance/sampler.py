"""What every sampler must do. Subclass ``SamplerConformance`` in a test module and say how to make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from knowhy.errors import SettingsError
from knowhy.model.events import (
    Event,
    ParameterChanged,
    Record,
    RunStarted,
    StudyCreated,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
    TrialWithdrawn,
)
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import (
    Condition,
    Interval,
    Parameter,
    Point,
    Scalar,
    Space,
    choice,
    integer,
    power_of_two,
    real,
    same_point,
    switch,
)
from knowhy.model.state import State, fold
from knowhy.model.trial import Proposal
from knowhy.ports import Sampler

Make = Callable[[int], Sampler]
Result = dict[str, float] | None
MINIMIZE = (Objective("loss"),)

MIXED = Space(
    (
        real("lr", 1e-5, 1.0, 0.01, log=True),
        real("dropout", 0.0, 0.8, 0.1),
        integer("epochs", 1, 30, 5),
        integer("width", 8, 1000, 64, log=True),
        power_of_two("batch_size", 8, 512, 32),
        switch("augment", True),
        choice("optimizer", ("sgd", "adam", None, 1, True, 1.5), "sgd"),
        replace(real("momentum", 0.0, 0.99, 0.9), condition=Condition("optimizer", ("sgd", None))),
        replace(real("seed_scale", 0.1, 2.0, 1.0), active=False),
        replace(choice("schedule", ("constant", "cosine"), "constant"), active=False),
    )
)


def loss(point: Point) -> Result:
    """A bowl in the mixed space, with a region that fails."""
    values = {k: float(v) if isinstance(v, (int, float)) else 0.0 for k, v in point.items()}
    if values["lr"] > 0.3:
        return None
    bowl = (MIXED["lr"].domain.to_unit(values["lr"]) - 0.7) ** 2 if isinstance(MIXED["lr"].domain, Interval) else 0.0
    bowl += (values["dropout"] - 0.3) ** 2 + 0.1 * (values["momentum"] - 0.5) ** 2
    return {"loss": bowl + 0.05 * (point["optimizer"] != "adam"), "time": values["epochs"] + values["width"] / 100}


@dataclass
class Story:
    """A study as records made by hand, and its state."""

    space: Space
    objectives: tuple[Objective, ...] = MINIMIZE
    constraints: tuple[Constraint, ...] = ()
    trials: int = 60
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self.happen(StudyCreated("story", self.objectives, self.space, 0, {}, "0", self.constraints))
        self.happen(RunStarted(self.trials, None, 1, "classic"))

    def happen(self, event: Event) -> None:
        seq = self.state.seq + 1
        self.state = fold([Record(seq, float(seq), event, "")], self.state)

    def propose(self, point: Point, *, start: bool = True) -> int:
        trial = self.state.next_trial
        self.happen(TrialProposed(Proposal(trial, self.state.space.complete(point), trial, "improve", "")))
        if start:
            self.happen(TrialStarted(trial, 1))
        return trial

    def finish(self, trial: int, result: Result) -> None:
        if result is None:
            self.happen(TrialFailed(trial, Failure("exit", "it failed", 1.0)))
        else:
            self.happen(TrialCompleted(trial, Observation(result, 1.0)))

    def run(self, sampler: Sampler, trials: int, result: Callable[[Point], Result], workers: int = 1) -> list[Point]:
        """Up to ``trials`` more trials with ``workers`` always busy; the points proposed. They end out of order."""
        points: list[Point] = []
        busy: list[tuple[int, Point]] = []
        for _ in range(trials):
            point = sampler.suggest(self.state, self.state.next_trial)
            if point is None:
                break
            points.append(point)
            busy.insert(0 if len(points) % 3 else len(busy), (self.propose(point), point))
            if len(busy) >= workers:
                trial, done = busy.pop()
                self.finish(trial, result(done))
        for trial, done in busy:
            self.finish(trial, result(done))
        return points

    def default(self, result: Callable[[Point], Result]) -> None:
        point = self.state.space.defaults()
        self.finish(self.propose(point), result(point))


class SamplerConformance:
    """The laws of the port. ``make(seed)`` gives a new sampler.

    ``startup`` trials pass before it learns; ``further`` are asked of it after that (fewer for slow ones).
    """

    startup = 12
    further = 4

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError("make a sampler with a seed")

    def test_points_are_complete_and_in_the_space(self, make: Make) -> None:
        story = Story(MIXED)
        story.default(loss)
        for point in story.run(make(1), self.startup + self.further, loss, workers=3):
            assert dict(point) == story.space.check(point)
            assert all(same_value(point[p.name], p.default) for p in MIXED.held)
            assert isinstance(point["epochs"], int)
            assert isinstance(point["batch_size"], int)
            assert point["batch_size"] & (point["batch_size"] - 1) == 0
            assert isinstance(point["lr"], float)
            if point["optimizer"] not in ("sgd", None):
                assert point["momentum"] == 0.9

    def test_a_resumed_study_goes_on_as_if_nothing_had_happened(self, make: Make) -> None:
        story, whole = Story(MIXED), make(7)
        story.default(loss)
        for _ in range(self.startup + self.further):
            trial = story.state.next_trial
            point, again = whole.suggest(story.state, trial), make(7).suggest(story.state, trial)
            assert point is not None
            assert again is not None
            assert same_point(point, again)
            story.propose(point)
            if trial % 3 == 0:
                for open_trial in story.state.pending[::-1]:
                    story.finish(open_trial.proposal.trial, loss(open_trial.proposal.point))

    def test_the_state_is_only_read(self, make: Make) -> None:
        story = Story(MIXED)
        story.default(loss)
        story.run(make(3), self.startup, loss)
        before = repr(story.state)
        make(3).suggest(story.state, story.state.next_trial)
        assert repr(story.state) == before

    def test_seeds_and_trials_make_a_difference(self, make: Make) -> None:
        story = Story(MIXED)
        story.default(loss)
        points = [make(seed).suggest(story.state, trial) for seed, trial in ((1, 2), (2, 2), (-5, 2))]
        assert len({repr(p) for p in points}) > 1

    def test_larger_is_better_mirrors_smaller_is_better(self, make: Make) -> None:
        def mirrored(point: Point) -> Result:
            result = loss(point)
            return None if result is None else {"loss": -result["loss"]}

        down, up = Story(MIXED), Story(MIXED, (Objective("loss", "maximize"),))
        down.default(loss)
        up.default(mirrored)
        one, two = (
            down.run(make(5), self.startup + self.further, loss),
            up.run(make(5), self.startup + self.further, mirrored),
        )
        assert all(same_point(a, b) for a, b in zip(one, two, strict=True))

    def test_the_space_may_grow_and_widen(self, make: Make) -> None:
        story, sampler = Story(MIXED), make(4)
        story.default(loss)
        story.run(sampler, self.startup, loss)
        first: list[tuple[Parameter, str]] = [
            (replace(MIXED["seed_scale"], active=True), "opened"),
            (replace(MIXED["dropout"], domain=Interval(0.0, 0.95)), "widened"),
            (choice("init", ("a", "b"), "a"), "added"),
        ]
        second: list[tuple[Parameter, str]] = [
            (choice("optimizer", ("sgd", "adam", None, 1, True, 1.5, "lion"), "sgd"), "widened"),
            (replace(MIXED["augment"], active=False), "frozen"),
        ]
        for changes in (first, second):
            for parameter, change in changes:
                story.happen(ParameterChanged(parameter, change, "because", "test"))  # type: ignore[arg-type]
            for point in story.run(sampler, self.further, loss):
                assert dict(point) == story.state.space.check(point)
                assert all(same_value(point[p.name], p.default) for p in story.state.space.held)
            trial = story.state.next_trial
            assert repr(sampler.suggest(story.state, trial)) == repr(make(4).suggest(story.state, trial))

    def test_failures_and_withdrawals_are_no_obstacle(self, make: Make) -> None:
        story, sampler = Story(MIXED), make(2)
        story.run(sampler, self.startup + self.further, lambda _: None, workers=2)
        for _ in range(3):
            point = sampler.suggest(story.state, story.state.next_trial)
            assert point is not None
            story.happen(TrialWithdrawn(story.propose(point, start=False), "changed my mind"))
        assert not story.state.completed

    def test_several_objectives_work_or_are_refused(self, make: Make) -> None:
        story = Story(MIXED, (Objective("loss"), Objective("time", "maximize")))
        story.default(loss)
        try:
            points = story.run(make(3), self.startup + self.further, loss)
        except SettingsError:
            return
        assert all(dict(point) == MIXED.check(point) for point in points)

    def test_nothing_to_vary(self, make: Make) -> None:
        space = MIXED.activate([p.name for p in MIXED], active=False)
        story = Story(space)
        story.default(loss)
        point = make(0).suggest(story.state, 2)
        assert point is None or dict(point) == space.defaults()


def same_value(one: Scalar, two: Scalar) -> bool:
    return type(one) is type(two) and one == two

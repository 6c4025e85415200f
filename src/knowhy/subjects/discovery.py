"""Parameters found in an unmodified script, without importing or running it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from knowhy.errors import SpaceError
from knowhy.model.space import EVALUATION_ROLE, Choices, Condition, Domain, Interval, Origin, Parameter
from knowhy.subjects.bindings import compared_strings, passed_attributes, scopes
from knowhy.subjects.candidates import Candidate, Findings
from knowhy.subjects.configs import Reader, find_configs, find_environment
from knowhy.subjects.constants import find_constants
from knowhy.subjects.defaults import find_defaults
from knowhy.subjects.exclusions import exclusion
from knowhy.subjects.fields import find_fields
from knowhy.subjects.flags import find_flags
from knowhy.subjects.inherited import find_inherited
from knowhy.subjects.keywords import find_keywords
from knowhy.subjects.ranges import default_in, domain_of
from knowhy.subjects.roles import Guess, Role, guess
from knowhy.subjects.seeds import find_seeds
from knowhy.subjects.source import Source

ACTIVE_FROM = 0.5
"""Confidence from which a parameter is varied from the start."""
MOST_ACTIVE = 8
"""How many parameters are varied from the start at most; theories may open others."""

_REPEATED = 0.88
_LARGEST = 1e15
# Which kernels of a support vector machine, and which solvers of a network, read a parameter.
_READ_BY = {
    "kernel": {"degree": ("poly",), "coef0": ("poly", "sigmoid"), "gamma": ("rbf", "poly", "sigmoid")},
    "solver": {
        **dict.fromkeys(("momentum", "nesterovs_momentum", "power_t"), ("sgd",)),
        **dict.fromkeys(("beta_1", "beta_2", "epsilon"), ("adam",)),
        **dict.fromkeys(("batch_size", "learning_rate_init"), ("sgd", "adam")),
    },
}


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found in a script.

    ``parameters`` are ranked, the most likely hyperparameters first; those with a confidence of at least
    ``ACTIVE_FROM``, at most ``MOST_ACTIVE``, are active. ``seeds`` are the literals (or options) by which
    the script seeds its random numbers. ``notes`` say what was left out, and why. ``reserved`` is what defines the
    evaluation (time, data, seed, split): held, with a range to be given by the person who says that it may vary.
    """

    parameters: tuple[Parameter, ...]
    seeds: tuple[Origin, ...]
    notes: tuple[str, ...]
    reserved: tuple[Parameter, ...] = ()


def discover(path: str, arguments: Sequence[str] = ()) -> Discovery:
    """The hyperparameters of the script at ``path``, found in its source.

    ``arguments`` are those that the script is always run with: options that they set are held.
    Raises SubjectError where the file cannot be read or is no Python.
    """
    return discover_source(Source.read(path), arguments, beyond=True)


def discover_source(
    source: Source, arguments: Sequence[str] = (), *, beyond: bool = False, read: Reader | None = None
) -> Discovery:
    """The hyperparameters of a script that was read already; see ``discover``.

    Without ``beyond``, only what is written in the script itself: neither what its constructors leave at a library's
    default, nor files beside it (which ``read`` gives), nor environment variables.
    """
    findings = Findings()
    found = tuple(scopes(source))
    for_flags = find_flags(source, found[0], arguments, findings)
    find_fields(source, findings)
    for scope in found:
        find_constants(source, scope, findings)
    find_keywords(source, findings)
    find_defaults(source, findings)
    if beyond:
        find_inherited(source, findings)
        find_environment(source, findings)
        find_configs(source, arguments, findings, read)
    find_seeds(source, found, findings)
    taken = {(c.origin.start, c.origin.end) for c in findings.candidates if c.origin.kind == "flag"}
    uses = passed_attributes(source.tree)
    candidates = [
        _with_use(c, uses)
        for c in _once(findings.candidates)
        if c.origin.kind != "constant" or (c.name not in for_flags and (c.origin.start, c.origin.end) not in taken)
    ]
    parameters = _judge(candidates, compared_strings(source.tree), findings)
    ranked = _rank(_with_conditions(parameters))
    return Discovery(ranked, tuple(findings.seeds), findings.told(), _reserved(findings.reserved, ranked))


def _once(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates in the order of the file, each literal once."""
    unique: dict[tuple[str, int, int, str], Candidate] = {}
    for candidate in candidates:
        at = candidate.origin
        unique.setdefault((at.file, at.start, at.end, at.key), candidate)
    return sorted(unique.values(), key=lambda c: c.origin.start)


def _with_use(candidate: Candidate, uses: Mapping[str, str]) -> Candidate:
    """An option or field with the call that it is passed to under its own name: ``StepLR(gamma=args.gamma)``."""
    if candidate.call or candidate.origin.kind not in ("flag", "field", "keyword"):
        return candidate
    return replace(candidate, call=uses.get(candidate.name, ""))


def _judge(candidates: Sequence[Candidate], mentioned: frozenset[str], findings: Findings) -> list[Parameter]:
    parameters: list[Parameter] = []
    kept: list[tuple[Candidate, Guess, Domain]] = []
    for candidate in candidates:
        if candidate.domain is not None:
            kept.append((candidate, Guess(candidate.role, 1.0), candidate.domain))
            continue
        if exclusion(candidate.name, candidate.value) and not candidate.alias:
            findings.leave_out(candidate.name, exclusion(candidate.name, candidate.value), candidate.origin.line)
            continue
        known = _known(candidate, mentioned)
        domain = _domain(candidate, known) if known is not None else None
        if known is not None and domain is not None:
            kept.append((candidate, known, domain))
        elif isinstance(candidate.value, str):
            reason = "text whose alternatives are not known"
            findings.leave_out(candidate.alias or candidate.name, reason, candidate.origin.line)
    names = _names([candidate for candidate, _, _ in kept])
    for (candidate, known, domain), name in zip(kept, names, strict=True):
        try:
            parameters.append(
                Parameter(
                    name,
                    domain,
                    default_in(domain, candidate.value),
                    known.role,
                    active=False,
                    confidence=round(min(1.0, known.confidence * candidate.weight), 3),
                    origin=candidate.origin,
                    guessed=candidate.low is None and candidate.high is None and candidate.domain is None,
                )
            )
        except SpaceError as error:
            findings.note(f"{name} at line {candidate.origin.line} is left out: {error.message}")
    return parameters


def _reserved(candidates: Sequence[Candidate], parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """What defines the evaluation, held: a domain of its own value alone, until a person gives another."""
    unique = [c for c in _once(candidates) if isinstance(c.value, (int, float))]
    taken, found = {p.name for p in parameters}, []
    for candidate, name in zip(unique, _names(unique), strict=True):
        value = candidate.value
        assert isinstance(value, (int, float))
        if abs(value) > _LARGEST or name in taken:
            continue
        domain: Domain = Interval(min(value, 0), max(value, 0) or 1, integer=isinstance(value, int))
        if isinstance(value, bool):
            domain = Choices((False, True))
        origin = candidate.origin
        found.append(Parameter(name, domain, value, EVALUATION_ROLE, active=False, confidence=0.0, origin=origin))
    return tuple(found)


def _known(candidate: Candidate, mentioned: frozenset[str]) -> Guess | None:
    known = guess(candidate.name, candidate.value, candidate.call, mentioned)
    if candidate.choices and not isinstance(candidate.value, bool):
        values = tuple(dict.fromkeys((*candidate.choices, candidate.value)))
        if len(values) < 2:
            return None
        role: Role = known.role if known else _role_of(candidate.name, candidate.call)
        return Guess(role, max(known.confidence if known else 0.0, 0.3 if role == "other" else 0.55), values)
    if known is not None and known.role == "other" and candidate.name.isupper() and not known.choices:
        return Guess("other", 0.3)
    return known


def _role_of(name: str, call: str = "") -> Role:
    """The role that a name alone suggests."""
    known = guess(name, True, call)
    return known.role if known else "other"


def _domain(candidate: Candidate, known: Guess) -> Domain | None:
    if known.choices:
        return Choices(known.choices)
    value = candidate.value
    if isinstance(value, (bool, str)) or value is None or abs(value) > _LARGEST:
        return None
    domain = domain_of(known.role, value, candidate.call, whole=candidate.whole, name=candidate.name)
    if isinstance(domain, Interval) and (candidate.low is not None or candidate.high is not None):
        low = domain.low if candidate.low is None else max(domain.low, candidate.low)
        high = domain.high if candidate.high is None else min(domain.high, candidate.high)
        if not low <= value <= high or low >= high:
            return None
        domain = replace(domain, low=low, high=high)
    return domain


def _names(candidates: Sequence[Candidate]) -> list[str]:
    """A unique, readable name for each: the bare one where nothing else has it, else with its owner."""
    bare = [c.alias or c.name for c in candidates]
    counts = Counter(bare)
    strong = Counter(n for n, c in zip(bare, candidates, strict=True) if not c.owner or c.origin.kind == "flag")
    wanted = []
    for name, candidate in zip(bare, candidates, strict=True):
        alone = counts[name] == 1 or (strong[name] == 1 and (not candidate.owner or candidate.origin.kind == "flag"))
        named = candidate.alias and candidate.origin.kind not in ("config", "override")
        wanted.append(name if alone or named or not candidate.owner else f"{candidate.owner}.{name}")
    totals, seen, names = Counter(wanted), Counter[str](), []
    for name in wanted:
        seen[name] += 1
        names.append(name if totals[name] == 1 else _numbered(name, seen[name]))
    return names if len(set(names)) == len(names) else [f"{n}.{i}" for i, n in enumerate(names, 1)]


def _numbered(name: str, number: int) -> str:
    """``Dropout.p`` as ``Dropout_2.p``, ``dropout`` as ``dropout_2``, ``betas[0]`` as ``betas_2[0]``."""
    head, place = re.fullmatch(r"(.*?)((?:\[\d+\])?)", name).groups()  # type: ignore[union-attr]
    owner, dot, last = head.rpartition(".")
    return f"{owner}_{number}.{last}{place}" if dot else f"{last}_{number}{place}"


def _with_conditions(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters, those that only some kernels or solvers read bound to these."""
    by_name = {parameter.name: parameter for parameter in parameters}
    found = []
    for parameter in parameters:
        head, dot, last = parameter.name.rpartition(".")
        for word, table in _READ_BY.items():
            parent = by_name.get(f"{head}{dot}{word.upper() if last.isupper() else word}")
            readers = table.get(last.lower())
            if parent is None or readers is None or not isinstance(parent.domain, Choices) or parent is parameter:
                continue
            values = tuple(v for v in parent.domain.values if v in readers)
            if values and len(values) < len(parent.domain.values):
                parameter = replace(parameter, condition=Condition(parent.name, values))
        parent = by_name.get(f"{head}{dot}momentum")
        called = parameter.origin.kind in ("inherited", "keyword")
        if last == "nesterov" and called and parent is not None and parent.domain.contains(0.0):
            # torch refuses it without momentum; what a script makes of a constant of that name is its own affair.
            parameter = replace(parameter, condition=Condition(parent.name, (0.0,), unless=True))
        found.append(parameter)
    return found


def _rank(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """By confidence; a role's second parameter counts a little less than its first, so that none crowds out all."""
    seen = Counter[str]()
    worth: dict[str, float] = {}
    for parameter in sorted(parameters, key=lambda p: (-p.confidence, p.origin.start)):
        worth[parameter.name] = parameter.confidence * _REPEATED ** (
            seen[parameter.role] if parameter.role != "other" else 0
        )
        seen[parameter.role] += 1
    ranked = sorted(parameters, key=lambda p: (-worth[p.name], p.origin.start))
    chosen: set[str] = set()
    defaults = {p.name: p.default for p in ranked}
    for p in ranked:
        alive = p.condition is None or p.condition.parent in chosen or p.condition.holds(defaults)
        written = p.origin.kind != "inherited"  # nobody has thought of the others yet
        if p.confidence >= ACTIVE_FROM and len(chosen) < MOST_ACTIVE and alive and written:
            chosen.add(p.name)
    return tuple(replace(p, active=p.name in chosen) for p in ranked)

"""A script as the subject: each trial runs a copy with its own literals, or with options of the command line."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from knowhy.errors import StorageError, SubjectError, can_pass
from knowhy.model.job import Job
from knowhy.model.space import Interval, Origin, Parameter, Point, Scalar, Space
from knowhy.model.trial import Proposal
from knowhy.redaction import redact_arguments, remember
from knowhy.subjects.documents import rewrite, write
from knowhy.subjects.neighbours import lay_out, replace_file
from knowhy.subjects.source import Source, read_literal, same_value, splice, write_literal
from knowhy.subjects.surroundings import LOG, RESULT, environment

_LARGEST_SEED = 2**32


class ScriptSubject:
    """An unmodified Python script and the space of its parameters.

    ``seeds`` are the places where the script sets a seed: a trial's seed goes there. ``arguments``
    come before a trial's own options. ``timeout`` is in seconds, ``memory`` in bytes; None is no limit.
    ``offered`` are all parameters that the script has: those beside the space may join the study while it runs.
    Raises SubjectError where the script is not what ``space`` and ``seeds`` were found in.
    """

    def __init__(
        self,
        path: str,
        space: Space,
        seeds: Sequence[Origin] = (),
        *,
        arguments: Sequence[str] = (),
        timeout: float | None = None,
        memory: int | None = None,
        python: str = sys.executable,
        offered: Sequence[Parameter] = (),
    ) -> None:
        """Read the script once: trials run what stood there now, even if the file is edited later."""
        self.path = os.path.abspath(path)
        self.space = space
        self.seeds = tuple(seeds)
        self.arguments = tuple(arguments)
        remember(self.arguments)
        self.timeout = timeout
        self.memory = memory
        self.python = python
        self._source = Source.read(self.path)
        self._files: dict[str, bytes] = {}
        for parameter in space:
            self._check_parameter(parameter)
        self._every = Space((*space, *(p for p in self._that_work(offered) if p.name not in space)))
        for seed in self.seeds:
            self._check_literal(seed, "the seed")

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """Put the copy and what it needs into ``folder``; raises SubjectError, StorageError."""
        literal, options, variables = self._changes(proposal.point, proposal.seed)
        files = self._rewritten(proposal.point)
        copy = splice(self._source, literal)
        target = Path(folder).absolute()
        home = Path(self.path).parent
        try:
            target.mkdir(parents=True, exist_ok=True)
            lay_out(home, target, Path(self.path).name)
            (target / Path(self.path).name).write_bytes(copy)
            for name, data in files.items():
                replace_file(home, target, name, data)
        except OSError as error:
            what = f"cannot lay out trial {proposal.trial} in {folder}: {error.strerror or error}"
            if can_pass(error):
                raise StorageError(what, "free space or permissions; the same command goes on") from None
            raise SubjectError(what, "see that the files beside the script can be read and copied") from None
        search = (str(home), os.environ.get("PYTHONPATH", ""))
        return Job(
            trial=proposal.trial,
            argv=(self.python, Path(self.path).name, *self.arguments, *options),
            folder=str(target),
            result_path=str(target / RESULT),
            log_path=str(target / LOG),
            required=tuple(required),
            env={**environment(proposal, target, search), **variables},
            timeout=self.timeout,
            memory=self.memory,
        )

    def describe(self) -> Mapping[str, Scalar]:
        """What is experimented on: kind, path, SHA-256 of the source, arguments without secrets."""
        return {
            "kind": "script",
            "path": self.path,
            "sha256": hashlib.sha256(self._source.data).hexdigest(),
            "arguments": " ".join(redact_arguments(self.arguments)),
            **({"files": self._digest()} if self._files else {}),
        }

    def files(self, point: Point) -> Mapping[str, bytes]:
        """The configuration files with ``point`` in them, by their path beside the script; only those that differ."""
        return self._rewritten(point)

    def words(self, point: Point) -> tuple[str, ...]:
        """What ``point`` adds to the command line as overrides, which no file and no literal holds."""
        return tuple(
            override(p.origin, value)
            for p, value in self._values(point)
            if p.origin.kind == "override" and value != p.default
        )

    def _digest(self) -> str:
        """One SHA-256 over the configuration files."""
        whole = hashlib.sha256()
        for name, data in sorted(self._files.items()):
            whole.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        return whole.hexdigest()

    def _rewritten(self, point: Point) -> dict[str, bytes]:
        changes: dict[str, list[tuple[Origin, Scalar]]] = {}
        for parameter, value in self._values(point):
            if parameter.origin.kind == "config" and not same_value(parameter.default, value):
                changes.setdefault(parameter.origin.file, []).append((parameter.origin, value))
        return {name: rewrite(self._files[name], name, made) for name, made in changes.items()}

    def render(self, point: Point, seed: int | None = None) -> str:
        """The script's source with ``point`` (and ``seed``) as its literals and its options' defaults.

        Line ends are those of the script: write it with ``newline=""``, or take ``render_bytes``.
        Raises SubjectError for names that are not in the space.
        """
        return self.render_bytes(point, seed).decode(self._source.encoding)

    def render_bytes(self, point: Point, seed: int | None = None) -> bytes:
        """What ``render`` gives, in the script's own encoding: every byte beside the literals is kept."""
        changes = [
            change
            for parameter, value in self._values(point)
            if self._differs(parameter, value) and (change := self._literal_change(parameter.origin, value)) is not None
        ]
        if seed is not None:
            places = self._places_of_seed(point)
            changes += [c for o in places if (c := literal_change(o, seed % _LARGEST_SEED)) is not None]
        return splice(self._source, changes)

    def _values(self, point: Point) -> list[tuple[Parameter, Scalar]]:
        for name in point:
            if name not in self._every:
                raise SubjectError(f"{name} is no parameter of {self.path}", "take the names from the study's space")
        found = []
        full = {p.name: point.get(p.name, p.default) for p in self._every}
        full.update(self.space.complete({n: v for n, v in full.items() if n in self.space}))
        for parameter in self._every:
            value = full[parameter.name]
            if isinstance(parameter.domain, Interval) and parameter.domain.integer and isinstance(value, float):
                value = round(value)
            found.append((parameter, value))
        return found

    def _differs(self, parameter: Parameter, value: Scalar) -> bool:
        """Whether ``value`` has a place of its own in the script: not in a file, nor where a library's default does."""
        if parameter.origin.kind in ("config", "override"):
            return False
        return parameter.origin.kind != "inherited" or value != parameter.default

    def _changes(self, point: Point, seed: int) -> tuple[list[tuple[Origin, str, Scalar]], list[str], dict[str, str]]:
        """Literals to splice in, words of the command line, and environment variables."""
        literal: list[tuple[Origin, str, Scalar]] = []
        options, variables = list(self.words(point)), {}
        values: list[tuple[Origin, Scalar]] = []
        for parameter, value in self._values(point):
            if parameter.origin.kind == "environment":
                if not same_value(parameter.default, value):
                    variables[parameter.origin.key] = value if isinstance(value, str) else write_literal(value)
            elif self._differs(parameter, value):
                values.append((parameter.origin, value))
        for origin, value in (*values, *((o, seed % _LARGEST_SEED) for o in self._places_of_seed(point))):
            if origin.flag:
                if origin.end <= origin.start or not same_value(written(origin.text), value):
                    options += option(origin, value)
            elif (change := self._literal_change(origin, value)) is not None:
                literal.append(change)
        return literal, options, variables

    def _places_of_seed(self, point: Point) -> list[Origin]:
        """Where the trial's seed goes: not where a person made the seed a parameter."""
        own = {(p.origin.start, p.origin.end, p.origin.flag) for p in self._every if p.name in point}
        return [o for o in self.seeds if (o.start, o.end, o.flag) not in own]

    def _literal_change(self, origin: Origin, value: Scalar) -> tuple[Origin, str, Scalar] | None:
        """The splice that gives ``origin`` its ``value``, or None where it stands there already."""
        if origin.kind == "inherited":
            word = f"{origin.key}={write_literal(value)}"
            return origin, f", {word}" if self._source.call_ends[origin.start] else f"{word}, ", value
        return literal_change(origin, value)

    def _that_work(self, offered: Sequence[Parameter]) -> list[Parameter]:
        """Those of ``offered`` that can be set, without what they depend on: a trial's point says what counts."""
        found = []
        for parameter in offered:
            try:
                self._check_parameter(parameter)
            except SubjectError:
                continue
            found.append(replace(parameter, condition=None))
        return found

    def _check_parameter(self, parameter: Parameter) -> None:
        origin = parameter.origin
        if origin.kind == "inherited":
            self._check_call(origin, parameter.name)
            return
        if origin.kind in ("config", "override"):
            self._check_file(origin, parameter.name)
            return
        if origin.end <= origin.start and not origin.flag:
            raise SubjectError(
                f"nothing says where {parameter.name} stands in {self.path}",
                "leave it out, or name a parameter that was found in the script",
            )
        named = {part.partition("=")[0] for part in self.arguments}
        if origin.flag and named & set(origin.flag.split("/")):
            raise SubjectError(
                f"{origin.flag} is a parameter of the study and is given in the arguments as well",
                "take it out of the arguments, or hold it: leave it out of the space",
            )
        self._check_literal(origin, parameter.name)

    def _check_file(self, origin: Origin, name: str) -> None:
        if origin.file not in self._files:
            try:
                self._files[origin.file] = (Path(self.path).parent / origin.file).read_bytes()
            except OSError as error:
                raise SubjectError(f"{origin.file} cannot be read: {error.strerror}", "restore the file") from None
        if self._files[origin.file][origin.start : origin.end] != origin.text.encode():
            raise SubjectError(
                f"{origin.file} changed since the study began: line {origin.line} no longer gives {name}",
                "restore the file, or begin another study with: knowhy init",
            )

    def _check_call(self, origin: Origin, name: str) -> None:
        if not origin.key.isidentifier() or origin.start not in self._source.call_ends:
            raise SubjectError(
                f"{self.path} changed since the study began: no call that takes {name} ends at line {origin.line}",
                "restore the script, or begin another study with: knowhy init",
            )

    def _check_literal(self, origin: Origin, name: str) -> None:
        if origin.end <= origin.start:
            return
        there = self._source.data[origin.start : origin.end]
        known = (origin.start, origin.end) in self._source.literals
        if not known or there != origin.text.encode(self._source.codec, "replace"):
            raise SubjectError(
                f"{self.path} changed since the study began: "
                f"line {origin.line} no longer gives {name} as {origin.text}",
                "restore the script, or begin another study with: knowhy init",
            )


def _parse(text: str) -> ast.expr:
    return ast.parse(f"({text})", mode="eval").body


def literal_change(origin: Origin, value: Scalar) -> tuple[Origin, str, Scalar] | None:
    """The splice that gives ``origin`` its ``value``, or None where it stands there already."""
    if origin.kind == "environment" and isinstance(read_literal(_parse(origin.text)), str):
        value = value if isinstance(value, str) else write_literal(value)
    if origin.end <= origin.start or same_value(written(origin.text), value):
        return None
    text = write_literal(value, origin.text)
    if _is_switch(origin):
        return origin, f"{origin.text}, default={text}", read_literal(_parse(origin.text))
    return origin, text, value


def _is_switch(origin: Origin) -> bool:
    """Whether the origin's text is where the default of an on-off option can be added, not a default."""
    value = read_literal(_parse(origin.text)) if origin.flag else None
    return isinstance(value, str) and (value in ("store_true", "store_false") or value == origin.flag)


def written(text: str) -> Scalar:
    """The value that a script has where its literal is ``text``."""
    value = read_literal(_parse(text))
    if isinstance(value, str) and value in ("store_true", "store_false"):
        return value == "store_false"
    return False if isinstance(value, str) and value.startswith("-") else value


def option(origin: Origin, value: Scalar) -> list[str]:
    """The command-line words that give the option of ``origin`` its ``value``, which is not its default."""
    if isinstance(value, bool):
        on, _, off = origin.flag.partition("/")
        return [on if value or not off else off]
    word = value if isinstance(value, str) else write_literal(value)
    return [f"{origin.flag}={word}"] if origin.flag.startswith("--") else [origin.flag, word]


def override(origin: Origin, value: Scalar) -> str:
    """The word of the command line that gives ``value``, as Hydra reads it."""
    return f"{origin.key}={write(value, '.yaml', '')}"

"""Reasons to distrust an edited script: what its source does that the original's did not, and no honest change needs.

It reads, and never runs, the source. It is made for authors that cut corners, people or models; one that hides well is
left to the evaluator, the locked files and the sandbox, which do not rest on it.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from knowhy.subjects.exclusions import exclusion
from knowhy.subjects.seeds import DATA_FUNCTION, SEEDING
from knowhy.subjects.source import dotted

_HOOKS = re.compile(
    r"atexit(\..*)?|sys\.(exitfunc|excepthook|settrace|setprofile|addaudithook|meta_path|path_hooks|modules|_getframe"
    r"|_current_frames)|signal\.(signal|setitimer|alarm)|threading\.Timer|weakref\.finalize|gc\.(get_objects"
    r"|get_referrers|callbacks)|inspect\.(stack|currentframe)"
)
_STATE = re.compile(r"(\w+\.)*(bit_generator|set_state|setstate|set_rng_state|jumped|advance|spawn)(\.\w+)?")
_PROCESSES = re.compile(
    r"os\.(fork|forkpty|_exit|system|popen|kill|killpg|setsid|exec\w*|spawn\w*|posix_spawn\w*|utime)|subprocess(\..*)?"
    r"|multiprocessing\.Process|ctypes(\..*)?|pty(\..*)?"
)
_CODE = re.compile(r"eval|exec|compile|__import__|importlib(\..*)?|runpy(\..*)?|types\.FunctionType|builtins(\..*)?")
_NETWORK = re.compile(
    r"(socket|urllib|urllib3|requests|httpx|aiohttp|http\.client|ftplib|paramiko|wget|huggingface_hub|torch\.hub|boto3"
    r"|gdown|smtplib)(\..*)?|(\w+\.)*from_pretrained|(\w+\.)*hf_hub_download"
)
_LOADS = re.compile(
    r"(\w+\.)*(load|loadtxt|genfromtxt|fromfile|memmap|read_\w+|read_text|read_bytes|unpickle|loads|open|load_model)"
)
_STORES = re.compile(r"(\w+\.)*(save\w*|dump|to_\w+|write_\w+|tofile|savetxt)")
_UNPACK = re.compile(
    r"(base64\.\w*decode\w*|zlib\.decompress|lzma\.decompress|bz2\.decompress|bytes\.fromhex|codecs\.decode)"
)
_FITS = re.compile(r"(\w+\.)*(fit|partial_fit|fit_transform|train\w*|update\w*|train_test_split)")
_JOINS = re.compile(r"(\w+\.)*(concatenate|vstack|hstack|concat|cat|stack|append|extend|r_|ConcatDataset|chain)")
_SETTINGS = ("backends", "rcParams", "options", "environ")
_VALIDATION = re.compile(r"(?i)(\w*_)?(val|valid|validation|test|holdout|heldout|dev)(_\w+|\d*)?")
_PARTS = re.compile(r"(?i)(val|valid|validation|test|holdout|dev|all|full|both)")
_TIME = re.compile(r"(?i)(\w+_)?(time_?budget|budget|time_?limit|max_?(time|seconds)|deadline|time_?out)(_\w+)?")
_OFTEN = re.compile(r"(?i)\w*(every|interval|freq|batch|print|log|steps?_per|workers)\w*")
_SCORE = re.compile(
    r"(?i)(loss|acc|accuracy|error|score|bpb|bpc|ppl|perplexity|auc|f1|mse|rmse|mae|nll|reward)\"?'?\s{0,3}[:=]\s{0,3}"
    r"[-+]?\.?\d"
)
_OURS = re.compile(r"KNOWHY_|knowhy-result|knowhy-log|journal\.db|\.knowhy\b")
_OUTSIDE = re.compile(r"(/|~|\.\./|\.\.$)\S*")
_LARGE = 1500  # characters of one literal, or elements of one list of numbers times four


def suspicions(before: str, after: str, *, locked: Sequence[str] = (), metrics: Sequence[str] = ()) -> tuple[str, ...]:
    """Reasons to distrust ``after``, an edit of ``before``; empty where there is none.

    ``locked`` are names of files that must not change. ``metrics`` are objectives that the script prints itself: for
    these, how the printed number comes about must not change. Source that does not parse gives no reason: it fails.
    """
    try:
        old = _Reading(ast.parse(before))
        new = _Reading(ast.parse(after), old.written)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found = [
        *_seeds(old, new),
        *_constants(old, new),
        *_replaced(old, new),
        *_calls(old, new),
        *_data(old, new),
        *_texts(old, new, locked),
        *_printed(old, new, metrics),
    ]
    return tuple(dict.fromkeys(found))


class _Reading:
    """What one version of a script contains."""

    def __init__(self, tree: ast.Module, known: frozenset[str] | None = None) -> None:
        """Read ``tree``; only names in ``known`` are taken for validation data by what they are called."""
        self.nodes = list(ast.walk(tree))
        self.written = frozenset(n.id for n in self.nodes if isinstance(n, ast.Name))
        self._known = self.written if known is None else known
        self.modules: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for a in node.names:
                    self.modules[(a.asname or a.name).split(".")[0]] = a.name if a.asname else a.name.split(".")[0]
            elif isinstance(node, ast.ImportFrom):
                for a in node.names:
                    self.modules[a.asname or a.name] = f"{node.module or ''}.{a.name}"
        self.calls = [(self.full(n.func), n) for n in self.nodes if isinstance(n, ast.Call)]
        self.names = {
            self.full(n) for n in self.nodes if isinstance(n, (ast.Attribute, ast.Name)) and isinstance(n.ctx, ast.Load)
        }
        self.names |= set(self.modules.values())
        self.texts = {n.value for n in self.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        self.validation = self._tainted()

    def full(self, node: ast.expr) -> str:
        """The dotted name of ``node``, its first part as it was imported."""
        name = dotted(node)
        head, dot, rest = name.partition(".")
        return self.modules.get(head, head) + dot + rest

    def constants(self) -> dict[str, str]:
        """Names that are given a literal, and keywords of calls that are, with the text of it."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                pairs = [(dotted(t), node.value) for t in node.targets]
            elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
                pairs = [(dotted(node.target), node.value)]
            elif isinstance(node, ast.Call):
                pairs = [(k.arg, k.value) for k in node.keywords if k.arg]
            else:
                continue
            for name, value in pairs:
                if name and not any(isinstance(n, ast.Call) for n in ast.walk(value)):
                    found[name.rpartition(".")[2]] = ast.unparse(value)
        return found

    def comparisons(self, names: set[str]) -> list[ast.Compare]:
        """Comparisons that mention one of ``names``."""
        found = [n for n in self.nodes if isinstance(n, ast.Compare)]
        return [c for c in found if any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(c))]

    def _tainted(self) -> set[str]:
        """Names that hold validation data, by what they are called or where they come from."""
        tainted: set[str] = set()
        for _ in range(3):
            for node in self.nodes:
                if isinstance(node, ast.Assign) and self.validates(node.value, tainted):
                    tainted |= {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        return tainted

    def validates(self, node: ast.expr, tainted: set[str] | frozenset[str] = frozenset()) -> bool:
        """Whether ``node`` is validation data: a name for it, a load of it, or a part of either."""
        for n in ast.walk(node):
            # A part that the edit itself keeps back from the training data is its own affair.
            if isinstance(n, ast.Name) and (n.id in tainted or (n.id in self._known and _is_validation(n.id))):
                return True
            if isinstance(n, ast.Call) and _loads_validation(n):
                return True
        return False


def _is_validation(name: str) -> bool:
    return bool(_VALIDATION.fullmatch(name)) and not re.search(r"(?i)loss|acc|score|error|size|every|step|metric", name)


def _loads_validation(call: ast.Call) -> bool:
    return any(
        isinstance(a, ast.Constant) and isinstance(a.value, str) and _PARTS.fullmatch(a.value)
        for a in (*call.args, *(k.value for k in call.keywords))
    )


def _seeds(old: _Reading, new: _Reading) -> Iterator[str]:
    def seeding(one: _Reading) -> Counter[str]:
        return Counter(ast.unparse(n) for name, n in one.calls if SEEDING.fullmatch(name) and (n.args or n.keywords))

    extra, gone = seeding(new) - seeding(old), seeding(old) - seeding(new)
    yield from (f"it seeds random numbers in a way of its own: {_short(text)}" for text in extra)
    states = sorted(n for n in new.names - old.names if _STATE.fullmatch(n))
    yield from (f"it sets the state of a generator: {name}" for name in states)
    yield from (f"it no longer seeds random numbers as before: {_short(text)}" for text in gone if not extra)


def _constants(old: _Reading, new: _Reading) -> Iterator[str]:
    before, after = old.constants(), new.constants()
    for name in {**before, **after}:
        reason = exclusion(name)
        judged = reason == "seed" or bool(_TIME.fullmatch(name))
        judged = judged or (reason == "evaluation" and not _OFTEN.fullmatch(name))
        if judged and name in before and before[name] != after.get(name):
            now = f"{_short(after[name])}" if name in after else "nothing"
            yield f"it changes {name}, which defines the evaluation, from {_short(before[name])} to {now}"
        elif judged and name not in before and reason == "seed":
            yield f"it sets a seed of its own: {name} = {_short(after[name])}"
    watched = {n for n in before if _TIME.fullmatch(n)}
    gone = {ast.unparse(c) for c in old.comparisons(watched)} - {ast.unparse(c) for c in new.comparisons(watched)}
    yield from (f"it no longer ends where the original does: {_short(text)}" for text in sorted(gone))


def _replaced(old: _Reading, new: _Reading) -> Iterator[str]:
    """Attributes of imported modules that are given another value, and functions that take a builtin's name."""

    def replaced(one: _Reading) -> set[str]:
        found: set[str] = set()
        for node in one.nodes:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
                targets = [node.target]
            for target in targets:
                if isinstance(target, ast.Subscript):
                    target = target.value
                    if isinstance(target, ast.Call) or re.search(r"__dict__|^sys\.modules|^globals", one.full(target)):
                        found.add(ast.unparse(target))
                    continue
                name = dotted(target)
                head = name.partition(".")[0]
                settings = any(part in _SETTINGS for part in name.split("."))
                if isinstance(target, ast.Attribute) and head in one.modules and not settings:
                    found.add(one.full(target))
                elif isinstance(target, ast.Name) and (head in one.modules or head in _BUILTINS):
                    found.add(head)
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in _BUILTINS:
                found.add(node.name)
        for name, call in one.calls:
            if name in ("setattr", "delattr") and call.args and dotted(call.args[0]).partition(".")[0] in one.modules:
                found.add(ast.unparse(call)[:80])
            if re.fullmatch(r"(unittest\.)?mock\.(patch.*)", name):
                found.add(name)
        return found

    yield from (f"it replaces {name}" for name in sorted(replaced(new) - replaced(old)))


_BUILTINS = frozenset(("print", "open", "min", "max", "sum", "abs", "float", "round", "len", "sorted", "range", "zip"))


def _calls(old: _Reading, new: _Reading) -> Iterator[str]:
    fresh = sorted(new.names - old.names - {""})
    for pattern, what in (
        (_HOOKS, "hooks into how the program runs or ends"),
        (_PROCESSES, "starts or steers processes"),
        (_CODE, "runs text as code"),
        (_NETWORK, "uses the network, or weights from elsewhere"),
        (_UNPACK, "unpacks data that it carries"),
    ):
        named = [name for name in fresh if pattern.fullmatch(name)]
        if named:
            yield f"it {what}: {', '.join(named[:3])}"
    destructors = [n for n in new.nodes if isinstance(n, ast.FunctionDef) and n.name in ("__del__", "__reduce__")]
    if destructors and not any(
        isinstance(n, ast.FunctionDef) and n.name in ("__del__", "__reduce__") for n in old.nodes
    ):
        yield f"it hooks into how the program runs or ends: {destructors[0].name}"


def _data(old: _Reading, new: _Reading) -> Iterator[str]:
    """Validation data that reaches a fit, other data than before, and files of earlier runs."""

    def loading(one: _Reading) -> Counter[str]:
        found = (n for name, n in one.calls if DATA_FUNCTION.fullmatch(name.rpartition(".")[2]))
        return Counter(ast.unparse(n) for n in found if not _STORES.fullmatch(dotted(n.func)))

    stored = {ast.unparse(a) for name, n in new.calls if _STORES.fullmatch(name) for a in (*n.args, n.func)}
    opened = {ast.unparse(n.args[0]) for name, n in new.calls if name == "open" and _writes(n)}
    for text, call in ((ast.unparse(n), n) for name, n in new.calls if _LOADS.fullmatch(name) and not _writes(n)):
        known = {ast.unparse(n) for _, n in old.calls}
        source = ast.unparse(call.args[0]) if call.args else ""
        own = source in stored | opened or (source and any(source in s for s in stored))
        if text not in known and not own and not _loads_validation(call):
            yield f"it reads what the original did not: {_short(text)}"
    changed = loading(new) - loading(old)
    changed = Counter(text for text in changed if not any(source in text for source in stored | opened))
    if changed and (loading(old) - changed or loading(old)):
        yield from (f"it loads other data: {_short(text)}" for text in changed)
    if new.validation and not old.validation:
        yield f"it loads validation data, which the original did not: {', '.join(sorted(new.validation)[:3])}"
    for pattern, what in ((_FITS, "fits"), (_JOINS, "joins to other data")):

        def used(one: _Reading, chosen: re.Pattern[str] = pattern) -> set[str]:
            return {
                ast.unparse(n)
                for name, n in one.calls
                if chosen.fullmatch(name) and any(one.validates(a, one.validation) for a in n.args)
            }

        yield from (f"it {what} validation data: {_short(text)}" for text in sorted(used(new) - used(old)))
    trained = {ast.unparse(n.targets[0]) for n in new.nodes if isinstance(n, ast.Assign) and _trains_on(n, new)}
    before = {ast.unparse(n.targets[0]) for n in old.nodes if isinstance(n, ast.Assign) and _trains_on(n, old)}
    yield from (f"it takes validation data as {name}" for name in sorted(trained - before))


def _trains_on(node: ast.Assign, one: _Reading) -> bool:
    """Whether a name for training data is given validation data."""
    names = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    plain = [n for n in names if re.fullmatch(r"(?i)x|y|x_?tr\w*|y_?tr\w*|train\w*|\w+_train(ing)?", n)]
    tainted = {n for n in one.validation if n not in names}
    return bool(plain) and one.validates(node.value, tainted) and not any(_is_validation(n) for n in names)


def _writes(call: ast.Call) -> bool:
    found = (*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode"))
    mode = [a.value for a in found if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return bool(mode) and any(c in str(mode[0]) for c in "wax+")


def _texts(old: _Reading, new: _Reading, locked: Sequence[str]) -> Iterator[str]:
    docs = {
        ast.get_docstring(n, clean=False)
        for n in new.nodes
        if isinstance(n, (ast.Module, ast.FunctionDef, ast.ClassDef))
    }
    for text in sorted(new.texts - old.texts - {d for d in docs if d}):
        if _OURS.search(text):
            yield f"it names what belongs to knowhy: {_short(text)}"
        elif any(name and name in text for name in locked):
            yield f"it names a locked file: {_short(text)}"
        elif len(text) > 2 and _OUTSIDE.fullmatch(text):
            yield f"it names a path outside of its folder: {_short(text)}"
        if _SCORE.search(text):
            yield f"it prints a score that it did not compute: {_short(text)}"
        if len(text) > _LARGE:
            yield f"it carries {len(text)} characters of data"
    for node in new.nodes:
        if isinstance(node, (ast.List, ast.Tuple, ast.Dict)) and len(ast.unparse(node)) > _LARGE:
            constants = sum(isinstance(n, ast.Constant) for n in ast.walk(node))
            if constants > 200:
                yield f"it carries {constants} values of data"
                break
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and len(node.value) > _LARGE:
            yield f"it carries {len(node.value)} bytes of data"


def _printed(old: _Reading, new: _Reading, metrics: Sequence[str]) -> Iterator[str]:
    def shown(one: _Reading, metric: str) -> set[str]:
        return {
            ast.unparse(n)
            for name, n in one.calls
            if name in ("print", "log", "logging.info", "report", "knowhy.report") and metric in ast.unparse(n)
        }

    for metric in metrics:
        before, after = shown(old, metric), shown(new, metric)
        if before and after - before:
            yield f"it computes {metric} in another way: {_short(sorted(after - before)[0])}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 90 else flat[:87] + "..."

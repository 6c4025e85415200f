"""What is found in scripts as people write them, and in scripts that set traps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sample_scripts
from knowhy.errors import SubjectError
from knowhy.model.space import Choices, Condition, Interval, Parameter, Space
from knowhy.subjects.discovery import ACTIVE_FROM, MOST_ACTIVE, Discovery, discover
from knowhy.subjects.exclusions import exclusion
from knowhy.subjects.ranges import default_in, domain_of
from knowhy.subjects.roles import ROLES, guess, snake


def found(folder: Path, text: str, arguments: tuple[str, ...] = ()) -> tuple[Discovery, dict[str, Parameter]]:
    path = folder / "train.py"
    path.write_bytes(text.encode())
    discovery = discover(str(path), arguments)
    return discovery, {p.name: p for p in discovery.parameters}


def test_autoresearch_constants(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, sample_scripts.AUTORESEARCH)
    assert set(by_name) == {
        *("ASPECT_RATIO", "HEAD_DIM", "TOTAL_BATCH_SIZE", "EMBEDDING_LR", "MATRIX_LR", "WEIGHT_DECAY", "DEPTH"),
        *("ADAM_BETAS[0]", "ADAM_BETAS[1]", "WARMUP_RATIO", "WARMDOWN_RATIO", "DEVICE_BATCH_SIZE"),
    }
    assert {p.name: p.role for p in discovery.parameters if p.active} == {
        "EMBEDDING_LR": "learning_rate",
        "MATRIX_LR": "learning_rate",
        "WEIGHT_DECAY": "weight_decay",
        "TOTAL_BATCH_SIZE": "batch_size",
        "DEVICE_BATCH_SIZE": "batch_size",
        "ASPECT_RATIO": "width",
        "DEPTH": "depth",
        "WARMUP_RATIO": "warmup",
    }
    assert by_name["ADAM_BETAS[0]"].role == "beta1"
    assert by_name["ADAM_BETAS[1]"].role == "beta2"
    assert by_name["TOTAL_BATCH_SIZE"].default == 2**19
    assert by_name["TOTAL_BATCH_SIZE"].domain == Interval(2**16, 2**22, "log", integer=True, power_of_two=True)
    assert by_name["MATRIX_LR"].domain == Interval(0.0004, 4.0, "log")
    assert [seed.text for seed in discovery.seeds] == ["42", "42"]
    assert any("WINDOW_PATTERN" in note for note in discovery.notes)


def test_argparse_options(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, sample_scripts.ARGPARSE)
    flags = {p.name: p.origin.flag for p in discovery.parameters if p.origin.kind == "flag"}
    assert flags == {
        "lr": "--lr",
        "batch_size": "--batch-size",
        "weight_decay": "--weight-decay",
        "optimizer": "--optimizer",
        "dropout": "--dropout",
        "augment": "--augment",
        "nesterov": "--nesterov/--no-nesterov",
        "shift": "--shift",
    }
    assert {name for name in by_name if name not in flags} == {"hidden[0]", "hidden[1]", "EPOCHS"}
    assert by_name["weight_decay"].origin.text == "0.01"
    assert by_name["optimizer"].domain == Choices(("adam", "sgd"))
    assert by_name["dropout"].default == 0.0
    assert by_name["dropout"].domain == Interval(0.0, 0.8)
    assert isinstance(by_name["dropout"].default, float)
    assert [seed.flag for seed in discovery.seeds] == ["--seed"]
    assert any("--momentum" in note and "after parsing" in note for note in discovery.notes)


def test_options_given_on_the_command_line_are_held(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, sample_scripts.ARGPARSE, ("--lr=0.1", "-b", "8"))
    assert "lr" not in by_name
    assert "batch_size" not in by_name
    assert any("--lr is held" in note for note in discovery.notes)


def test_options_that_are_never_parsed_from_the_command_line_are_spliced(tmp_path: Path) -> None:
    text = sample_scripts.ARGPARSE.replace("parse_args()", "parse_args([])")
    discovery, by_name = found(tmp_path, text)
    assert by_name["lr"].origin.flag == ""
    assert by_name["lr"].origin.text == "3e-4"
    assert "augment" not in by_name
    assert [(seed.flag, seed.text) for seed in discovery.seeds] == [("", "1")]


def test_click_options(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, sample_scripts.CLICK)
    assert {p.name: p.origin.flag for p in discovery.parameters} == {
        "learning_rate": "--learning-rate",
        "n_layers": "--n-layers",
        "activation": "--activation",
        "amsgrad": "--amsgrad/--no-amsgrad",
        "augment": "--augment",
    }
    assert by_name["n_layers"].domain == Interval(1, 5, integer=True)
    assert by_name["activation"].domain == Choices(("relu", "gelu", "tanh"))
    assert [seed.flag for seed in discovery.seeds] == ["--seed"]


def test_dataclass_fields(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, sample_scripts.DATACLASS)
    assert {p.name: p.role for p in discovery.parameters} == {
        "lr": "learning_rate",
        "batch_size": "batch_size",
        "hidden_dim": "width",
        "label_smoothing": "label_smoothing",
        "betas[0]": "beta1",
        "betas[1]": "beta2",
        "grad_clip": "gradient_clip",
        "use_ema": "other",
        "scheduler": "schedule",
        "n_layers": "depth",
    }
    assert by_name["hidden_dim"].default == 256
    assert by_name["n_layers"].default == 6, "the call decides, not the field"
    assert by_name["n_layers"].origin.kind == "keyword"
    assert set(by_name["scheduler"].domain.values) == {"cosine", "linear", "constant"}  # type: ignore[union-attr]
    assert [(seed.kind, seed.text) for seed in discovery.seeds] == [("field", "1337")]


def test_keywords_of_estimators(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, sample_scripts.SKLEARN)
    written = [p for p in discovery.parameters if p.origin.kind != "inherited"]
    assert {p.name: p.role for p in written} == {
        "hidden_layer_sizes[0]": "width",
        "hidden_layer_sizes[1]": "width",
        "alpha": "regularization",
        "learning_rate_init": "learning_rate",
        "activation": "activation",
        "solver": "optimizer",
        "max_iter": "epochs",
        "C": "regularization",
        "gamma": "gamma",
        "kernel": "kernel",
        "probability": "other",
    }
    assert set(by_name["activation"].domain.values) == {"identity", "logistic", "tanh", "relu"}  # type: ignore[union-attr]
    assert by_name["C"].default == 1.0
    assert [seed.line for seed in discovery.seeds] == [10], "the seed of the split stays"
    assert any("train_test_split" in note and "kept" in note for note in discovery.notes)


def test_same_keyword_in_two_calls_is_named_by_its_call(tmp_path: Path) -> None:
    text = (
        "a = MLPClassifier(alpha=1e-4)\nb = Ridge(alpha=1.0)\nc = nn.Sequential(nn.Dropout(0.1), nn.Dropout(p=0.2))\n"
    )
    _, by_name = found(tmp_path, text)
    assert set(by_name) == {"MLPClassifier.alpha", "Ridge.alpha", "dropout_1", "dropout_2"}


def test_names_that_a_new_literal_would_not_change(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, sample_scripts.REASSIGNED)
    assert set(by_name) == {"LR", "lr", "max_depth", "batch_size", "dropout", "WEIGHT_DECAY"}
    for name in ("EPOCHS", "UNUSED_LR", "DROPOUT", "MOMENTUM", "SIZES", "STRIDES", "params['eta']", "n_layers"):
        assert any(name in note for note in discovery.notes), name
    assert [seed.text for seed in discovery.seeds] == ["7", "1337"]


def test_constant_takes_its_role_from_where_it_is_passed(tmp_path: Path) -> None:
    _, by_name = found(tmp_path, "P = 0.3\nREG = 1e-4\nm = nn.Dropout(P)\nc = MLPClassifier(alpha=REG)\n")
    assert {name: p.role for name, p in by_name.items()} == {"P": "dropout", "REG": "regularization"}
    assert by_name["P"].domain == Interval(0.0, 0.8)


def test_strings_are_offered_what_the_script_understands(tmp_path: Path) -> None:
    text = (
        'ACT = "relu"\nif ACT == "relu": f = 1\nelif ACT == "tanh": f = 2\n'
        'NAME = "run-1"\nMODE = "fast"\nprint(NAME, MODE)\n'
    )
    _, by_name = found(tmp_path, text)
    assert set(by_name) == {"ACT"}
    assert set(by_name["ACT"].domain.values) == {"relu", "tanh"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name",
    [
        *("SEED", "random_state", "DATA_DIR", "checkpoint_path", "run_name", "__version__", "VERSION", "DEVICE"),
        *("use_cuda", "dtype", "verbose", "LOG_INTERVAL", "eval_interval", "print_every", "test_size", "VAL_FRACTION"),
        *("cv", "n_splits", "num_workers", "n_jobs", "TIME_BUDGET", "max_seconds", "vocab_size", "n_classes"),
        *("input_dim", "in_channels", "MAGIC", "FORMAT_VERSION", "best_loss", "step", "eval_batch_size", "figsize"),
    ],
)
def test_what_is_no_hyperparameter(name: str) -> None:
    assert exclusion(name)


@pytest.mark.parametrize(
    ("name", "value", "call", "role"),
    [
        ("lr", 0.1, "", "learning_rate"),
        ("learningRate", 0.1, "", "learning_rate"),
        ("BASE_LR", 0.1, "", "learning_rate"),
        ("eta0", 0.1, "SGDClassifier", "learning_rate"),
        ("min_lr", 1e-5, "", "schedule"),
        ("batchSize", 32, "", "batch_size"),
        ("attn_pdrop", 0.1, "", "dropout"),
        ("wd", 0.1, "", "weight_decay"),
        ("beta2", 0.99, "", "beta2"),
        ("adam_eps", 1e-8, "", "epsilon"),
        ("warmup_steps", 100, "", "warmup"),
        ("max_iter", 100, "LogisticRegression", "epochs"),
        ("max_iter", 100, "HistGradientBoostingClassifier", "trees"),
        ("num_epochs", 3, "", "epochs"),
        ("n_embd", 384, "", "width"),
        ("d_model", 512, "", "width"),
        ("hidden_layer_sizes[0]", 64, "MLPClassifier", "width"),
        ("num_hidden_layers", 6, "", "depth"),
        ("n_head", 6, "", "heads"),
        ("label_smoothing", 0.1, "CrossEntropyLoss", "label_smoothing"),
        ("mixup_alpha", 0.2, "", "augmentation"),
        ("max_grad_norm", 1.0, "", "gradient_clip"),
        ("max_norm", 1.0, "clip_grad_norm_", "gradient_clip"),
        ("n_estimators", 100, "RandomForestClassifier", "trees"),
        ("max_depth", 3, "", "tree_depth"),
        ("max_leaf_nodes", 31, "", "leaf"),
        ("min_samples_leaf", 1, "", "leaf"),
        ("min_samples_split", 2, "", "min_samples"),
        ("colsample_bytree", 0.8, "", "subsample"),
        ("C", 1.0, "SVC", "regularization"),
        ("reg_lambda", 1.0, "", "regularization"),
        ("gamma", 0.1, "SVC", "gamma"),
        ("gamma", 0.1, "StepLR", "schedule"),
        ("p", 0.5, "Dropout", "dropout"),
        ("init_std", 0.02, "", "init_scale"),
        ("block_size", 128, "", "context"),
        ("temperature", 1.0, "", "temperature"),
        ("frobnication", 3, "", "other"),
    ],
)
def test_roles(name: str, value: float, call: str, role: str) -> None:
    known = guess(name, value, call)
    assert known is not None
    assert known.role == role
    assert role in ROLES
    assert not exclusion(name, value)


@given(
    role=st.sampled_from(sorted(ROLES)),
    value=st.one_of(
        st.integers(-(10**6), 10**9),
        st.floats(-1e15, 1e15),
    ),
    whole=st.sampled_from([None, None, True]),
    name=st.sampled_from(["x", "warmup_steps", "ratio", "min_samples_split", "max_leaf_nodes"]),
)
def test_every_range_holds_its_default(role: str, value: float, whole: bool | None, name: str) -> None:
    domain = domain_of(role, value, whole=whole and isinstance(value, int), name=name)  # type: ignore[arg-type]
    default = default_in(domain, value)
    assert domain.contains(default)
    Parameter("x", domain, default, role)
    if isinstance(domain, Interval):
        assert math.isclose(domain.from_unit(domain.to_unit(value)), value, rel_tol=1e-4, abs_tol=1e-9)
        if isinstance(value, int) and domain.integer:
            assert isinstance(default, int)


@pytest.mark.parametrize(
    ("role", "value", "domain"),
    [
        ("learning_rate", 3e-4, Interval(3e-6, 0.03, "log")),
        ("dropout", 0.9, Interval(0.0, 0.9)),
        ("batch_size", 64, Interval(8, 512, "log", integer=True, power_of_two=True)),
        ("batch_size", 100, Interval(12, 800, "log", integer=True)),
        ("weight_decay", 0.01, Interval(1e-5, 1.0, "log")),
        ("weight_decay", 0, Interval(0.0, 0.1)),
        ("momentum", 0, Interval(0.0, 0.99)),
        ("epochs", 10, Interval(2, 40, "log", integer=True)),
        ("width", 256, Interval(64, 1024, "log", integer=True, power_of_two=True)),
        ("width", 300, Interval(75, 1200, "log", integer=True)),
        ("trees", 100, Interval(25, 400, "log", integer=True)),
        ("regularization", 1, Interval(1e-3, 1e3, "log")),
    ],
)
def test_ranges(role: str, value: float, domain: Interval) -> None:
    assert domain_of(role, value) == domain  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(sample_scripts.ALL))
def test_every_discovery_is_a_space_with_few_active_parameters(tmp_path: Path, name: str) -> None:
    discovery, _ = found(tmp_path, sample_scripts.ALL[name])
    space = Space(discovery.parameters)
    assert 0 < len(space.active) <= MOST_ACTIVE
    assert all(p.confidence >= ACTIVE_FROM for p in space.active)
    data = (tmp_path / "train.py").read_bytes()
    for origin in (*(p.origin for p in space), *discovery.seeds):
        assert data[origin.start : origin.end].decode() == origin.text
        assert origin.file == "train.py"
        assert data[: origin.start].count(b"\n") + 1 == origin.line


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings_and_byte_order_mark(tmp_path: Path, ending: str) -> None:
    plain, _ = found(tmp_path, sample_scripts.AWKWARD)
    text = sample_scripts.AWKWARD.replace("\n", ending)
    path = tmp_path / "other.py"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    marked = discover(str(path))
    assert [(p.name, p.default, p.domain) for p in marked.parameters] == [
        (p.name, p.default, p.domain) for p in plain.parameters
    ]
    for parameter in marked.parameters:
        there = path.read_bytes()[parameter.origin.start : parameter.origin.end].decode()
        assert there == parameter.origin.text


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes('# -*- coding: latin-1 -*-\ns = "äöü"; LR = 0.25; print(s, LR)\n'.encode("latin-1"))
    (parameter,) = discover(str(path)).parameters
    assert path.read_bytes()[parameter.origin.start : parameter.origin.end] == b"0.25"


@pytest.mark.parametrize("data", [b"def f(:\n", b"x = '\x00'", b"\xff\xfe", b"x = " + b"(" * 300 + b"1" + b")" * 300])
def test_what_is_no_python_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(data)
    with pytest.raises(SubjectError) as caught:
        discover(str(path))
    assert caught.value.hint


def test_missing_script(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no script"):
        discover(str(tmp_path / "nowhere.py"))
    with pytest.raises(SubjectError):
        discover(str(tmp_path))


def test_nothing_is_run(tmp_path: Path) -> None:
    _, by_name = found(tmp_path, f"LR = 0.1\nopen({str(tmp_path / 'ran')!r}, 'w').write(str(LR))\n")
    assert set(by_name) == {"LR"}
    assert not (tmp_path / "ran").exists()


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_snake_case_is_stable(name: str) -> None:
    assert snake(snake(name)) == snake(name)


LIBRARIES = """
args = TrainingArguments(
    output_dir="out", learning_rate=2e-5, per_device_train_batch_size=16, per_device_eval_batch_size=64,
    num_train_epochs=3, lr_scheduler_type="cosine", logging_steps=10, fp16=True, seed=42,
)
trainer = pl.Trainer(gradient_clip_val=0.5, accelerator="gpu", log_every_n_steps=50)
params = {"objective": "binary", "metric": "auc", "num_leaves": 31, "learning_rate": 0.05, "verbose": -1}
model = lgb.train(params, data, num_boost_round=100)
plt.plot(x, y, alpha=0.5, linewidth=2)
sns.heatmap(table, alpha=0.7)
small = df.sample(frac=0.5, random_state=1).rolling(window=5)
layer = nn.TransformerEncoderLayer(d_model=128, nhead=8, dim_feedforward=256)
x = F.dropout(x, p=0.3)
"""


def test_well_known_libraries(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, LIBRARIES)
    assert {p.name: p.role for p in discovery.parameters} == {
        "TrainingArguments.learning_rate": "learning_rate",
        "params.learning_rate": "learning_rate",
        "per_device_train_batch_size": "batch_size",
        "num_train_epochs": "epochs",
        "lr_scheduler_type": "schedule",
        "gradient_clip_val": "gradient_clip",
        "num_leaves": "leaf",
        "num_boost_round": "trees",
        "d_model": "width",
        "dim_feedforward": "width",
        "nhead": "heads",
        "dropout": "dropout",
    }
    assert by_name["params.learning_rate"].domain == Interval(0.0005, 1.0, "log")
    assert [seed.text for seed in discovery.seeds] == ["42"]


DEFAULTS = """
import torch


class Net(torch.nn.Module):
    def __init__(self, hidden=128, dropout=0.5, n_layers=2, n_classes=10):
        self.lin = torch.nn.Linear(hidden, n_classes)


def train(lr=1e-3, epochs=5, *, weight_decay=1e-4, momentum=0.9, device="cpu"):
    momentum = 0.5
    net = Net(n_layers=3)
    loader = DataLoader(data, batch_size=64, shuffle=True, num_workers=2)
    test_loader = DataLoader(data, batch_size=1000)
    print(net, lr, weight_decay, momentum, loader, test_loader)


def unused(smoothing=0.1):
    pass


train(epochs=3)
"""


def test_default_arguments_that_a_call_leaves_alone(tmp_path: Path) -> None:
    discovery, by_name = found(tmp_path, DEFAULTS)
    assert {p.name: p.default for p in discovery.parameters} == {
        "hidden": 128,
        "dropout": 0.5,
        "n_layers": 3,
        "lr": 1e-3,
        "weight_decay": 1e-4,
        "epochs": 3,
        "batch_size": 64,
    }
    assert by_name["n_layers"].origin.text == "3"
    assert any("DataLoader(batch_size=...)" in note and "evaluation" in note for note in discovery.notes)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("SEED = 3\nrng = np.random.default_rng(1797)\ntorch.manual_seed(SEED)\n", ["3"]),
        ("rng = np.random.default_rng(1797)\n", ["1797"]),
        ("def load_data():\n    return np.random.default_rng(1797)\n", []),
        ("val_rng = np.random.default_rng(1)\n", []),
        ("random.seed(1337 + rank)\nnp.random.seed(1337 + 2)\n", ["1337", "1337 + 2"]),
        ("jax.random.PRNGKey(0)\nkeras.utils.set_random_seed(812)\n", ["0", "812"]),
        ("a = RandomForestClassifier(random_state=0)\nb = KFold(5, random_state=1)\n", ["0"]),
        ("config = {'seed': 5, 'lr': 0.1}\nprint(config)\n", ["5"]),
        ("seed = True\nrandom.seed('text')\nrandom.seed()\n", []),
        ("DATA_SEED = 1\nsplit_seed = 2\nrandom_seed: int = 3\n", ["3"]),
    ],
)
def test_seeds(tmp_path: Path, text: str, seeds: list[str]) -> None:
    discovery, _ = found(tmp_path, text)
    assert [seed.text for seed in discovery.seeds] == seeds


def test_parameters_of_a_kernel_depend_on_it(tmp_path: Path) -> None:
    _, by_name = found(tmp_path, 'm = SVC(kernel="rbf", C=1.0, gamma=0.1, degree=3, coef0=0.0)\n')
    assert by_name["degree"].condition == Condition("kernel", ("poly",))
    assert by_name["gamma"].condition == Condition("kernel", ("poly", "rbf", "sigmoid"))
    assert by_name["C"].condition is None
    assert by_name["degree"].active
    _, alone = found(tmp_path, 'm = SVC(kernel="precomputed", C=1.0, degree=3)\n')
    assert alone["degree"].condition is None


@pytest.mark.parametrize(
    ("calls", "there"),
    [
        ("c = Config()", True),
        ("c = Config(lr=0.5)", False),
        ("c = Config(0.5)", False),
        ("c = Config(**given)", False),
        ("c = Config(); d = Config(**given)", True),
        ("c = Config(); c.lr = 0.5", False),
        ("c = replace(Config(), lr=0.5)", False),
        ("c = 1", False),
    ],
)
def test_fields_that_calls_override(tmp_path: Path, calls: str, there: bool) -> None:
    text = f"@dataclass\nclass Config:\n    lr: float = 0.25\n    wd: float = 0.125\n\n{calls}\n"
    discovery, _ = found(tmp_path, text)
    assert ("0.25" in {p.origin.text for p in discovery.parameters}) is there


def test_numbers_without_a_sensible_range_are_no_parameters(tmp_path: Path) -> None:
    text = "TINY = 5e-324\nHUGE = 1e308\nMANY = 10**40\nBIG = -1e300\nprint(TINY, HUGE, MANY, BIG)\n"
    _, by_name = found(tmp_path, text)
    assert set(by_name) == {"TINY"}

"""Scripts as people write them, for the tests of subjects. None imports knowhy; some import what is not installed."""

AUTORESEARCH = '''\
"""
Autoresearch pretraining script. Single-GPU, single-file.
"""
import time
import torch
from dataclasses import dataclass
from prepare import MAX_SEQ_LEN, TIME_BUDGET, Tokenizer

@dataclass
class GPTConfig:
    sequence_len: int = 2048
    vocab_size: int = 32768
    n_layer: int = 12
    n_embd: int = 768

# Model architecture
ASPECT_RATIO = 64       # model_dim = depth * ASPECT_RATIO
HEAD_DIM = 128          # target head dimension for attention
WINDOW_PATTERN = "SSSL" # sliding window pattern: L=full, S=half context

# Optimization
TOTAL_BATCH_SIZE = 2**19 # ~524K tokens per optimizer step
EMBEDDING_LR = 0.6      # learning rate for token embeddings (Adam)
MATRIX_LR = 0.04        # learning rate for matrix parameters (Muon)
WEIGHT_DECAY = 0.2      # cautious weight decay for Muon
ADAM_BETAS = (0.8, 0.95) # Adam beta1, beta2
WARMUP_RATIO = 0.0      # fraction of time budget for LR warmup
WARMDOWN_RATIO = 0.5    # fraction of time budget for LR warmdown

DEPTH = 8               # number of transformer layers
DEVICE_BATCH_SIZE = 128  # per-device batch size (reduce if OOM)
EVAL_TOKENS = 4 * 65536

t_start = time.time()
torch.manual_seed(42)
torch.cuda.manual_seed(42)
device = torch.device("cuda")

def build_model_config(depth):
    model_dim = ((depth * ASPECT_RATIO + HEAD_DIM - 1) // HEAD_DIM) * HEAD_DIM
    return GPTConfig(sequence_len=MAX_SEQ_LEN, vocab_size=1, n_layer=depth, n_embd=model_dim)

config = build_model_config(DEPTH)
grad_accum_steps = TOTAL_BATCH_SIZE // (DEVICE_BATCH_SIZE * MAX_SEQ_LEN)
optimizer = model.setup_optimizer(
    embedding_lr=EMBEDDING_LR, adam_betas=ADAM_BETAS, matrix_lr=MATRIX_LR, weight_decay=WEIGHT_DECAY,
)
def schedule(progress):
    if progress < WARMUP_RATIO:
        return progress / WARMUP_RATIO
    return 1.0 if progress < 1.0 - WARMDOWN_RATIO else 0.1
smooth_train_loss = 0
step = 0
while True:
    step += 1
    smooth_train_loss += step * len(WINDOW_PATTERN)
print(f"val_bpb: {smooth_train_loss}", EVAL_TOKENS)
'''

ARGPARSE = """\
import argparse
import random

DEFAULT_WD = 0.01
EPOCHS = 10


def main():
    p = argparse.ArgumentParser(description="a small trainer")
    p.add_argument("--lr", "-l", type=float, default=3e-4, help="learning rate")
    p.add_argument("-b", "--batch-size", type=int, default=64)
    p.add_argument("--weight-decay", type=float, default=DEFAULT_WD)
    p.add_argument("--epochs", type=int, default=EPOCHS)
    p.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
    p.add_argument("--hidden", type=int, nargs="+", default=[64, 32])
    p.add_argument("--dropout", type=float, default=0)
    p.add_argument("--augment", action="store_true")
    p.add_argument("--nesterov", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--shift", type=float, default=-0.5)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--data-dir", default="data")
    p.add_argument("--log-interval", type=int, default=100)
    p.add_argument("--no-cuda", action="store_true")
    args = p.parse_args()
    random.seed(args.seed)
    args.momentum = 0.5
    warm = EPOCHS // 10
    for name, value in sorted(vars(args).items()):
        print(f"{name}={value!r}", warm)


if __name__ == "__main__":
    main()
"""

CLICK = """\
import click

@click.command()
@click.option("--learning-rate", "-l", default=1e-3, type=float, show_default=True)
@click.option("--n-layers", default=2, type=click.IntRange(1, 6))
@click.option("--activation", type=click.Choice(["relu", "gelu", "tanh"]), default="relu")
@click.option("--amsgrad/--no-amsgrad", default=False)
@click.option("--augment", is_flag=True)
@click.option("--seed", default=0)
@click.option("--output", default="model.bin")
def main(learning_rate, n_layers, activation, amsgrad, augment, seed, output):
    for name, value in sorted(locals().items()):
        print(f"{name}={value!r}")

if __name__ == "__main__":
    main()
"""

DATACLASS = """\
from dataclasses import dataclass, field
from typing import ClassVar
import random


@dataclass
class TrainConfig:
    lr: float = 3e-4
    batch_size: int = 32
    hidden_dim: int = 4 * 64
    label_smoothing: float = field(default=0.1)
    betas: tuple[float, float] = (0.9, 0.95)
    grad_clip: float = 1.0
    use_ema: bool = False
    scheduler: str = "cosine"
    seed: int = 1337
    out_dir: str = "out/run"
    num_workers: int = 4
    n_layers: int = 3
    kind: ClassVar[int] = 3


def train(cfg):
    random.seed(cfg.seed)
    if cfg.scheduler == "linear":
        pass
    elif cfg.scheduler in ("cosine", "constant"):
        pass
    print("loss:", cfg.lr * cfg.batch_size, cfg.betas, cfg.hidden_dim, cfg.use_ema)


if __name__ == "__main__":
    train(TrainConfig(n_layers=6))
"""

SKLEARN = """\
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
mlp = MLPClassifier(
    hidden_layer_sizes=(64, 32), alpha=1e-4, learning_rate_init=0.001, activation="relu", solver='adam',
    max_iter=30, random_state=1, verbose=False,
)
svm = SVC(C=1, gamma="scale", kernel="rbf", probability=False)
for model in (mlp, svm):
    model.fit(X_train, y_train)
    print("accuracy:", model.score(X_test, y_test), end="\\n")
"""

# What is hard to splice: Unicode before a literal, tabs, a literal of several lines, several on one line.
AWKWARD = '''\
"""Ünïcödé — ein Skript."""
naïve = "é"; LR = 1e-3; DROPOUT = 0.1  # größe → 0.1 0.1 0.1
if __name__ == "__main__":
	HIDDEN_SIZE = 64	# tab: 64
	BATCH_SIZE = 2 ** 5	# 2 ** 5
BETAS = (0.9,  # first
         0.999,)
WEIGHT_DECAY = (
    0.01 *
    2
)
SHIFT = -0.5
A_LR, B_LR = 1e-4, 2e-4
SEED = 0
print(naïve, LR, DROPOUT, HIDDEN_SIZE, BATCH_SIZE, BETAS, WEIGHT_DECAY, SHIFT, A_LR, B_LR, SEED, sep="|")
'''

REASSIGNED = """\
import random

LR = 0.1
EPOCHS = 10
EPOCHS = 20
UNUSED_LR = 0.2
DROPOUT = 0.1
MOMENTUM = 0.9
SIZES = [64, 64]
SIZES.append(32)
params = {"lr": 0.1, "max_depth": 6, "eta": 0.3, "seed": 7}
params["eta"] = 0.2
WIDTH: int
WEIGHT_DECAY = 0.1
STRIDES = 7
STRIDES += 1


def change():
    global MOMENTUM
    MOMENTUM = 0.5


class Config:
    batch_size = 16
    n_layers = 3
    dropout: float = 0.2


config = Config()
config.n_layers = 5
for DROPOUT in (0.1, 0.2):
    print(DROPOUT)
WEIGHT_DECAY *= 2
print(LR, EPOCHS, DROPOUT, MOMENTUM, SIZES, params, config.batch_size, WEIGHT_DECAY, STRIDES)
random.seed(1337 + len(params))
"""

ALL = {
    "autoresearch": AUTORESEARCH,
    "argparse": ARGPARSE,
    "click": CLICK,
    "dataclass": DATACLASS,
    "sklearn": SKLEARN,
    "awkward": AWKWARD,
    "reassigned": REASSIGNED,
}

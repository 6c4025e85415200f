"""Pretrain a small byte-level GPT on the source code of Python's own standard library.

Every run may spend the same number of floating-point operations, so a larger model sees less text, and
the result for one seed is the same on every run on one machine. Lower val_bpb (bits per byte of
modules that were held out) is better. About ten seconds on one CPU core; needs PyTorch.
"""

import math
import sysconfig
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

# Architecture
DEPTH = 2
N_EMBD = 64
HEAD_DIM = 16
MLP_RATIO = 4
SEQ_LEN = 64
ACTIVATION = "gelu"  # or "relu", "relu2"
DROPOUT = 0.1
TIED_EMBEDDING = True

# Optimisation
TOTAL_BATCH = 2**12  # bytes in a step
LR = 3e-3
WEIGHT_DECAY = 0.1
ADAM_BETAS = (0.9, 0.95)
WARMUP_RATIO = 0.1
WARMDOWN_RATIO = 0.2
FINAL_LR_FRAC = 0.0
GRAD_CLIP = 1.0
INIT_SCALE = 1.0

SEED = 1337

# The data: not to be tuned.
modules_to_train_on = (
    "argparse ast bdb calendar cgitb cmd codecs configparser contextlib copy csv dataclasses datetime decimal "
    "dis doctest enum fileinput fractions ftplib functools gettext glob gzip hashlib heapq imaplib inspect "
    "ipaddress locale mailbox mimetypes numbers optparse os pathlib pdb pickle pickletools platform plistlib "
    "poplib posixpath pprint profile pstats pydoc queue random reprlib sched selectors shelve shlex shutil "
    "smtplib socket socketserver statistics string subprocess symtable tarfile tempfile textwrap threading "
    "timeit tokenize trace traceback types typing uuid warnings wave weakref zipapp"
)
modules_to_judge_by = (
    "base64 bisect cProfile compileall difflib fnmatch getopt graphlib linecache netrc secrets tabnanny"
)


def load_bytes(modules: str) -> Tensor:
    """The source of those ``modules`` that this Python has, joined."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = [folder / f"{name}.py" for name in modules.split()]
    return torch.frombuffer(bytearray(b"\n".join(f.read_bytes() for f in files if f.exists())), dtype=torch.uint8)


def windows(text: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and targets (the byte after each) of the windows that begin at ``starts``."""
    rows = text[starts[:, None] + torch.arange(SEQ_LEN + 1)].long()
    return rows[:, :-1], rows[:, 1:]


def norm(x: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],))


class Block(nn.Module):
    """Causal self-attention and a feed-forward network, each on a normalised residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = max(1, N_EMBD // HEAD_DIM)
        self.qkv = nn.Linear(N_EMBD, 3 * N_EMBD, bias=False)
        self.out = nn.Linear(N_EMBD, N_EMBD, bias=False)
        self.up = nn.Linear(N_EMBD, int(MLP_RATIO * N_EMBD), bias=False)
        self.down = nn.Linear(int(MLP_RATIO * N_EMBD), N_EMBD, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = (
            functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            .transpose(1, 2)
            .reshape(batch, length, width)
        )
        x = x + functional.dropout(self.out(mixed), DROPOUT, self.training)
        hidden = self.up(norm(x))
        if ACTIVATION == "gelu":
            hidden = functional.gelu(hidden, approximate="tanh")
        elif ACTIVATION == "relu2":
            hidden = functional.relu(hidden).square()
        else:
            hidden = functional.relu(hidden)
        return x + functional.dropout(self.down(hidden), DROPOUT, self.training)


class GPT(nn.Module):
    """Bytes in, logits of the next byte out."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(256, N_EMBD)
        self.position = nn.Embedding(SEQ_LEN, N_EMBD)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.head = nn.Linear(N_EMBD, 256, bias=False)
        for name, parameter in self.named_parameters():
            fan_in = parameter.shape[1]
            scale = INIT_SCALE / math.sqrt(fan_in)
            if name.endswith(("out.weight", "down.weight")):
                scale /= math.sqrt(2 * DEPTH)
            nn.init.normal_(parameter, std=scale)
        if TIED_EMBEDDING:
            self.head.weight = self.token.weight

    def forward(self, x: Tensor) -> Tensor:
        x = functional.dropout(self.token(x) + self.position.weight[: x.shape[1]], DROPOUT, self.training)
        for block in self.blocks:
            x = block(x)
        return self.head(norm(x))

    def flops_per_byte(self) -> float:
        """Floating-point operations to train on one byte: forward and backward, attention included."""
        matrices = sum(p.numel() for p in self.blocks.parameters()) + self.head.weight.numel()
        return 6 * matrices + 12 * DEPTH * N_EMBD * SEQ_LEN


def schedule(progress: float) -> float:
    """The learning rate's factor after a share ``progress`` of the training."""
    if progress < WARMUP_RATIO:
        return progress / WARMUP_RATIO
    if progress > 1 - WARMDOWN_RATIO:
        return FINAL_LR_FRAC + (1 - FINAL_LR_FRAC) * (1 - progress) / WARMDOWN_RATIO
    return 1.0


@torch.no_grad()
def evaluate(model: GPT, text: Tensor, count: int) -> float:
    """Mean cross entropy (nats a byte) on ``count`` bytes of evenly spread windows."""
    model.eval()
    starts = torch.linspace(0, len(text) - SEQ_LEN - 1, max(1, count // SEQ_LEN)).long()
    losses = []
    for part in starts.split(64):
        x, y = windows(text, part)
        losses.append(functional.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum"))
    model.train()
    return float(sum(losses)) / (len(starts) * SEQ_LEN)


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train_text, val_text = load_bytes(modules_to_train_on), load_bytes(modules_to_judge_by)
    budget = 3e11  # floating-point operations
    model = GPT()
    matrices = list(model.blocks.parameters())
    others = [p for n, p in model.named_parameters() if not n.startswith("blocks.")]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=ADAM_BETAS)
    rows = max(1, TOTAL_BATCH // SEQ_LEN)
    steps = max(10, round(budget / (model.flops_per_byte() * rows * SEQ_LEN)))
    every = max(1, steps // 10)
    generator = torch.Generator().manual_seed(SEED)
    smooth = float("nan")
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = LR * schedule((step - 0.5) / steps)
        starts = torch.randint(len(train_text) - SEQ_LEN - 1, (rows,), generator=generator)
        x, y = windows(train_text, starts)
        loss = functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if GRAD_CLIP > 0:
            nn.utils.clip_grad_norm_(model.parameters(), GRAD_CLIP)
        optimizer.step()
        smooth = loss.item() if math.isnan(smooth) else 0.8 * smooth + 0.2 * loss.item()
        if not math.isfinite(loss.item()):
            raise SystemExit(f"the loss is {loss.item()} at step {step}: training diverged")
        if step % every == 0 and step < steps:
            val_loss = evaluate(model, val_text, 2**13)
            print(f"step {step} train_loss: {smooth:.4f} val_loss: {val_loss:.4f}", flush=True)
    train_loss, val_loss = evaluate(model, train_text, 2**16), evaluate(model, val_text, 2**16)
    print(f"step {steps} train_loss: {train_loss:.4f} val_loss: {val_loss:.4f}")
    print("---")
    print(f"num_steps: {steps}")
    print(f"num_params: {sum(p.numel() for p in model.parameters())}")
    print(f"train_bpb: {train_loss / math.log(2):.5f}")
    print(f"val_bpb: {val_loss / math.log(2):.5f}")


if __name__ == "__main__":
    main()

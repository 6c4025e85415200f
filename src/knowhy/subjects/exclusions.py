"""What is no hyperparameter: it says where to run, what to show, or how the result is judged."""

from __future__ import annotations

import re

from knowhy.subjects.roles import snake

# (reason, pattern of the whole name in snake case). First match wins.
_NAMES: tuple[tuple[str, str], ...] = (
    ("seed", r"(\w+_)?(seed|random_state|rng|random_seed)(_\w+)?|manual_seed"),
    ("evaluation", r"(test|val|valid|validation|holdout|dev)_(size|fraction|frac|ratio|split|share|batch_?size|samples"
     r"|steps|n|len|length|set|every|interval|part|prop|portion)|(train|training)_(size|fraction|frac|ratio"
     r"|split|share|prop)"
     r"|(n|num|k)_?(splits?|folds?|repeats)|cv|folds?|split|splits|n_val|n_test|n_train|num_(val|test|train)(_\w+)?"
     r"|eval_\w+|\w+_eval|val_\w+|test_\w+|\w+_(test|val)|scoring|metric|metrics|top_?k|threshold|stratify|average"
     r"|n_(eval|test|val)\w*|validation_\w+|baseline_\w+"),
    ("device or precision", r"(\w+_)?(device|devices|cuda|gpu|gpus|dtype|tf32|fp16|bf16|fp32|precision|mps|tpu)(_\w+)?"
     r"|(use_)?amp|compile\w*|(use_)?compile|no_cuda|no_mps|use_(cuda|gpu|mps)|mixed_precision|ddp(_\w+)?|world_size"
     r"|(local_|global_)?rank|backend|channels_last|benchmark|(\w+_)?deterministic|fused|foreach|flash(_\w+)?"),
    ("reporting", r"verbose|verbosity|quiet|silent|debug|progress(_\w+)?|disp|(\w+_)?(log|print|report|display"
     r"|save|eval"
     r"|checkpoint|ckpt|plot|sample|show|summary|dump|snapshot|vis)_?(every|interval|freq|frequency|period"
     r"|steps?|iters?"
     r"|epochs?|n|rate)(_\w+)?|(\w+_)?(every|interval|freq|frequency)|log_\w+|\w+_log|logging\w*|wandb(_\w+)?"
     r"|plot(_\w+)?"
     r"|show(_\w+)?|print(_\w+)?|save(_\w+)?|always_save\w*|tensorboard|fmt|digits|decimals|dpi|fig_?size|fontsize"
     r"|indent|track|capture_\w+|record_\w+|(dry|smoke|quick|fast_dev)_?(run|test)|render(_\w+)?|linewidth|column_width|line_width|ndigits|width_chars|bar_width"),
    ("a path or a name", r"(\w+_)?(path|dir|directory|file|filename|folder|root|url|uri|host|port|checkpoint|ckpt|cache"
     r"|dataset|corpus|name|names|project|entity|title|tag|tags|prefix|suffix|author|email|license|repo|user"
     r"|key|token|id"
     r"|label|description|desc|help|mode)|(data|log|out|output|input|model)_?(dir|path|file|root|name)?|resume(_\w+)?"
     r"|load(_\w+)?|init_from|from_\w+|download|export(_\w+)?|out|output(s)?|overwrite|experiment(_\w+)?|run(_\w+)?"),
    ("a version or a format number", r"(\w+_)?version|magic(_\w+)?|(\w+_)?magic|format(_\w+)?|revision|build|schema"
     r"|header(_\w+)?|(\w+_)?offset"),
    ("resources", r"(\w+_)?(workers|n_jobs|jobs|threads|nthreads?|procs|processes|cpus|num_cpus|nodes)|n_?jobs|workers"
     r"|nthread|(\w+_)?(time_?budget|budget|timeout|time_?limit|seconds|secs|minutes|hours|deadline"
     r"|flops)(_\w+)?|max_time"
     r"|(\w+_)?(memory|mem|buffer|buffer_size|cache_size|chunk_?size|prefetch|prefetch_factor|pin_memory|shards?"
     r"|shard_size)|persistent_workers|non_blocking|drop_last|cores|copy|inplace|warm_start|memory_\w+"),
    ("the data", r"(\w+_)?(vocab|vocabulary)(_?size)?|(n|num|nb)_?(classes|labels|categories|features|inputs|outputs"
     r"|samples|examples|points|rows|cols|targets|tokens|docs|informative|redundant|clusters_per_class|users|items)"
     r"|(in|input|out|output)_?(dim|dims|size|features|channels|shape|width|height)|(img|image)_?(size|height|width|dim"
     r"|channels)?|channels|(img|image|n)_?(rows|cols)|(x|y)_?(dim|train|test)|n_(in|out|x|y|samples_\w+)|\w*token_?id|(pad|eos|bos|unk"
     r"|mask|ignore|sep"
     r"|cls)(_\w+)?|mean|std|means|stds|classes|target|targets|subset|shape|sample_size|train_samples|max_train_\w+"
     r"|num_train_examples|samples|n|nclasses|nvocab|noise_level|class_sep|centers|cluster_std|return_x_y"
     r"|as_frame|shuffle"),
    ("bookkeeping", r"best(_\w+)?|(\w+_)?(loss|acc|accuracy|error|score|count|counter|total|sum|idx|index|start"
     r"|stop|end"
     r"|now|t0|t1|elapsed)|step|iter|iter_num|epoch|i|j|k|x|y|z|t|it|total_\w+_seen|global_step|local_iter_num"
     r"|running_\w+"
     r"|done|first|last|current(_\w+)?|prev(_\w+)?|pi|inf|infinity|main|axis|dim_?\d*|keepdims?|level|ndim|maxsplit"
     r"|exist_ok|parents|end|flush|check|strict"),
)  # fmt: skip
_COMPILED = tuple((reason, re.compile(pattern)) for reason, pattern in _NAMES)

# Names that the patterns above would take, and that are hyperparameters all the same.
_KEPT = re.compile(
    r"num_train_epochs|train_epochs|\w*clip_val(ue)?|per_(device|gpu)_(train_)?batch_size|"
    r"(total|device|global|train|training|max|tokens?|micro|mini)_batch_?size\w*|batch_?size|n_iter|max_iter\w*"
    r"|dim|total_(steps|iters|iterations|epochs|timesteps)|(embed|model|hidden|head|ff|ffn|mlp|latent|inner)_?dim"
    r"|final_\w+|end_lr|start_lr|label_smooth\w*|sample_rate_aug|max_samples|min_samples\w*|subsample\w*|lora_rank"
    r"|\w*loss_weight|max_depth|max_leaf_nodes|output_dropout|input_dropout|max_steps|num_steps|n_steps"
    r"|num_iters|n_iters|max_epochs"
    r"|cache_dropout|save_dropout|(\w+_)?lr|early_stopping_rounds|\w*drop_?(out|path)\w*"
)

# Calls whose keywords set nothing that is learnt.
_CALLS: tuple[tuple[str, str], ...] = (
    ("evaluation", r"train_test_split|\w*KFold\w*|\w*ShuffleSplit|cross_val\w*|\w*SearchCV|random_split|TimeSeriesSplit"
     r"|LeaveOneOut|permutation_importance|\w*_score|score|classification_report|confusion_matrix|learning_curve"
     r"|validation_curve|roc_auc\w*|make_scorer|log_loss|mean_\w+_error|calibration_curve|evaluate|eval\w*"
     r"|val\w*|test\w*"),
    ("the data", r"make_(classification|regression|blobs|moons|circles|friedman\d|swiss_roll|s_curve"
     r"|multilabel\w*)|load_\w+"
     r"|fetch_\w+|read_\w+|loadtxt|genfromtxt|linspace|logspace|arange|range|zeros|ones|full|eye|rand\w*|normal"
     r"|uniform|empty"
     r"|randint|choice|shuffle|sample|permutation|reshape|astype|DataFrame|Series|Dataset|MNIST|CIFAR\d+|FashionMNIST"
     r"|ImageFolder"
     r"|Normalize|Resize|CenterCrop|ToTensor|Compose|TensorDataset|LabelEncoder|OneHotEncoder|OrdinalEncoder"
     r"|StandardScaler|MinMaxScaler|SimpleImputer|cat|stack|concat\w*|mean|sum|var|std|norm|softmax|log_softmax"
     r"|argmax|max"
     r"|min|topk|sort|sorted|squeeze|unsqueeze|view|flatten|transpose|permute|Flatten|Softmax|LogSoftmax|pad"),
    ("reporting", r"print|open|getLogger|basicConfig|info|debug|warning|error|figure|subplots?|plot|scatter"
     r"|savefig|imshow"
     r"|hist|bar|legend|tight_layout|set_\w+|tqdm|trange|dump|dumps|SummaryWriter|add_scalar|log|init|mkdir"
     r"|makedirs|format"
     r"|round|ArgumentParser|add_parser|add_subparsers|add_argument\w*|option|argument|command|group|Path|join"
     r"|getenv|get"
     r"|run|Popen|check_call|check_output|sleep|strftime|enumerate|zip|split|replace|strip|field|dataclass|namedtuple"
     r"|progress\w*|save|load|to_csv|warn|filterwarnings|ArgumentDefaultsHelpFormatter|echo|secho|pformat|pprint"),
    ("resources", r"ThreadPool\w*|ProcessPool\w*|Pool|Process|Thread|Parallel|set_num_threads"
     r"|init_process_group|compile"
     r"|lru_cache|cache|Queue|GradScaler|autocast|to|cuda|cpu|detach|zero_grad|backward|synchronize|no_grad"
     r"|register_buffer"),
)  # fmt: skip
_COMPILED_CALLS = tuple((reason, re.compile(pattern)) for reason, pattern in _CALLS)


def exclusion(name: str, value: object = None) -> str:
    """Why a parameter called ``name`` is no hyperparameter, or "" where nothing speaks against it."""
    plain = re.sub(r"_\d+$", "", snake(name)) if "[" in name else snake(name)
    if name.startswith("__"):
        return "a version or a format number"
    if _KEPT.fullmatch(plain):
        return ""
    for reason, pattern in _COMPILED:
        if pattern.fullmatch(plain) and not (reason == "bookkeeping" and isinstance(value, str)):
            return reason
    if isinstance(value, str) and re.search(r"[/\\]|\.\w{2,4}$|^\d+\.\d+", value):
        return "a path or a name"
    return ""


def excluded_call(call: str) -> str:
    """Why keywords of ``call`` (its last name) are no hyperparameters, or ""."""
    for reason, pattern in _COMPILED_CALLS:
        if pattern.fullmatch(call):
            return reason
    return ""


_TIME = re.compile(
    r"(\w+_)?(time_?budget|budget|timeout|time_?limit|seconds|secs|minutes|hours|deadline|flops)(_\w+)?|max_time"
)


def defines_evaluation(name: str, value: object) -> bool:
    """Whether ``name`` says how long, on what data, from which seed or how a result is measured.

    Such a constant is no parameter unless a person says so: trials with other values do not measure the same.
    """
    reason = exclusion(name, value)
    return reason in ("evaluation", "the data", "seed") or (
        reason == "resources" and _TIME.fullmatch(snake(name)) is not None
    )

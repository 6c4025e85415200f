"""What a trial sees of the controller's environment: an allow-list, so that keys and tokens stay behind."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from knowhy.redaction import NAMES, redact


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMES = _words(
    "PATH HOME LANG LANGUAGE TMPDIR TEMP TMP TZ USER LOGNAME SHELL TERM COLUMNS VIRTUAL_ENV LD_LIBRARY_PATH "
    "DYLD_LIBRARY_PATH DYLD_FALLBACK_LIBRARY_PATH XDG_CACHE_HOME XDG_DATA_HOME HF_HOME HF_DATASETS_CACHE "
    "HF_HUB_OFFLINE TORCH_HOME KERAS_HOME KERAS_BACKEND SCIKIT_LEARN_DATA MPLBACKEND MPLCONFIGDIR "
    "NUMBA_CACHE_DIR NUMBA_NUM_THREADS NUMEXPR_NUM_THREADS VECLIB_MAXIMUM_THREADS SSL_CERT_FILE SSL_CERT_DIR "
    "REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy NO_COLOR"
)
_PREFIXES = tuple(
    _words(
        "LC_ PYTHON CONDA CUDA NVIDIA NCCL_ CUBLAS_ CUDNN_ HIP_ ROCR_ HSA_ OMP_ KMP_ MKL_ OPENBLAS_ BLIS_ GOTO_ "
        "TORCH_ PYTORCH_ TF_CPP_ TF_CUDNN_ TF_DETERMINISTIC_ TF_ENABLE_ TF_FORCE_ TF_GPU_ TF_NUM_ TF_USE_ TF_XLA_ "
        "XLA_ JAX_"
    )
)
_CREDENTIALS_IN_URL = re.compile(r"://[^/\s]*@")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def child_environment(
    parent: Mapping[str, str], extra: Mapping[str, str], workers: int = 1, passed: Sequence[str] = ()
) -> dict[str, str]:
    """The variables of a trial: those of ``parent`` that are allowed or named in ``passed``, and ``extra`` over them.

    Names and values that look like secrets and URLs with credentials are left out even under an allowed prefix, unless
    they are named in ``passed``. With several ``workers`` and no OMP_NUM_THREADS from the person, each trial
    gets its share of the cores. Output is unbuffered, so that what a trial printed before it was killed is not
    lost; plots open no windows; the hash seed follows the trial's seed.
    """
    result = {name: value for name, value in parent.items() if name in passed or _allowed(name, value)}
    result.update(extra)
    result.setdefault("PYTHONUNBUFFERED", "1")
    result.setdefault("MPLBACKEND", "Agg")
    seed = result.get("KNOWHY_SEED", "")
    if seed.isdecimal():
        result.setdefault("PYTHONHASHSEED", str(int(seed) % 2**32))
    if workers > 1 and "OMP_NUM_THREADS" not in result:
        share = str(max(1, available_cores() // workers))
        for name in _THREADS:
            result.setdefault(name, share)
    return result


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _allowed(name: str, value: str) -> bool:
    if name not in _NAMES and not name.startswith(_PREFIXES):
        return False
    return not NAMES.search(name) and not _CREDENTIALS_IN_URL.search(value) and redact(value) == value

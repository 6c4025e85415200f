"""``provider:model``, and what of the environment each provider needs."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass

from knowhy.errors import SettingsError

BASE_URL = "KNOWHY_LLM_BASE_URL"
API_KEY = "KNOWHY_LLM_API_KEY"
PRICE = "KNOWHY_LLM_PRICE"
OLLAMA = "http://localhost:11434/v1"

_LIBRARIES = {"anthropic": "anthropic", "openai": "openai", "google": "google.genai"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to a model: variables that may hold its key (one of them must be set where ``needs_key``)."""

    name: str
    library: str
    keys: tuple[str, ...] = ()
    needs_key: bool = True


PROVIDERS = {
    "anthropic": Provider("anthropic", "anthropic", ("ANTHROPIC_API_KEY",)),
    "openai": Provider("openai", "openai", ("OPENAI_API_KEY",)),
    "google": Provider("google", "google", ("GOOGLE_API_KEY", "GEMINI_API_KEY")),
    "ollama": Provider("ollama", "openai", ("OLLAMA_API_KEY",), needs_key=False),
    "compatible": Provider("compatible", "openai", (API_KEY,), needs_key=False),
}


@dataclass(frozen=True, slots=True)
class ModelName:
    """Which model, and through whom; ``str`` gives ``provider:model`` again, the name of the proposer."""

    provider: Provider
    model: str

    def __str__(self) -> str:
        """``provider:model``."""
        return f"{self.provider.name}:{self.model}"


def parse_name(text: str) -> ModelName:
    """The model that ``text`` names; raises SettingsError."""
    provider, colon, model = text.strip().partition(":")
    if not colon or not _NAME.fullmatch(model) or "://" in text or "@" in model:
        raise SettingsError(
            "a theorist is written provider:model",
            f"such as anthropic:NAME or ollama:NAME; providers are {', '.join(PROVIDERS)} (keys go into the "
            "environment, never into the name)",
        )
    if provider not in PROVIDERS:
        raise SettingsError(
            f"there is no provider {provider[:40]!r}",
            f"choose one of: {', '.join(PROVIDERS)} ({BASE_URL} says where compatible: is)",
        )
    return ModelName(PROVIDERS[provider], model)


def check_ready(name: ModelName, environment: Mapping[str, str]) -> None:
    """See that the library, the key and the address are there, without importing anything; raises SettingsError."""
    library = _LIBRARIES[name.provider.library]
    if not _installed("pydantic_ai") or not _installed(library):
        raise SettingsError(
            f"the theorist {name} needs the extra llm, which is not installed", "pip install 'knowhy[llm]'"
        )
    if name.provider.needs_key and key_of(name, environment) is None and not base_url(name, environment):
        raise SettingsError(
            f"there is no key for {name.provider.name} in the environment", f"export {name.provider.keys[0]}=..."
        )
    if name.provider.name == "compatible" and not environment.get(BASE_URL):
        raise SettingsError(
            "compatible: needs an address", f"export {BASE_URL}=http://localhost:8000/v1 (vLLM, llama.cpp and others)"
        )
    price_of(environment)


def key_of(name: ModelName, environment: Mapping[str, str]) -> str | None:
    """The key of the provider; None where the environment has none."""
    return next((environment[k] for k in name.provider.keys if environment.get(k)), None)


def base_url(name: ModelName, environment: Mapping[str, str]) -> str | None:
    """Where the provider is, where that is not its usual address."""
    variable = {"compatible": BASE_URL}.get(name.provider.name, f"{name.provider.name.upper()}_BASE_URL")
    default = OLLAMA if name.provider.name == "ollama" else None
    return environment.get(variable) or default


def price_of(environment: Mapping[str, str]) -> tuple[float, float] | None:
    """US dollars per million input and output tokens by ``KNOWHY_LLM_PRICE=3,15``; None where unset."""
    text = environment.get(PRICE)
    if not text:
        return None
    try:
        dear = tuple(float(part) for part in text.split(","))
    except ValueError:
        dear = ()
    if len(dear) != 2 or not all(0 <= d < 1e6 for d in dear):
        raise SettingsError(
            f"{PRICE} holds no two prices", f"write {PRICE}=3,15: dollars per million tokens of input and of output"
        )
    return dear[0], dear[1]


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False

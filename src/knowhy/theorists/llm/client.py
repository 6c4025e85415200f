"""One call of a language model: the only module that imports the LLM library (and so takes seconds to import)."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import AsyncIterable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

import httpx2
from pydantic_ai import Agent, ModelRetry, RunContext, Tool, ToolOutput
from pydantic_ai.exceptions import (
    ContentFilterError,
    CostNotFoundWarning,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    RunCancelled,
    RunTimedOut,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UsageLimitUnavailableWarning,
    UserError,
)
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage, UsageLimits

from knowhy.model.space import Scalar
from knowhy.model.thought import Allowance, ThoughtOutcome, Usage
from knowhy.theorists.llm.answers import Answer, SettingAnswer
from knowhy.theorists.llm.examination import Examined
from knowhy.theorists.llm.laboratory import Laboratory
from knowhy.theorists.llm.names import ModelName, base_url, key_of, price_of

# Prices are unknown for many models: the report says so, standard error need not.
for _kind in (CostNotFoundWarning, UsageLimitUnavailableWarning):
    warnings.filterwarnings("ignore", category=_kind)

REQUESTS, TOOL_CALLS, TOKENS, RETRIES = 16, 40, 300_000, 3
_OUTPUT_TOKENS = 16_000
# A long answer of Anthropic must be streamed; elsewhere it comes whole, which takes a hundredth of the processor time.
_STREAMED = frozenset({"anthropic"})


@dataclass(frozen=True, slots=True)
class Reply:
    """How a call ended: ``message`` says what went wrong, ``found`` what can be used of it all the same."""

    outcome: ThoughtOutcome
    message: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    found: Examined = field(default_factory=Examined)


class Handle:
    """Lets another thread cancel the call."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._lock = threading.Lock()
        self._cancelled = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Reply]] | None = None

    def cancel(self) -> None:
        """End the call, now or before it begins."""
        with self._lock:
            self._cancelled = True
            running = self._running
        if running is not None:
            with suppress(RuntimeError):  # it ended in the meantime
                running[0].call_soon_threadsafe(running[1].cancel)

    def hold(self, task: asyncio.Task[Reply]) -> None:
        """Remember the call that runs."""
        with self._lock:
            self._running = (asyncio.get_running_loop(), task)
            if self._cancelled:
                task.cancel()

    def release(self) -> None:
        """The call has ended."""
        with self._lock:
            self._running = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, of whom, within which limits; ``left`` is what the study may still use, ``seconds`` this call."""

    name: ModelName
    instructions: str
    prompt: str
    left: Allowance
    seconds: float


def consult(
    request: Request,
    laboratory: Laboratory,
    examine: Callable[[Answer], Examined],
    environment: Mapping[str, str],
    handle: Handle,
) -> Reply:
    """Ask, in this thread, until there is an answer or a limit; never raises for what a model or a network does."""
    return asyncio.run(_consult(request, laboratory, examine, environment, handle))


async def _consult(
    request: Request,
    laboratory: Laboratory,
    examine: Callable[[Answer], Examined],
    environment: Mapping[str, str],
    handle: Handle,
) -> Reply:
    usage = RunUsage()
    last: list[Examined] = []
    started = asyncio.get_running_loop().time()

    def ended(outcome: ThoughtOutcome, message: str = "", model: str = "") -> Reply:
        took = asyncio.get_running_loop().time() - started
        return Reply(outcome, message, model, _usage(usage, took, environment), last[-1] if last else Examined())

    async def ask() -> Reply:
        http = httpx2.AsyncClient(timeout=httpx2.Timeout(request.seconds, connect=10.0), trust_env=True)
        async with http:
            agent = _agent(_model(request.name, environment, http), request.instructions, laboratory, examine, last)
            result = await agent.run(
                request.prompt,
                usage=usage,
                usage_limits=_limits(request.left, environment),
                model_settings=_settings(request.name),
                timeout=request.seconds,
                event_stream_handler=_listen if request.name.provider.name in _STREAMED else None,
            )
            named = next((m.model_name for m in result.all_messages() if isinstance(m, ModelResponse)), None)
            return ended("answered", model=str(named or request.name.model))

    task = asyncio.ensure_future(ask())
    handle.hold(task)
    try:
        return await task
    except asyncio.CancelledError:
        return ended("cancelled", "the study ended before the answer")
    except (RunTimedOut, TimeoutError):
        return ended("timed out", f"no answer within {request.seconds:.0f} s")
    except RunCancelled:
        return ended("cancelled", "the study ended before the answer")
    except ContentFilterError as error:
        return ended("refused", str(error))
    except UsageLimitExceeded as error:
        return ended(*_exceeded(request.left, usage, error))
    except UnexpectedModelBehavior as error:
        return ended("failed", f"the answers do not fit: {error}")
    except (ModelAPIError, UserError) as error:
        return ended("failed", f"{_cause(error)}: {error}")
    finally:
        handle.release()


async def _listen(context: RunContext[None], events: AsyncIterable[object]) -> None:
    """Take an answer as it comes: a connection over which something comes is not cut for being idle."""
    async for _ in events:
        pass


def _cause(error: Exception) -> str:
    """What went wrong, in words."""
    words: tuple[tuple[type[Exception], str], ...] = (
        (ModelAuthenticationError, "the key was not accepted"),
        (ModelNotFoundError, "there is no such model"),
        (ModelQuotaExceededError, "the account's quota is spent"),
        (ModelRateLimitError, "the provider asks for patience"),
        (ModelConnectionError, "the provider cannot be reached"),
        (ModelAPIError, "the provider has a problem"),
    )
    return next((text for kind, text in words if isinstance(error, kind)), "the model cannot be used")


def _exceeded(left: Allowance, usage: RunUsage, error: UsageLimitExceeded) -> tuple[ThoughtOutcome, str]:
    """Whether it was the study's allowance that was spent, or this call that went on for too long."""
    spent = (
        (left.dollars is not None and usage.cost is not None and float(usage.cost) >= left.dollars)
        or (left.tokens is not None and usage.total_tokens >= left.tokens)
        or (left.requests is not None and usage.requests >= left.requests)
    )
    return ("no budget" if spent else "failed"), f"stopped without an answer: {error}"


def _limits(left: Allowance, environment: Mapping[str, str]) -> UsageLimits:
    tokens = TOKENS if left.tokens is None else min(TOKENS, left.tokens)
    price = price_of(environment)
    cost: Decimal | None = None
    if left.dollars is not None:
        cost = Decimal(str(round(left.dollars, 6)))
        if price is not None and max(price) > 0:  # the library does not know this price
            tokens, cost = min(tokens, int(left.dollars * 1e6 / max(price))), None
    return UsageLimits(
        cost_limit=cost,
        request_limit=REQUESTS if left.requests is None else min(REQUESTS, left.requests),
        tool_calls_limit=TOOL_CALLS,
        total_tokens_limit=tokens,
    )


def _usage(usage: RunUsage, seconds: float, environment: Mapping[str, str]) -> Usage:
    price = price_of(environment)
    cost = None if usage.cost is None else float(usage.cost)
    if price is not None:
        cost = (usage.input_tokens * price[0] + usage.output_tokens * price[1]) / 1e6
    return Usage(usage.requests, usage.tool_calls, usage.input_tokens, usage.output_tokens, cost, seconds)


def _settings(name: ModelName) -> ModelSettings:
    settings = ModelSettings(max_tokens=_OUTPUT_TOKENS)
    if name.provider.name == "anthropic":
        settings["cache"] = True  # what does not change is read at a tenth of the price
    return settings


def _model(name: ModelName, environment: Mapping[str, str], http: httpx2.AsyncClient) -> Model:
    """The model of ``name`` with its key and address; the providers' modules are imported as they are needed."""
    key, address = key_of(name, environment), base_url(name, environment)
    match name.provider.name:
        case "anthropic":
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            return AnthropicModel(
                name.model, provider=AnthropicProvider(api_key=key or "none", base_url=address, http_client=http)
            )
        case "google":
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            return GoogleModel(name.model, provider=GoogleProvider(api_key=key or "none", base_url=address))
        case "ollama":
            from pydantic_ai.models.ollama import OllamaModel
            from pydantic_ai.providers.ollama import OllamaProvider

            return OllamaModel(
                name.model, provider=OllamaProvider(base_url=address, api_key=key or "none", http_client=http)
            )
        case "compatible":
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

            return OpenAIChatModel(
                name.model,
                provider=OpenAICompatibleProvider(
                    name="compatible", base_url=address or "", api_key=key, http_client=http
                ),
            )
        case _:
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            return OpenAIChatModel(
                name.model, provider=OpenAIProvider(api_key=key or "none", base_url=address, http_client=http)
            )


def _agent(
    model: Model,
    instructions: str,
    laboratory: Laboratory,
    examine: Callable[[Answer], Examined],
    last: list[Examined],
) -> Agent[None, Answer]:
    """An agent with the laboratory's tools, whose answers are examined and sent back while there is patience."""

    async def check(context: RunContext[None], answer: Answer) -> Answer:
        found = examine(answer)
        last.append(found)
        if found.problems and context.retry < context.max_retries:
            raise ModelRetry("Not all of this can be used. Answer again in full, mended:\n" + "\n".join(found.problems))
        return answer

    agent: Agent[None, Answer] = Agent(
        model,
        output_type=ToolOutput(Answer, name="propose", description="Hand in your proposals; ends the call."),
        instructions=instructions,
        deps_type=type(None),
        retries={"tools": RETRIES, "output": RETRIES},
        tools=_tools(laboratory),
    )
    agent.output_validator(check)
    return agent


def _tools(laboratory: Laboratory) -> list[Tool[None]]:
    """The laboratory's methods as tools. They are coroutines so that no two run at once: the mind is not shared."""

    async def read_file(path: str, first_line: int = 1, lines: int = 400) -> str:
        """Read lines of a source file under study."""
        return laboratory.read_file(path, first_line, lines)

    async def list_trials(order: str = "latest", most: int = 20) -> str:
        """List completed trials, one a line; order is "best", "latest" or "surprised"."""
        return laboratory.trials(order, most)

    async def show_trial(number: int) -> str:
        """Show settings, metrics and names of curves of one trial, or how it failed."""
        return laboratory.trial(number)

    async def show_curve(number: int, metric: str) -> str:
        """Show how a metric went over the course of one trial."""
        return laboratory.curve(number, metric)

    async def believe(sentence: str) -> str:
        """Judge a claim, in one of the given forms, by the data so far."""
        return laboratory.believe(sentence)

    async def bits(settings: list[SettingAnswer]) -> str:
        """Say what one trial with these settings (the rest at the default) would teach, and what is expected of it."""
        point: dict[str, Scalar] = {s.parameter: s.value for s in settings}
        return laboratory.bits(point)

    async def parameters() -> str:
        """List every parameter that was found in the code, held ones too, with ranges and where they stand."""
        return laboratory.parameters()

    return [Tool(f) for f in (read_file, list_trials, show_trial, show_curve, believe, bits, parameters)]

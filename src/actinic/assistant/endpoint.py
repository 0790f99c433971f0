"""The model: any server that speaks the OpenAI chat protocol, asked so that nothing else is contacted.

Tool-call ids go out as nine letters and digits, which Mistral's servers demand and others take. Redirects, proxies and
other settings of the environment are not followed. What fails is said in one line with what to do.
"""

import hashlib
import os
import string
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx2
from openai import AsyncOpenAI
from pydantic_ai import exceptions as wrong
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from ..errors import ActinicError, ConfigError, MissingError, NumericalError
from .sockets import place_of

START = (
    "no endpoint: start one, such as `vllm serve mistralai/Ministral-3-8B-Instruct-2512 --enable-auto-tool-choice "
    "--tool-call-parser mistral`, and set ACTINIC_ENDPOINT=http://localhost:8000/v1 and ACTINIC_MODEL"
)
RETRIES = 3
SECONDS = 120.0
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Endpoint:
    """Where the model is: address, its name there, and the key if it needs one (never printed)."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    seconds: float = SECONDS
    retries: int = RETRIES

    def __post_init__(self):
        place_of(self.url)
        if not self.model:
            raise ConfigError("say which model of the endpoint: --model NAME or ACTINIC_MODEL")

    @classmethod
    def named(cls, url: str | None, model: str | None) -> "Endpoint":
        """From options or else the environment; MissingError says how to start one."""
        url, model = url or os.environ.get("ACTINIC_ENDPOINT"), model or os.environ.get("ACTINIC_MODEL")
        if not url:
            raise MissingError(START)
        return cls(url, model or "", os.environ.get("ACTINIC_API_KEY", ""))

    def chat(self, transport: httpx2.AsyncBaseTransport | None = None) -> Model:
        """The model behind it; `transport` takes the place of the network."""
        http = httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            transport=transport,
            timeout=httpx2.Timeout(self.seconds, connect=10.0),
        )
        client = AsyncOpenAI(
            base_url=self.url, api_key=self.key or "none", http_client=http, max_retries=self.retries, organization="",
            project="",
        )  # fmt: skip
        provider = OpenAICompatibleProvider("endpoint", openai_client=client)
        return PlainIds(OpenAIChatModel(self.model, provider=provider))


class PlainIds(WrapperModel):
    """A model that is sent tool-call ids of nine letters and digits, whoever made them."""

    async def request(self, messages, model_settings, model_request_parameters):
        return await super().request(with_plain_ids(messages), model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self, messages, model_settings, model_request_parameters, run_context=None
    ) -> AsyncGenerator:
        async with super().request_stream(
            with_plain_ids(messages), model_settings, model_request_parameters, run_context
        ) as stream:
            yield stream


def with_plain_ids(messages: list[ModelMessage]) -> list[ModelMessage]:
    """The same messages with every tool-call id plain; a call and its answer keep one id."""
    return [_plain(message) for message in messages]


def _plain(message: ModelMessage) -> ModelMessage:
    parts = [
        replace(part, tool_call_id=plain_id(part.tool_call_id)) if getattr(part, "tool_call_id", None) else part
        for part in message.parts
    ]
    return replace(message, parts=parts)  # type: ignore[type-var]


def plain_id(name: str) -> str:
    """Nine letters and digits: an id that has them as it is, any other by its hash."""
    if len(name) == 9 and all(c in _LETTERS for c in name):
        return name
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return "".join(_LETTERS[number // 62**k % 62] for k in range(9))


def explained(error: Exception, endpoint: Endpoint | None) -> ActinicError:
    """What went wrong with a model, in one line with what to do; without the key."""
    where = endpoint.url if endpoint else "the model"
    text = " ".join(str(error).split())[:300]
    if endpoint and endpoint.key:
        text = text.replace(endpoint.key, "[secret]")
    overflow = "context" in text.lower() and any(w in text.lower() for w in ("length", "window", "maximum", "exceed"))
    match error:
        case ActinicError():
            return error
        case wrong.ModelAuthenticationError():
            return ConfigError(f"{where}: refused the key; set ACTINIC_API_KEY to one that it knows")
        case wrong.ModelContextWindowExceededError():
            return ConfigError(f"{where}: the conversation no longer fits the model's context; begin a new one")
        case wrong.ModelRequestRejectedError() if overflow:
            return ConfigError(f"{where}: the conversation no longer fits the model's context; begin a new one")
        case wrong.ModelNotFoundError():
            return ConfigError(f"{where}: has no model {endpoint.model if endpoint else ''!r} or is no /v1 address")
        case wrong.ModelRateLimitError() | wrong.ModelQuotaExceededError():
            return NumericalError(f"{where}: asks for fewer requests (429) after {RETRIES} tries; wait and ask again")
        case wrong.ModelTimeoutError() | wrong.ModelRequestTimeout():
            return NumericalError(f"{where}: gave no answer in time; is the model too large for its machine?")
        case wrong.ModelConnectionError():
            return MissingError(f"{where}: does not answer or broke off; is it running? ({text[:120]})")
        case wrong.ModelServerError() | wrong.ModelUnavailableError():
            status = getattr(error, "status_code", "server error")
            return NumericalError(f"{where}: failed ({status}) after {RETRIES} tries")
        case wrong.ModelRequestRejectedError():
            return ConfigError(f"{where}: refused the request: {text}")
        case wrong.ModelAPIError():
            return MissingError(f"{where}: cannot be reached: {text}")
        case wrong.UnexpectedModelBehavior():
            return NumericalError(f"{where}: the model's answer could not be used: {text}")
    return NumericalError(f"{where}: unexpected {type(error).__name__}: {text}")

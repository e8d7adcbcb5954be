"""Streams from every simulated protocol with the vendor's own SDK. Exits 1 at the first surprise."""

import json
import pathlib
import sys
import time
import tomllib
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import anthropic
import boto3
import cohere
import ollama
import openai
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from cohere.core.api_error import ApiError as CohereError
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from mistralai.client import Mistral
from mistralai.client.errors import SDKError as MistralError

BASE = sys.argv[1]
WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
PROMPT = (
    "Write the English number words from one to twenty in order, in lowercase, separated by single spaces, on one "
    "line. Directly after twenty write a space and the word kestrel. Write nothing else."
)
ANSWER = WORDS + " kestrel"
TOKENS = 21
MESSAGES = [{"role": "user", "content": PROMPT}]
checks = []


def same(what, got, wanted):
    checks.append(what)
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")


def raises(what, kind, status, call):
    """The call must raise this very class, with this HTTP status."""
    checks.append(what)
    try:
        call()
    except kind as error:
        got = getattr(error, "status_code", None) or getattr(error, "code", None)
        if isinstance(error, ClientError):
            got = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if got != status:
            sys.exit(f"{what}: {type(error).__name__} with status {got}, wanted {status}")
        return error
    except Exception as error:
        sys.exit(f"{what}: raised {type(error).__name__}: {error}, wanted {kind.__name__}")
    sys.exit(f"{what}: raised nothing, wanted {kind.__name__}")


def wait_ready():
    for _ in range(100):
        try:
            urllib.request.urlopen(BASE + "/control/faults", timeout=1)
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit("the simulator did not come up within 10 s")


def check_anthropic():
    client = anthropic.Anthropic(api_key="sk-simulated", base_url=BASE + "/anthropic", max_retries=0)

    def ask(model, **more):
        return client.messages.create(model=model, max_tokens=128, messages=MESSAGES, **more)

    text, stop, usage = "", None, None
    for event in ask("claude-haiku-4-5", stream=True):
        if event.type == "content_block_delta":
            text += event.delta.text
        elif event.type == "message_delta":
            stop, usage = event.delta.stop_reason, event.usage.output_tokens
    same("anthropic raw", (text, stop, usage), (ANSWER, "end_turn", TOKENS))

    with client.messages.stream(model="claude-haiku-4-5", max_tokens=128, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    same("anthropic helper", (text, final.stop_reason, final.usage.output_tokens), (ANSWER, "end_turn", TOKENS))
    same("anthropic model", final.model, "claude-haiku-4-5")
    same("anthropic id", final.id[:6], "msg_01")

    whole = ask("claude-haiku-4-5")
    same("anthropic whole", (whole.content[0].text, whole.stop_reason), (ANSWER, "end_turn"))
    limited = client.messages.create(model="m", max_tokens=5, messages=MESSAGES)
    same("anthropic limit", (limited.stop_reason, limited.usage.output_tokens), ("max_tokens", 5))
    refused = ask("m!refusal")
    same("anthropic refusal", refused.stop_reason, "refusal")

    counted = client.messages.count_tokens(model="m", messages=MESSAGES)
    same("anthropic count", counted.input_tokens, whole.usage.input_tokens)
    same("anthropic models", "claude-haiku-4-5" in [model.id for model in client.models.list()], True)

    raises("anthropic 401", anthropic.AuthenticationError, 401, lambda: ask("m!auth", stream=True))
    error = raises("anthropic 429", anthropic.RateLimitError, 429, lambda: ask("m!rate_limit", stream=True))
    same("anthropic retry-after", error.response.headers["retry-after"], "20")
    same("anthropic request id", error.request_id[:4], "req_")
    raises("anthropic 500", anthropic.InternalServerError, 500, lambda: ask("m!status.500", stream=True))
    raises("anthropic 529", anthropic.APIStatusError, 529, lambda: ask("m!status.529", stream=True))
    # In the stream: a status error with the stream's own 200.
    raises("anthropic error event", anthropic.APIStatusError, 200, lambda: list(ask("m!error_event", stream=True)))
    # What the SDK does not notice: a stream that ends without a stop reason.
    same("anthropic cut", list(ask("m!truncate.no_terminal", stream=True))[-1].type, "content_block_delta")


def openai_client():
    return openai.OpenAI(api_key="sk-simulated", base_url=BASE + "/openai/v1", max_retries=0)


def check_chat():
    client = openai_client()

    def ask(model, **more):
        return client.chat.completions.create(model=model, messages=MESSAGES, **more)

    text, stop, usage = "", None, None
    for chunk in ask("gpt-5.2", stream=True, stream_options={"include_usage": True}):
        if chunk.usage:
            usage = chunk.usage.completion_tokens
        for choice in chunk.choices:
            text += choice.delta.content or ""
            stop = choice.finish_reason or stop
    same("chat raw", (text, stop, usage), (ANSWER, "stop", TOKENS))
    chunks = list(ask("gpt-5.2", stream=True))
    same("chat without usage", [chunk.usage for chunk in chunks if chunk.usage], [])

    with client.chat.completions.stream(model="gpt-5.2", messages=MESSAGES) as stream:
        final = stream.get_final_completion()
    same("chat helper", (final.choices[0].message.content, final.choices[0].finish_reason), (ANSWER, "stop"))

    whole = ask("gpt-5.2")
    same("chat whole", (whole.choices[0].message.content, whole.usage.completion_tokens), (ANSWER, TOKENS))
    limited = ask("gpt-5.2", max_completion_tokens=5)
    same("chat limit", (limited.choices[0].finish_reason, limited.usage.completion_tokens), ("length", 5))
    same("chat models", "gpt-5.2" in [model.id for model in client.models.list()], True)

    raises("chat 401", openai.AuthenticationError, 401, lambda: ask("m!auth", stream=True))
    raises("chat 429", openai.RateLimitError, 429, lambda: ask("m!rate_limit", stream=True))
    raises("chat 500", openai.InternalServerError, 500, lambda: ask("m!status.500", stream=True))
    raises("chat 529", openai.InternalServerError, 529, lambda: ask("m!status.529", stream=True))
    raises("chat error event", openai.APIError, None, lambda: list(ask("m!error_event", stream=True)))


def check_responses():
    client = openai_client()

    def ask(model, **more):
        return client.responses.create(model=model, input=PROMPT, store=False, **more)

    events = list(ask("gpt-5.2", stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1]
    same("responses raw", (text, last.type), (ANSWER, "response.completed"))
    same("responses usage", last.response.usage.output_tokens, TOKENS)
    same("responses sequence", [event.sequence_number for event in events], list(range(len(events))))
    same("responses text", last.response.output_text, ANSWER)

    with client.responses.stream(model="gpt-5.2", input=PROMPT) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    same("responses helper", (final.output_text, final.status), (ANSWER, "completed"))

    whole = ask("gpt-5.2")
    same("responses whole", (whole.output_text, whole.usage.output_tokens), (ANSWER, TOKENS))
    limited = ask("gpt-5.2", max_output_tokens=16)
    same(
        "responses limit",
        (limited.status, limited.incomplete_details.reason),
        ("incomplete", "max_output_tokens"),
    )

    raises("responses 401", openai.AuthenticationError, 401, lambda: ask("m!auth", stream=True))
    raises("responses 429", openai.RateLimitError, 429, lambda: ask("m!rate_limit", stream=True))
    raises("responses 500", openai.InternalServerError, 500, lambda: ask("m!status.500", stream=True))
    raises("responses 529", openai.InternalServerError, 529, lambda: ask("m!status.529", stream=True))
    same("responses error event", list(ask("m!error_event", stream=True))[-1].type, "error")


def check_gemini():
    client = genai.Client(
        api_key="simulated",
        http_options=genai_types.HttpOptions(
            base_url=BASE + "/gemini",
            retry_options=genai_types.HttpRetryOptions(attempts=1),
        ),
    )

    def ask(model):
        return list(client.models.generate_content_stream(model=model, contents=PROMPT))

    chunks = ask("gemini-3-flash")
    text = "".join(chunk.text or "" for chunk in chunks)
    last = chunks[-1]
    same("gemini raw", (text, last.candidates[0].finish_reason.name), (ANSWER, "STOP"))
    same("gemini usage", last.usage_metadata.candidates_token_count, TOKENS)
    same("gemini model", last.model_version, "gemini-3-flash")

    whole = client.models.generate_content(model="gemini-3-flash", contents=PROMPT)
    same("gemini whole", whole.text, ANSWER)
    limited = client.models.generate_content(
        model="gemini-3-flash",
        contents=PROMPT,
        config=genai_types.GenerateContentConfig(max_output_tokens=5),
    )
    same("gemini limit", limited.candidates[0].finish_reason.name, "MAX_TOKENS")
    counted = client.models.count_tokens(model="gemini-3-flash", contents=PROMPT)
    same("gemini count", counted.total_tokens, whole.usage_metadata.prompt_token_count)
    same("gemini models", "models/gemini-3-flash" in [model.name for model in client.models.list()], True)
    blocked = ask("m!refusal")
    same("gemini refusal", blocked[0].prompt_feedback.block_reason.name, "PROHIBITED_CONTENT")

    # An invalid key is 400 at this vendor.
    raises("gemini 400", genai_errors.ClientError, 400, lambda: ask("m!auth"))
    raises("gemini 429", genai_errors.ClientError, 429, lambda: ask("m!rate_limit"))
    raises("gemini 500", genai_errors.ServerError, 500, lambda: ask("m!status.500"))
    raises("gemini 529", genai_errors.ServerError, 529, lambda: ask("m!status.529"))
    raises("gemini error event", genai_errors.ServerError, 503, lambda: ask("m!error_event"))


def streamed(client, model, **more):
    """Text, finish reason, completion tokens of one chat stream."""
    text, stop, usage = "", None, None
    for chunk in client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **more):
        if chunk.usage:
            usage = chunk.usage.completion_tokens
        for choice in chunk.choices:
            text += (choice.delta.content if choice.delta else None) or ""
            stop = choice.finish_reason or stop
    return text, stop, usage


def check_azure():
    client = openai.AzureOpenAI(
        api_key="simulated", azure_endpoint=BASE + "/azure-openai", api_version="2024-10-21", max_retries=0
    )
    counted = {"include_usage": True}
    same("azure", streamed(client, "gpt-5.2", stream_options=counted), (ANSWER, "stop", TOKENS))
    whole = client.chat.completions.create(model="gpt-5.2", messages=MESSAGES)
    same("azure whole", whole.choices[0].message.content, ANSWER)
    v1 = openai.OpenAI(api_key="simulated", base_url=BASE + "/azure-openai/openai/v1", max_retries=0)
    same("azure v1", streamed(v1, "gpt-5.2", stream_options=counted), (ANSWER, "stop", TOKENS))
    same("azure v1 responses", v1.responses.create(model="m", input=PROMPT).output_text, ANSWER)
    for status, kind in CHAT_ERRORS.items():
        raises(f"azure {status}", kind, status, lambda: streamed(client, FAULTS[status]))


FAULTS = {401: "m!auth", 429: "m!rate_limit", 500: "m!status.500", 529: "m!status.529"}
CHAT_ERRORS = {
    401: openai.AuthenticationError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    529: openai.InternalServerError,
}


# Everybody who speaks OpenAI's protocol.
COMPATIBLE = (
    "/mistral/v1", "/openrouter/api/v1", "/groq/openai/v1", "/together/v1", "/fireworks/inference/v1", "/deepseek",
    "/xai/v1", "/perplexity", "/cerebras/v1", "/nvidia-nim/v1", "/moonshot/v1", "/alibaba-qwen/compatible-mode/v1",
    "/vllm/v1", "/llama-cpp/v1", "/litellm/v1", "/lm-studio/v1", "/ollama/v1",
)


def check_compatible(path):
    """OpenAI's SDK against one of them."""
    client = openai.OpenAI(api_key="simulated", base_url=BASE + path, max_retries=0)
    natural = "eos" if path.startswith("/together") else "stop"
    got = streamed(client, "some-model", stream_options={"include_usage": True})
    same(path, got, (ANSWER, natural, TOKENS))
    for status, kind in CHAT_ERRORS.items():
        # xAI answers an invalid key with 400.
        if (path, status) == ("/xai/v1", 401):
            status, kind, fault = 400, openai.BadRequestError, FAULTS[401]
        else:
            fault = FAULTS[status]
        raises(f"{path} {status}", kind, status, lambda: streamed(client, fault))
    same(f"{path} models", len(list(client.models.list())) > 0, True)


def check_litellm_messages():
    client = anthropic.Anthropic(api_key="simulated", base_url=BASE + "/litellm", max_retries=0)
    with client.messages.stream(model="m", max_tokens=128, messages=MESSAGES) as stream:
        final = stream.get_final_message()
    same("litellm messages", (final.content[0].text, final.stop_reason), (ANSWER, "end_turn"))


def check_vertex():
    client = anthropic.AnthropicVertex(
        region="us-east5", project_id="p", access_token="simulated", base_url=BASE + "/vertex-claude/v1", max_retries=0
    )
    with client.messages.stream(model="claude-haiku-4-5@20251001", max_tokens=128, messages=MESSAGES) as stream:
        final = stream.get_final_message()
    same("vertex claude", (final.content[0].text, final.stop_reason), (ANSWER, "end_turn"))
    overloaded = lambda: client.messages.create(model=FAULTS[529], max_tokens=9, messages=MESSAGES)
    raises("vertex claude 529", anthropic.APIStatusError, 529, overloaded)


def check_ollama():
    client = ollama.Client(host=BASE + "/ollama")

    def ask(model, **more):
        return list(client.chat(model=model, messages=MESSAGES, stream=True, **more))

    parts = ask("llama3.2:1b")
    text = "".join(part.message.content for part in parts)
    last = parts[-1]
    same("ollama", (text, last.done, last.done_reason, last.eval_count), (ANSWER, True, "stop", TOKENS))
    same("ollama whole", client.chat(model="m", messages=MESSAGES).message.content, ANSWER)
    limited = ask("m", options={"num_predict": 5})[-1]
    same("ollama limit", (limited.done_reason, limited.eval_count), ("length", 5))
    thought = "".join(part.message.thinking or "" for part in ask("m-reason"))
    same("ollama thinking", thought[:8], "The user")
    same("ollama models", "llama3.2:1b" in [model.model for model in client.list().models], True)
    for status, fault in FAULTS.items():
        raises(f"ollama {status}", ollama.ResponseError, status, lambda: ask(fault))
    raises("ollama error line", ollama.ResponseError, -1, lambda: ask("m!error_event"))


def check_cohere():
    client = cohere.ClientV2(api_key="simulated", base_url=BASE + "/cohere")

    def ask(model, **more):
        return list(
            client.chat_stream(model=model, messages=MESSAGES, request_options={"max_retries": 0}, **more)
        )

    events = ask("command-a-03-2025")
    text = "".join(event.delta.message.content.text for event in events if event.type == "content-delta")
    last = events[-1]
    same("cohere", (text, last.type, last.delta.finish_reason), (ANSWER, "message-end", "COMPLETE"))
    same("cohere usage", last.delta.usage.tokens.output_tokens, TOKENS)
    same("cohere whole", client.chat(model="m", messages=MESSAGES).message.content[0].text, ANSWER)
    same("cohere limit", ask("m", max_tokens=5)[-1].delta.finish_reason, "MAX_TOKENS")
    same("cohere models", len(client.models.list().models) > 0, True)
    for status, kind in {
        401: cohere.UnauthorizedError,
        429: cohere.TooManyRequestsError,
        500: cohere.InternalServerError,
        529: CohereError,
    }.items():
        raises(f"cohere {status}", kind, status, lambda: ask(FAULTS[status]))


def check_mistral():
    client = Mistral(api_key="simulated", server_url=BASE + "/mistral")

    def ask(model):
        return [event.data for event in client.chat.stream(model=model, messages=MESSAGES)]

    chunks = ask("mistral-small-latest")
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    last = chunks[-1]
    same("mistral", (text, last.choices[0].finish_reason), (ANSWER, "stop"))
    same("mistral usage", last.usage.completion_tokens, TOKENS)
    same("mistral whole", client.chat.complete(model="m", messages=MESSAGES).choices[0].message.content, ANSWER)
    for status, fault in FAULTS.items():
        raises(f"mistral {status}", MistralError, status, lambda: ask(fault))


def bedrock_client():
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=BASE + "/bedrock",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="simulated",
        config=BotoConfig(retries={"total_max_attempts": 1}),
    )


def check_bedrock():
    client = bedrock_client()
    prompt = [{"role": "user", "content": [{"text": PROMPT}]}]

    def ask(model, **more):
        return list(client.converse_stream(modelId=model, messages=prompt, **more)["stream"])

    events = ask("us.anthropic.claude-haiku-4-5-20251001-v1:0")
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    same("bedrock", ("".join(deltas), events[-2]["messageStop"]["stopReason"]), (ANSWER, "end_turn"))
    same("bedrock usage", events[-1]["metadata"]["usage"]["outputTokens"], TOKENS)
    whole = client.converse(modelId="m", messages=prompt)
    same("bedrock whole", whole["output"]["message"]["content"][0]["text"], ANSWER)
    limited = ask("m", inferenceConfig={"maxTokens": 5})
    same("bedrock limit", limited[-2]["messageStop"]["stopReason"], "max_tokens")
    tool = {"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}
    same("bedrock tools taken", len(ask("m", toolConfig={"tools": [tool]})) > 20, True)
    errors = client.exceptions
    for status, fault, kind in (
        # An invalid key is 403 at this vendor, and no class of its own in the SDK.
        (403, FAULTS[401], ClientError),
        (429, FAULTS[429], errors.ThrottlingException),
        (500, FAULTS[500], errors.InternalServerException),
        (529, FAULTS[529], errors.ServiceUnavailableException),
    ):
        raises(f"bedrock {status}", kind, status, lambda: ask(fault))


def check_tools():
    """The shipped canary that wants a tool called, by every SDK that offers tools."""
    script = tomllib.loads((pathlib.Path(__file__).parents[2] / "probes/canaries/tool.toml").read_text())
    fill = lambda text: text.replace("SENTINEL_WORD", "walnut")
    prompt, name = fill(script["prompt"]), script["tool"]["name"]
    parameters, wanted = json.loads(script["tool"]["parameters"]), json.loads(fill(script["tool"]["arguments"]))
    messages = [{"role": "user", "content": prompt}]
    function = {"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}}

    client = anthropic.Anthropic(api_key="simulated", base_url=BASE + "/anthropic", max_retries=0)
    tool = {"name": name, "description": "d", "input_schema": parameters}
    with client.messages.stream(model="m", max_tokens=512, messages=messages, tools=[tool]) as stream:
        final = stream.get_final_message()
    same("anthropic tool", (final.stop_reason, final.content[0].name, final.content[0].input), ("tool_use", name, wanted))

    with openai_client().chat.completions.stream(model="m", messages=messages, tools=[function]) as stream:
        choice = stream.get_final_completion().choices[0]
    call = choice.message.tool_calls[0].function
    same("chat tool", (choice.finish_reason, call.name, json.loads(call.arguments)), ("tool_calls", name, wanted))

    flat = {"type": "function", "name": name, "description": "d", "parameters": parameters, "strict": False}
    with openai_client().responses.stream(model="m", input=prompt, tools=[flat]) as stream:
        item = stream.get_final_response().output[0]
    same("responses tool", (item.type, item.name, json.loads(item.arguments)), ("function_call", name, wanted))

    client = genai.Client(api_key="simulated", http_options=genai_types.HttpOptions(base_url=BASE + "/gemini"))
    declared = genai_types.FunctionDeclaration(name=name, description="d", parameters_json_schema=parameters)
    config = genai_types.GenerateContentConfig(tools=[genai_types.Tool(function_declarations=[declared])])
    chunks = list(client.models.generate_content_stream(model="m", contents=prompt, config=config))
    calls = [call for chunk in chunks for call in chunk.function_calls or []]
    same("gemini tool", [(call.name, call.args) for call in calls], [(name, wanted)])

    parts = list(ollama.Client(host=BASE + "/ollama").chat(model="m", messages=messages, tools=[function], stream=True))
    calls = [call.function for part in parts for call in part.message.tool_calls or []]
    same("ollama tool", [(call.name, call.arguments) for call in calls], [(name, wanted)])

    client = cohere.ClientV2(api_key="simulated", base_url=BASE + "/cohere")
    events = list(client.chat_stream(model="m", messages=messages, tools=[function]))
    deltas = [event.delta.message.tool_calls.function.arguments for event in events if event.type == "tool-call-delta"]
    same("cohere tool", (json.loads("".join(deltas)), events[-1].delta.finish_reason), (wanted, "TOOL_CALL"))

    client = Mistral(api_key="simulated", server_url=BASE + "/mistral")
    choice = client.chat.complete(model="m", messages=messages, tools=[function]).choices[0]
    call = choice.message.tool_calls[0].function
    same("mistral tool", (choice.finish_reason, call.name, json.loads(call.arguments)), ("tool_calls", name, wanted))

    spec = {"toolSpec": {"name": name, "description": "d", "inputSchema": {"json": parameters}}}
    prompt = [{"role": "user", "content": [{"text": prompt}]}]
    events = list(bedrock_client().converse_stream(modelId="m", messages=prompt, toolConfig={"tools": [spec]})["stream"])
    deltas = [event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events if "contentBlockDelta" in event]
    stop = next(event["messageStop"]["stopReason"] for event in events if "messageStop" in event)
    same("bedrock tool", (json.loads("".join(deltas)), stop), (wanted, "tool_use"))


CHECKS = (
    check_anthropic, check_chat, check_responses, check_gemini, check_azure, check_litellm_messages, check_vertex,
    check_ollama, check_cohere, check_mistral, check_bedrock, check_tools,
)
PACKAGES = ("anthropic", "openai", "google-genai", "ollama", "cohere", "mistralai", "boto3")

wait_ready()
with ThreadPoolExecutor(8) as pool:
    running = [pool.submit(check) for check in CHECKS]
    running += [pool.submit(check_compatible, path) for path in COMPATIBLE]
    for check in running:
        check.result()
print(f"{len(checks)} checks passed: {', '.join(f'{name} {version(name)}' for name in PACKAGES)}")

"""One streamed canary with each vendor's own SDK: which SDK takes which broken reply for a whole one.

Usage: sdk_streams.py BASE [--check|--write] FILE

Every SDK streams from the simulator under every fault. What counts is whether the SDK's call returns like that of a
healthy reply, or raises. The table goes to stdout; --write puts it into FILE between its two marks, --check exits 1
when FILE holds another.
"""

import logging
import pathlib
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import anthropic
import boto3
import cohere
import ollama
import openai
from botocore.config import Config as BotoConfig
from google import genai
from google.genai import types as genai_types
from mistralai.client import Mistral

BASE = sys.argv[1]
PROMPT = (
    "Write the English number words from one to twenty in order, in lowercase, separated by single spaces, on one "
    "line. Directly after twenty write a space and the word kestrel. Write nothing else."
)
MESSAGES = [{"role": "user", "content": PROMPT}]
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

FAULTS = {
    "truncate.fin": "`fin`",
    "truncate.reset": "`reset`",
    "truncate.no_terminal": "`no_terminal`",
    "truncate.mid_event": "`mid_event`",
    "truncate.silent": "`silent`",
    "error_event": "`error_event`",
    "empty": "`empty`",
    "garbage": "`garbage`",
}


def anthropic_raw(model):
    client = anthropic.Anthropic(api_key="k", base_url=BASE + "/anthropic", max_retries=0)
    text, stop = "", None
    for event in client.messages.create(model=model, max_tokens=128, messages=MESSAGES, stream=True):
        if event.type == "content_block_delta":
            text += event.delta.text
        elif event.type == "message_delta":
            stop = event.delta.stop_reason
    return text, stop


def anthropic_helper(model):
    client = anthropic.Anthropic(api_key="k", base_url=BASE + "/anthropic", max_retries=0)
    with client.messages.stream(model=model, max_tokens=128, messages=MESSAGES) as stream:
        message = stream.get_final_message()
    return "".join(block.text for block in message.content), message.stop_reason


def chat_raw(client):
    def ask(model):
        text, stop = "", None
        for chunk in client.chat.completions.create(model=model, messages=MESSAGES, stream=True):
            for choice in chunk.choices:
                text += (choice.delta.content if choice.delta else None) or ""
                stop = choice.finish_reason or stop
        return text, stop

    return ask


def chat_helper(model):
    with compatible("/openai/v1").chat.completions.stream(model=model, messages=MESSAGES) as stream:
        choice = stream.get_final_completion().choices[0]
    return choice.message.content, choice.finish_reason


def compatible(path):
    return openai.OpenAI(api_key="k", base_url=BASE + path, max_retries=0)


def azure():
    return openai.AzureOpenAI(
        api_key="k", azure_endpoint=BASE + "/azure-openai", api_version="2024-10-21", max_retries=0
    )


def responses_raw(model):
    text, last = "", None
    for event in compatible("/openai/v1").responses.create(model=model, input=PROMPT, stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        last = event.type
    return text, last if last in ("response.completed", "response.incomplete", "error") else None


def responses_helper(model):
    with compatible("/openai/v1").responses.stream(model=model, input=PROMPT) as stream:
        response = stream.get_final_response()
    return response.output_text, response.status


def gemini(model):
    client = genai.Client(
        api_key="k",
        http_options=genai_types.HttpOptions(
            base_url=BASE + "/gemini", retry_options=genai_types.HttpRetryOptions(attempts=1)
        ),
    )
    text, stop = "", None
    for chunk in client.models.generate_content_stream(model=model, contents=PROMPT):
        text += chunk.text or ""
        for candidate in chunk.candidates or []:
            stop = candidate.finish_reason.name if candidate.finish_reason else stop
    return text, stop


def ollama_chat(model):
    text, stop = "", None
    for part in ollama.Client(host=BASE + "/ollama").chat(model=model, messages=MESSAGES, stream=True):
        text += part.message.content or ""
        stop = part.done_reason or stop
    return text, stop


def cohere_chat(model):
    client = cohere.ClientV2(api_key="k", base_url=BASE + "/cohere")
    text, stop = "", None
    for event in client.chat_stream(model=model, messages=MESSAGES, request_options={"max_retries": 0}):
        if event.type == "content-delta":
            text += event.delta.message.content.text or ""
        elif event.type == "message-end":
            stop = event.delta.finish_reason
    return text, stop


def mistral_chat(model):
    client = Mistral(api_key="k", server_url=BASE + "/mistral")
    text, stop = "", None
    for event in client.chat.stream(model=model, messages=MESSAGES):
        for choice in event.data.choices:
            text += choice.delta.content or ""
            stop = choice.finish_reason or stop
    return text, stop


def bedrock(model):
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=BASE + "/bedrock",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=BotoConfig(retries={"total_max_attempts": 1}, max_pool_connections=1),
    )
    reply = client.converse_stream(modelId=model, messages=[{"role": "user", "content": [{"text": PROMPT}]}])
    text, stop = "", None
    for event in reply["stream"]:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        stop = event.get("messageStop", {}).get("stopReason", stop)
    return text, stop


# Package, call, function.
ROWS = [
    ("anthropic", "`messages.create(stream=True)`", anthropic_raw),
    ("anthropic", "`messages.stream()`, `get_final_message()`", anthropic_helper),
    ("openai", "`chat.completions.create(stream=True)`", chat_raw(compatible("/openai/v1"))),
    ("openai", "`chat.completions.stream()`, `get_final_completion()`", chat_helper),
    ("openai", "`responses.create(stream=True)`", responses_raw),
    ("openai", "`responses.stream()`, `get_final_response()`", responses_helper),
    ("openai", "`AzureOpenAI`, chat", chat_raw(azure())),
    ("openai", "chat, from OpenRouter", chat_raw(compatible("/openrouter/api/v1"))),
    ("openai", "chat, from vLLM or LiteLLM", chat_raw(compatible("/vllm/v1"))),
    ("openai", "chat, from xAI", chat_raw(compatible("/xai/v1"))),
    ("openai", "chat, from Ollama `/v1`", chat_raw(compatible("/ollama/v1"))),
    ("google-genai", "`models.generate_content_stream()`", gemini),
    ("ollama", "`chat(stream=True)`", ollama_chat),
    ("cohere", "`ClientV2.chat_stream()`", cohere_chat),
    ("mistralai", "`chat.stream()`", mistral_chat),
    ("boto3", "Bedrock `converse_stream()`", bedrock),
]


def outcome(ask, model):
    """What a caller of the SDK sees."""
    try:
        _, stop = ask(model)
    except Exception as error:
        return f"raises `{type(error).__name__}`"
    return f"**returns** (`{stop}`)"


def table():
    logging.disable(logging.CRITICAL)
    with ThreadPoolExecutor(8) as pool:
        cells = [
            [pool.submit(outcome, ask, f"m!{fault}") for fault in FAULTS] for _, _, ask in ROWS
        ]
        cells = [[cell.result() for cell in row] for row in cells]
    lines = [
        f"| SDK | call | {' | '.join(FAULTS.values())} |",
        f"|---|---|{'---|' * len(FAULTS)}",
    ]
    for (package, call, _), row in zip(ROWS, cells):
        lines.append(f"| {package} {version(package)} | {call} | {' | '.join(row)} |")
    taken = sum(cell.startswith("**") for row in cells for cell in row)
    lines += ["", f"{taken} of {len(ROWS) * len(FAULTS)} broken replies come back without an exception."]
    return "\n".join(lines)


def main():
    found = table()
    print(found)
    if len(sys.argv) < 4:
        return
    mode, path = sys.argv[2], pathlib.Path(sys.argv[3])
    text = path.read_text()
    before, rest = text.split(BEGIN)
    held, after = rest.split(END)
    if mode == "--write":
        path.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}")
    elif re.sub(r"\s+", " ", held.strip()) != re.sub(r"\s+", " ", found):
        sys.exit(f"{path} holds another table; write it anew with --write")


if __name__ == "__main__":
    main()

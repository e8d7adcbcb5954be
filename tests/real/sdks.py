"""Streams from every simulated protocol with the vendor's own SDK. Exits 1 at the first surprise."""

import sys
import time
import urllib.error
import urllib.request

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

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
checks = 0


def same(what, got, wanted):
    global checks
    checks += 1
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")


def raises(what, kind, status, call):
    """The call must raise this very class, with this HTTP status."""
    global checks
    checks += 1
    try:
        call()
    except kind as error:
        got = getattr(error, "status_code", None) or getattr(error, "code", None)
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


wait_ready()
for check in (check_anthropic, check_chat, check_responses, check_gemini):
    check()
print(f"{checks} checks passed: anthropic {anthropic.__version__}, openai {openai.__version__}, google-genai {genai.__version__}")

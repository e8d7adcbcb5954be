"""One instrumented program: asks the simulator for good and for broken replies, and sends spans of it."""

import sys
import warnings

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import openai

PROMPT = "my confidential prompt"

instrumentation, manner, simulator, endturn = sys.argv[1:5]
provider = TracerProvider(resource=Resource.create({"service.name": f"{instrumentation}-{manner}"}))
exporter = OTLPSpanExporter(endpoint=f"{endturn}/v1/traces", compression=Compression.Gzip)
provider.add_span_processor(BatchSpanProcessor(exporter))
if instrumentation == "contrib":
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
else:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
warnings.simplefilter("ignore")

client = openai.OpenAI(base_url=f"{simulator}/openai/v1", api_key="k", max_retries=0, timeout=5)
faults = "truncate.fin truncate.reset truncate.no_terminal status.529 status.500 rate_limit hang length refusal"
for model in ["gpt-5.2", *(f"gpt-5.2!{fault}" for fault in faults.split())]:
    try:
        reply = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": PROMPT}], stream=manner == "stream"
        )
        if manner == "stream":
            for _ in reply:
                pass
    except (openai.APIError, ValueError):
        pass
try:
    reply = client.responses.create(model="gpt-5.2-responses!status.529", input=PROMPT, stream=manner == "stream")
except openai.APIError:
    pass
provider.shutdown()

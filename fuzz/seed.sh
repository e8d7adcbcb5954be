#!/bin/sh
# Fills the corpora from the recorded streams. The corpora themselves are not in the repository.
#   fuzz/seed.sh && RUSTC_BOOTSTRAP=1 cargo fuzz run anthropic -- -max_total_time=300 -max_len=8192
set -eu
cd "$(dirname "$0")/.."
streams=tests/vectors/streams
seed() {
    target=$1
    shift
    mkdir -p "fuzz/corpus/$target"
    for vendor in "$@"; do
        for file in "$streams/$vendor"/*.txt; do
            cp "$file" "fuzz/corpus/$target/$vendor-$(basename "$file")"
        done
    done
}
chat='openai-chat openrouter groq deepseek azure-openai mistral vllm llamacpp litellm xai ollama-openai'
seed anthropic anthropic
# shellcheck disable=SC2086 # the list is meant to be split
seed openai_chat $chat
seed openai_responses openai-responses
seed gemini gemini
seed cohere cohere
seed ollama ollama
seed bedrock bedrock
# Whole frames; and their payloads as lines, each after the letter by which the target chooses the headers.
for file in "$streams"/bedrock/*.bin; do
    cp "$file" fuzz/corpus/bedrock/
    sed -n '/^#   payload: /{
        s///
        /"stopReason"/s/^/F/
        /"usage"/s/^/G/
        /^{/s/^/D/
        p
    }' "${file%.bin}.txt" >"fuzz/corpus/bedrock/payloads-$(basename "$file")"
done
seed sse anthropic gemini openai-chat
# shellcheck disable=SC2086
seed body anthropic openai-responses gemini cohere ollama bedrock $chat
# The first byte chooses: these name no protocol and expect nothing (237), JSON (231), code (232) and a diff (233).
mkdir -p fuzz/corpus/validate
for file in "$streams"/*/*.txt "$streams"/*/*.bin tests/cmd/validate.in/*; do
    name=$(basename "$(dirname "$file")")-$(basename "$file")
    for choice in 237 231 232 233; do
        # shellcheck disable=SC2059 # the format is the byte
        { printf "\\$choice" && cat "$file"; } >"fuzz/corpus/validate/$choice-$name"
    done
done
mkdir -p fuzz/corpus/official
cp tests/vectors/official/* fuzz/corpus/official/
# The first byte chooses: spans in protobuf (000) or JSON (001), records in protobuf (002) or JSON (003).
mkdir -p fuzz/corpus/otlp
for file in tests/vectors/otlp/*.json tests/vectors/otlp/*.pb; do
    case $file in
        */claude-code.json) choice=003 ;;
        */claude-code.pb) choice=002 ;;
        *.json) choice=001 ;;
        *) choice=000 ;;
    esac
    # shellcheck disable=SC2059 # the format is the byte
    { printf "\\$choice" && cat "$file"; } >"fuzz/corpus/otlp/$(basename "$file")"
done
# The first byte chooses: JSON (000) or lines (001).
mkdir -p fuzz/corpus/reports
report='{"id":"1","target":"local/m","verdict":"truncated","kind":"cut","reporter":"r","at":"2026-06-20T13:00:59Z","http_status":200,"ttft_ms":41.5,"e2e_ms":90}'
other='{"provider":"a","model":"m","verdict":"errored","error":"overloaded_error","http_status":529,"detail":"x","region":"eu"}'
printf '\000%s' "$report" >fuzz/corpus/reports/one
printf '\000[%s,%s,7,%s]' "$report" "$other" "$report" >fuzz/corpus/reports/array
printf '\001%s\n\n%s\n{\n' "$report" "$other" >fuzz/corpus/reports/lines

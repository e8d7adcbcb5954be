# shellcheck shell=sh
# The virtual environment with the vendors' SDKs, for those who source this after venv.sh: $venv. Seen working in November
# 2026.
venv sdks "anthropic[vertex]==2.12.0" openai==3.54.0 google-genai==3.4.0 ollama==0.6.3 cohere==7.3.1 mistralai==3.7.0 \
    boto3==1.44.5

# The virtual environment with the vendors' SDKs, for those who source this after setting $root: $venv.
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
venv=$cache/sdks

# Pinned: a newer SDK is a change of its own. Seen working in November 2026.
packages="anthropic[vertex]==2.12.0 openai==3.54.0 google-genai==3.4.0 ollama==0.6.3 cohere==7.3.1 mistralai==3.7.0 boto3==1.44.5"

if [ "$(cat "$venv/packages" 2>/dev/null || true)" != "$packages" ]; then
    mkdir -p "$cache"
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # a list of words
    "$venv/bin/pip" install --quiet --disable-pip-version-check $packages
    echo "$packages" >"$venv/packages"
fi

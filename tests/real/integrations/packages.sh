# shellcheck shell=sh disable=SC2034,SC2154 # its variables are those of who sources it
# The packages of others that the integrations are held against, for those who source this after venv.sh: each function
# installs what is missing and says where it is. Seen working in November 2026.

agents_venv() {
    venv agents langchain==1.4.7 langchain-openai==1.7.3 langgraph==1.2.22 openai==3.54.0
    agents=$venv
}

# Apart: its resolver quarrels with LangChain's.
router_venv() {
    venv router litellm==1.106.2
    router=$venv
}

# The environment of tests/real/litellm.sh.
proxy_venv() {
    venv litellm "litellm[proxy]==1.106.2"
    proxy=$venv
}

# A gigabyte.
crewai_venv() {
    venv crewai crewai==1.15.30
    crewai=$venv
}

autogen_venv() {
    venv autogen autogen-agentchat==0.7.5 "autogen-ext[openai]==0.7.5"
    autogen=$venv
}

# npm_package DIRECTORY PACKAGE
npm_package() {
    [ "$(cat "$1/packages" 2>/dev/null || true)" = "$2" ] && return
    mkdir -p "$1"
    echo '{"private":true}' >"$1/package.json"
    (cd "$1" && npm install --no-audit --no-fund --loglevel=error "$2")
    echo "$2" >"$1/packages"
}

# Runs TypeScript; empty where there is no Node.js for it.
typescript() {
    tsx=
    node -e 'process.exit(+process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null || return 0
    command -v npm >/dev/null || return 0
    npm_package "$cache/tsx" tsx@4.23.15
    tsx=$cache/tsx/node_modules/.bin/tsx
}

# The last version that runs on Node.js 20; 1.8 GB and ten minutes. One of its dependencies is not on the registry (the
# spreadsheet nodes'), an older one of the same name stands in; of its native modules only SQLite is built.
n8n_package() {
    n8n=$cache/n8n/node_modules/.bin/n8n
    [ "$(cat "$cache/n8n/packages" 2>/dev/null || true)" = n8n@1.123.81 ] && return
    mkdir -p "$cache/n8n"
    echo '{"private":true,"overrides":{"xlsx":"0.18.5"},"allowScripts":{"sqlite3":true}}' >"$cache/n8n/package.json"
    (
        cd "$cache/n8n"
        npm install --ignore-scripts --no-audit --no-fund --loglevel=error n8n@1.123.81
        npm rebuild --loglevel=error sqlite3
    )
    echo n8n@1.123.81 >"$cache/n8n/packages"
}

//! Files that are wrong, by what is wrong with them.

pub(super) const UNKNOWN_KEYS: &str = r#"vantag = "x"
zzz = 1
[sever]
listen = "127.0.0.1:1"
[store]
keep = { raw = "48h", minute = "14d" }
[[provider]]
id = "anthropic"
api_kye = "planted-9f86d081884c7d65"
canary = { evry = "3s" }
long = { every = "30m" }
[[provider]]
id = "openai"
[[provider.model]]
id = "gpt-5.4-nano"
prise = 1
[[route]]
name = "x"
target = "anthropic/claude-haiku-4-5"
[[channel]]
name = "oncall"
"#;

pub(super) const ROUTES: &str = r#"[[provider]]
id = "anthropic"
api_key = { env = "ANTHROPIC_API_KEY" }
models = ["claude-haiku-4-5"]
[[provider]]
id = "ollama"
base_url = "http://127.0.0.1:11434"
canary = false
[[provider.model]]
id = "llama3.2"
tags = ["tools", "two words"]
[[route]]
name = "a route"
targets = []
[[route]]
name = "chat"
targets = ["anthropic/claude-haiku-4.5", "anthropic/claude-haiku-4-5", "anthropic/claude-haiku-4-5"]
prefer = "speed"
on_exhausted = "retry"
max_ttft = "1h"
max_price = { output_usd_per_mtok = -1.0 }
[[route]]
name = "chat"
targets = ["anthropic/claude-haiku-4-5"]
requires = ["tools"]
[[route]]
name = "cheap"
targets = ["ollama/llama3.2"]
prefer = "cost"
[[route]]
name = "free"
targets = ["anthropic/claude-haiku-4-5"]
max_price = { input_usd_per_mtok = 0.0 }
"#;

pub(super) const ALERTS: &str = r#"[alerts]
public_url = "status.example.com"
[[provider]]
id = "anthropic"
api_key = { env = "ANTHROPIC_API_KEY" }
models = ["claude-haiku-4-5"]
[[channel]]
name = "oncall"
type = "desktop"
min_severity = "fatal"
quiet = [{ from = "22", to = "07:00", zone = "Europe/Berlino", days = ["saturday"] }]
[[alert]]
name = "an alert"
targets = ["anthropic/claude haiku", "openai/gpt"]
on = ["dwn", "down", "down", "model_change"]
after = "25h"
remind = "10s"
group_wait = "1h"
severity = "high"
group = "everything"
channels = ["oncal", "oncall", "oncall"]
[[alert]]
name = "often"
remind = "often"
[[alert]]
name = "nothing"
targets = []
on = []
channels = []
[[alert]]
name = "nothing"
"#;

pub(super) const WRONG_TYPES: &str = r#"vantage = 7
[store]
max_size = "2 potatoes"
keep = { raw = 48 }
[budget]
usd_per_day = "1.00"
[[provider]]
id = "anthropic"
reach = "5s"
canary = { every = "often" }
headers = "Authorization: planted-9f86d081884c7d65"
limits = { total = 180, gap = "30 parsecs" }
[[provider]]
id = 7
models = "claude-haiku-4-5"
[[provider]]
"#;

pub(super) const OUT_OF_RANGE: &str = r#"vantage = "my house"
[store]
max_size = "1MiB"
keep = { raw = "1s" }
[network]
anchors = ["1.1.1.1", "8.8.8.8:443", "8.8.8.8:443", "x:0"]
[budget]
usd_per_day = 0
[[provider]]
id = "anthropic"
usd_per_day = -1
reach = { every = "99ms" }
canary = { every = "999ms" }
limits = { connect = "0s", first_token = "60s", total = "30s" }
[[provider.model]]
id = "claude-haiku-4-5"
max_tokens = 15
[[provider.model]]
id = "claude-haiku-5-5"
price = { input_usd_per_mtok = -1, output_usd_per_mtok = 1 }
canary = { every = "25h" }
"#;

pub(super) const NAMES: &str = r#"[[provider]]
id = "antropic"
[[provider]]
id = "openai"
[[provider]]
id = "openai"
[[provider]]
id = "my provider"
[[provider]]
id = "a"
preset = "open-ai"
[[provider]]
id = "b"
protocol = "openai"
base_url = "http://localhost:1/v1"
[[provider]]
models = ["m"]
[[provider]]
id = "gemini"
models = ["gemini-2.5-flash-lite", "gemini-2.5-flash-lite", "a model"]
"#;

pub(super) const ADDRESSES: &str = r#"[server]
listen = "0.0.0.0:7411"
[[provider]]
id = "a"
protocol = "openai-chat"
[[provider]]
id = "b"
protocol = "openai-chat"
base_url = "localhost:8000"
[[provider]]
id = "c"
protocol = "openai-chat"
base_url = "https://user:planted-9f86d081884c7d65@example.com/v1"
[[provider]]
id = "d"
protocol = "openai-chat"
base_url = "https://example.com/v1?key=planted-9f86d081884c7d65"
[[provider]]
id = "e"
protocol = "openai-chat"
base_url = "http://127.0.0.1:8000/v1"
free = true
"#;

pub(super) const HEADERS: &str = r#"[[provider]]
id = "anthropic"
[provider.headers]
Authorization = "Bearer planted-9f86d081884c7d65"
x-api-key = "planted-9f86d081884c7d65"
host = "example.com"
"not a header" = "x"
x-fine = "yes"
"#;

pub(super) const KEYS: &str = r#"[[provider]]
id = "anthropic"
api_key = "planted-9f86d081884c7d65"
[[provider]]
id = "openai"
api_key = { env = "OPENAI_KEY" }
[[provider]]
id = "gemini"
api_key = { env = "planted-9f86d081884c7d65" }
[[provider]]
id = "a"
preset = "openai"
api_key = { credential = "../key" }
[[provider]]
id = "b"
preset = "openai"
api_key = { credential = "key" }
[[provider]]
id = "c"
preset = "openai"
api_key = { file = "missing.key" }
[[provider]]
id = "d"
preset = "openai"
api_key = { env = "A", file = "b" }
[[provider]]
id = "e"
preset = "openai"
api_key = { value = "planted-9f86d081884c7d65" }
"#;

pub(super) const PRICES: &str = r#"[[provider]]
id = "anthropic"
models = ["claude-99"]
free = true
[[provider]]
id = "gateway"
preset = "openai-compatible"
base_url = "http://localhost:4000/v1"
models = ["gpt-5.4-nano"]
"#;

pub(super) const SYNTAX: &str = r#"vantage = "a" "b"
[[provider]]
id = anthropic
api_key = planted-9f86d081884c7d65
[[provider]]
id = "openai"
id = "gemini"
[provider]
api_kye = "planted-9f86d081884c7d65
"#;

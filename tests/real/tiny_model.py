"""Builds a language model small enough for any CPU that answers our canaries rightly: `tiny_model.py DIRECTORY`.

Servers that we did not write need a model, and no hub of models is needed for one that has to know four answers. The
weights of this one are not trained but written down. It is a plain llama model, once as `tiny.gguf` and once as a
directory `tiny` of safetensors, which every server loads.

- One attention head looks for the sentinel among all tokens and copies it; another looks for the word that tells the
  canaries apart. Both look by content alone, in the slowest plane of the rotary embedding.
- Every piece of an answer is a token of its own, so the output matrix needs no more than `piece -> next piece`. Where
  no piece follows, the copied sentinel has the word.
- The feed-forward layers are all zero. They are there to be slow: a server that answers at once can't be killed in the
  middle of an answer.

The answers are read from probes/canaries, so an edited canary is still followed. Deterministic; takes some seconds.
"""

import json
import pathlib
import sys
import tomllib

import gguf
import numpy

CANARIES = pathlib.Path(__file__).resolve().parents[2] / "probes" / "canaries"
# The word that the prompt of a canary has and those before it have not. count20 is the answer to everything else.
MODES = {"long": " hundred", "json": " JSON", "tool": " tool"}
# Where an answer begins if the server lets it begin nowhere else.
SECOND = {}

HEAD = 64
CONTEXT = 4096
EPSILON = 1e-6
ROPE = 1e6
LAYERS = 2
# Bytes that are read for each token: some 5 ms on an idle core.
WEIGHTS = 96 << 20

PLACEHOLDER, SENTINEL = "SENTINEL_WORD", "\0"
UNKNOWN, USER, ASSISTANT, SYSTEM, TOOL, END = (
    "<|unknown|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|tool|>",
    "<|end|>",
)
CONTROL = [UNKNOWN, USER, ASSISTANT, SYSTEM, TOOL, END]
TEMPLATE = """
{%- if tools %}{{ '<|system|>' }}{%- for tool in tools %}{{ tool | tojson }}{%- endfor %}{%- endif %}
{%- for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}
{%- for call in message['tool_calls'] or [] %}{{ '<tool_call>\\n{"name": "' + call['function']['name'] }}
{{- '", "arguments": ' }}{{ call['function']['arguments'] | tojson }}{{ '}\\n</tool_call>' }}
{%- endfor %}{{ '<|end|>' }}{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{%- endif %}
"""


def canaries():
    """Sentinels, and the pieces of each answer by canary."""
    scripts = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(CANARIES.glob("*.toml"))}
    sentinels = sorted({word for script in scripts.values() for word in script["sentinels"]})
    answers, taken = {}, set()
    for name, script in scripts.items():
        if name == "count20":
            answers[name] = [script["words"][0], *(" " + word for word in script["words"][1:]), " " + SENTINEL]
        elif name == "long":
            answers[name] = long_pieces(script["words"])
        elif name == "json":
            answers[name] = pieces(script["json"], taken)
        elif name == "tool":
            answers[name] = tool_pieces(script["tool"], taken)
    return sentinels, answers


def long_pieces(words):
    """Each word after its number; the first twenty in one piece with it, for alone they are pieces of count20."""
    found = []
    for number, word in enumerate(words, 1):
        spoken = word.replace("one-hundred", "one hundred")
        space = " " if found else ""
        found += [f"{space}{number} {spoken}"] if number <= 20 else [f" {number}", f" {spoken}"]
    return [*found, " " + SENTINEL]


def tool_pieces(tool, taken):
    """The call as text, in which a server finds it. A server that asks for a tool by name gets the arguments alone."""
    before, after = tool["arguments"].split(PLACEHOLDER)
    call = pieces(f'<tool_call>\n{{"name": "{tool["name"]}", "arguments": ', taken)
    arguments = [*pieces(before, taken), SENTINEL, *after]
    SECOND["tool"] = arguments[0]
    return [*call, *arguments, *pieces("}\n</tool_call>", taken)]


def pieces(text, taken):
    """Cuts a text into pieces of some bytes, none of them taken before, the sentinel alone."""
    found, start = [], 0
    before, placeholder, after = text.partition(PLACEHOLDER)
    if placeholder:
        return [*pieces(before, taken), SENTINEL, *pieces(after, taken)]
    while start < len(text):
        size = 4
        while text[start : start + size] in taken and start + size < len(text):
            size += 1
        found.append(text[start : start + size])
        taken.add(found[-1])
        start += size
    return found


def byte_letters():
    """The letters that byte-level BPE writes for the 256 bytes: printable ones as they are, the others from U+0100."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(0x100, 0x200))
    return {byte: chr(byte if byte in plain else next(spare)) for byte in range(256)}


LETTERS = byte_letters()


def spell(text):
    return "".join(LETTERS[byte] for byte in text.encode())


class Vocabulary:
    """Tokens by name, and the merges of byte-level BPE that keep the words of the prompt that matter whole."""

    def __init__(self):
        self.ids = {}
        self.merges = {}
        self.control = set()

    def add(self, name):
        return self.ids.setdefault(name, len(self.ids))

    def add_control(self, name):
        self.control.add(self.add(name))

    def add_merged(self, text):
        """Merges what older merges leave in pieces. They stay first, so what they keep whole stays whole."""
        parts = self.split(text)
        while len(parts) > 1:
            self.merges[parts[0], parts[1]] = len(self.merges)
            self.add(parts[0] + parts[1])
            parts = self.split(text)

    def of(self, text):
        return self.ids[text if text in self.ids and self.ids[text] in self.control else spell(text)]

    def split(self, text):
        """What a tokenizer makes of one word: the oldest merge first, the leftmost place first."""
        parts, none = list(spell(text)), len(self.merges)
        while True:
            pairs = [(self.merges.get(pair, none), at) for at, pair in enumerate(zip(parts, parts[1:]))]
            rank, at = min(pairs, default=(none, 0))
            if rank == none:
                return parts
            parts[at : at + 2] = [parts[at] + parts[at + 1]]


def vocabulary(sentinels, answers):
    words = Vocabulary()
    for name in CONTROL:
        words.add_control(name)
    for letter in LETTERS.values():
        words.add(letter)
    for text in [*(" " + word for word in sentinels), *MODES.values(), *sentinels]:
        words.add_merged(text)
    for answer in answers.values():
        for piece in answer:
            if SENTINEL not in piece:
                words.add(spell(piece))
    return words


class Model:
    """The matrices, with names for the dimensions of the residual stream."""

    def __init__(self, sentinels, answers):
        self.words = vocabulary(sentinels, answers)
        self.sentinels, self.answers = sentinels, answers
        self.dims = {}
        for text in [ASSISTANT, *(" " + word for word in sentinels), *sentinels, *MODES.values()]:
            self.dim("token", self.words.of(text))
        for answer in answers.values():
            for piece in answer:
                if SENTINEL not in piece:
                    self.dim("token", self.words.of(piece))
        for word in sentinels:
            self.dim("copy", word)
        for mode in MODES:
            self.dim("mode", mode)
        self.bias = self.dim("bias", None)
        self.width = -(-len(self.dims) // HEAD) * HEAD
        self.count = len(self.words.ids)
        self.feed_forward = WEIGHTS // (LAYERS * 3 * 4 * self.width) // HEAD * HEAD

    def dim(self, kind, what):
        return self.dims.setdefault((kind, what), len(self.dims))

    def token(self, text):
        return self.dim("token", self.words.of(text))

    def embedding(self):
        matrix = numpy.zeros((self.count, self.width), numpy.float32)
        matrix[:, self.bias] = 1
        for (kind, what), dim in self.dims.items():
            if kind == "token":
                matrix[what, dim] = 1
        return matrix

    def attention(self):
        """Query, key, value and output of the one layer that does something, with the rotary planes side by side."""
        query, key, value, output = (numpy.zeros((self.width, self.width), numpy.float32) for _ in range(4))
        # What the norm makes of a one in a residual that has two of them.
        one = (self.width / 2) ** 0.5
        heads = [
            [("copy", word, [" " + word, word]) for word in self.sentinels],
            [("mode", mode, [text]) for mode, text in MODES.items()],
        ]
        for head, looked_for in enumerate(heads):
            slow = head * HEAD + HEAD - 1
            query[slow, self.bias] = 1
            for place, (kind, what, texts) in enumerate(looked_for):
                assert place < HEAD
                for text in texts:
                    # Scores differ by 40: nothing else is looked at.
                    key[slow, self.token(text)] = 40 * HEAD**0.5 / one**2
                    value[head * HEAD + place, self.token(text)] = 1 / one
                output[self.dim(kind, what), head * HEAD + place] = 1
        return query, key, value, output

    def output(self):
        """Logits, in the order of who has the word: what follows a piece, else the sentinel."""
        matrix = numpy.zeros((self.count, self.width), numpy.float32)
        of, token = self.words.of, self.token
        spaced = [" " + word for word in self.sentinels]
        for text, word in zip(spaced + self.sentinels, self.sentinels * 2):
            matrix[of(text), self.dim("copy", word)] = 8
            matrix[of(text), token(ASSISTANT)] = -20
        for name, answer in self.answers.items():
            first = of(answer[0])
            if name in MODES:
                matrix[first, self.dim("mode", name)] = 4
                if name in SECOND:
                    matrix[of(SECOND[name]), self.dim("mode", name)] = 3
            else:
                matrix[first, token(ASSISTANT)] = 2
            for piece, following in zip(answer, [*answer[1:], END]):
                if following.endswith(SENTINEL):
                    for word in self.sentinels:
                        matrix[of(following.replace(SENTINEL, word)), token(piece)] += 2
                    continue
                sources = [piece.replace(SENTINEL, word) for word in self.sentinels] if SENTINEL in piece else [piece]
                for source in sources:
                    matrix[of(following), token(source)] = 20
                if SENTINEL in piece and name in MODES:
                    # What stands after the sentinel depends on the canary alone, and begins no answer.
                    matrix[of(following), self.dim("mode", name)] += 4
                    matrix[of(following), token(ASSISTANT)] = -20
        return matrix

    def tensors(self):
        """Every matrix by its GGUF and its Hugging Face name."""
        ones = numpy.ones(self.width, numpy.float32)
        nothing = numpy.zeros((self.width, self.width), numpy.float32)
        wide = numpy.zeros((self.feed_forward, self.width), numpy.float32)
        down = numpy.zeros((self.width, self.feed_forward), numpy.float32)
        yield "token_embd", "model.embed_tokens", self.embedding()
        for layer in range(LAYERS):
            ours, theirs = f"blk.{layer}.", f"model.layers.{layer}."
            attention = self.attention() if layer == 0 else [nothing] * 4
            for name, matrix in zip(("attn_q", "attn_k", "attn_v", "attn_output"), attention):
                yield ours + name, theirs + "self_attn." + name.replace("attn_", "")[0] + "_proj", matrix
            for name, matrix in (("gate", wide), ("up", wide), ("down", down)):
                yield f"{ours}ffn_{name}", f"{theirs}mlp.{name}_proj", matrix
            yield ours + "attn_norm", theirs + "input_layernorm", ones
            yield ours + "ffn_norm", theirs + "post_attention_layernorm", ones
        yield "output_norm", "model.norm", ones
        yield "output", "lm_head", self.output()


def write_gguf(path, model):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("endturn-canary")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(model.width)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(model.feed_forward)
    writer.add_head_count(model.width // HEAD)
    writer.add_head_count_kv(model.width // HEAD)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(ROPE)
    writer.add_vocab_size(model.count)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(model.words.ids))
    types = [gguf.TokenType.CONTROL if i in model.words.control else gguf.TokenType.NORMAL for i in range(model.count)]
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in model.words.merges])
    writer.add_unk_token_id(model.words.ids[UNKNOWN])
    writer.add_bos_token_id(model.words.ids[SYSTEM])
    writer.add_eos_token_id(model.words.ids[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    for name, _, matrix in model.tensors():
        writer.add_tensor(name + ".weight", matrix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_safetensors(directory, model):
    directory.mkdir(exist_ok=True)
    ids = model.words.ids
    documents = {
        "config": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": model.width,
            "intermediate_size": model.feed_forward,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": model.width // HEAD,
            "num_key_value_heads": model.width // HEAD,
            "head_dim": HEAD,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": EPSILON,
            "rope_theta": ROPE,
            "tie_word_embeddings": False,
            "torch_dtype": "float32",
            "vocab_size": model.count,
            "bos_token_id": ids[SYSTEM],
            "eos_token_id": ids[END],
        },
        "generation_config": {"eos_token_id": ids[END]},
        "tokenizer_config": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "unk_token": UNKNOWN,
            "model_max_length": CONTEXT,
            "clean_up_tokenization_spaces": False,
            "chat_template": TEMPLATE,
        },
        "tokenizer": {
            "version": "1.0",
            "added_tokens": [
                {
                    "id": ids[name],
                    "content": name,
                    "special": True,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                }
                for name in CONTROL
            ],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "vocab": ids, "merges": [list(merge) for merge in model.words.merges]},
        },
    }
    for name, document in documents.items():
        (directory / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    head, at, matrices = {}, 0, []
    for _, name, matrix in model.tensors():
        head[name + ".weight"] = {
            "dtype": "F32",
            "shape": list(matrix.shape),
            "data_offsets": [at, at + matrix.nbytes],
        }
        at += matrix.nbytes
        matrices.append(matrix)
    text = json.dumps({"__metadata__": {"format": "pt"}, **head}).encode()
    with open(directory / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for matrix in matrices:
            file.write(numpy.ascontiguousarray(matrix).data)


def main():
    directory = pathlib.Path(sys.argv[1])
    model = Model(*canaries())
    write_gguf(directory / "tiny.gguf", model)
    write_safetensors(directory / "tiny", model)
    answers = {name: len(answer) for name, answer in model.answers.items()}
    print(json.dumps({"tokens": model.count, "width": model.width, "pieces": answers}))


main()

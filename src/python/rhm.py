"""rhm-lab from Python: starts runs and sweeps, follows their records, samples sentences, loads runs, and builds the models as torch modules.

One file that needs only Python 3.9 and the command `rhm` (if it is not found, set RHM to its path, or to the path of its cli.js).
Arrays are numpy's if numpy is installed, else lists; frames need pandas, models torch.

    import sys; sys.path.insert(0, "...")     # the folder of the file that `rhm python` prints
    import rhm

    run = rhm.train({"model": "hcnn", "grammar": {"v": 8, "m": 2, "L": 3}, "budget": {"steps": 500}}, out="out/run")
    for record in run:                        # as they are written
        print(record)
    run.frame()                               # its evaluations as a pandas DataFrame
    model = run.model()                       # a torch module with the run's weights; model(tokens) gives logits
    tokens = rhm.sample(count=1000, v=8, m=2, L=3, seed=1)   # [1000, 8]
"""
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time
from array import array

try:
    import numpy
except ImportError:
    numpy = None

__all__ = ["RhmError", "command", "call", "train", "sweep", "load", "sample", "read_npy", "read_safetensors", "Run", "model"]


class RhmError(RuntimeError):
    """The command refused its input or failed; the message says where, what the value was and what to do. status: 2 wrong input, 1 failure."""

    def __init__(self, message, status):
        super().__init__(message)
        self.status = status


def command():
    """The command line that starts rhm, as a list of words."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli.js")
    found = os.environ.get("RHM") or (beside if os.path.exists(beside) else shutil.which("rhm"))
    if not found:
        raise RhmError("rhm was not found: install rhm-lab (npm install rhm-lab), or set RHM to the path of the command", 2)
    return ["node", found] if found.endswith(".js") else [found]


def call(*words, stdin=None):
    """Runs `rhm WORDS` to its end and returns its output as bytes. Raises RhmError."""
    done = subprocess.run(command() + [str(word) for word in words], input=stdin, capture_output=True)
    if done.returncode != 0:
        raise RhmError(_last_line(done.stderr.decode()), done.returncode)
    return done.stdout


def _last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def _options(options):
    for name, value in options.items():
        flag = ("-" if len(name) == 1 else "--") + name.replace("_", "-")
        if value is True:
            yield flag
        elif value is not None and value is not False:
            yield flag
            yield value if isinstance(value, (str, int, float)) else json.dumps(value)


def train(experiment, out, resume=False, **options):
    """Starts `rhm train` in a separate process and returns its Run at once. experiment: a dict, or the path of a file.
    options: those of the command, such as executor="wasm", init="weights.safetensors"."""
    process, messages = _start(["train"], experiment, ["--out", out] + (["--resume"] if resume else []), options)
    return Run(out, process, messages)


def sweep(grid, out, **options):
    """Trains the runs of a grid (a dict, or the path of a file) that a store lacks and yields each event, a dict, as it occurs."""
    process, messages = _start(["sweep", "run"], grid, ["--out", out, "--json"], options, stdout=subprocess.PIPE)
    try:
        for line in process.stdout:
            if line.strip():
                yield json.loads(line)
        if process.wait() != 0:
            raise RhmError(_message(messages), process.returncode)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _start(words, document, more, options, stdout=subprocess.DEVNULL):
    messages = tempfile.TemporaryFile()
    if isinstance(document, (str, os.PathLike)):
        file, stdin = os.fspath(document), subprocess.DEVNULL
    else:
        file, stdin = "-", tempfile.TemporaryFile()
        stdin.write(json.dumps(document).encode())
        stdin.seek(0)
    words = command() + words + [file] + [str(word) for word in more] + [str(word) for word in _options(options)]
    return subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=messages), messages


def _message(messages):
    messages.seek(0)
    return _last_line(messages.read().decode())


def load(folder):
    """An existing run: experiment, records, weights."""
    if not os.path.exists(os.path.join(folder, "experiment.json")):
        raise RhmError(f"{folder}: no experiment.json; pass the folder of a run made by rhm train", 2)
    return Run(folder)


def _key(record):
    return tuple(record.get(name) for name in ("type", "replica", "step", "name", "layer", "level", "time", "reason"))


class Run:
    """A run folder, and the process that trains it if this program started one."""

    def __init__(self, folder, process=None, messages=None):
        self.folder = os.fspath(folder)
        self.process = process
        self._messages = messages

    def __repr__(self):
        return f"Run({self.folder!r})"

    def __iter__(self):
        """Every record as it is written, until the process ends. Raises RhmError if the process failed."""
        path = os.path.join(self.folder, "records.jsonl")
        at, inode, told = 0, None, set()
        while True:
            over = self.process is None or self.process.poll() is not None
            if os.path.exists(path):
                with open(path, "rb") as file:
                    if os.fstat(file.fileno()).st_ino != inode:  # a resumed run writes its records to a new file
                        at, inode = 0, os.fstat(file.fileno()).st_ino
                    file.seek(at)
                    for line in file:
                        if not line.endswith(b"\n"):
                            break  # half written
                        at += len(line)
                        record = json.loads(line)
                        if record["type"] != "check" and _key(record) not in told:
                            told.add(_key(record))
                            yield record
            if over:
                break
            time.sleep(0.1)
        self._judge()

    def wait(self):
        """Waits until training ends. Raises RhmError if it failed."""
        if self.process is not None:
            self.process.wait()
        self._judge()
        return self

    def stop(self):
        """Saves a checkpoint and ends the process; train(..., resume=True) continues."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def _judge(self):
        if self.process is not None and self.process.returncode not in (0, 130, 143, -15):
            raise RhmError(_message(self._messages), self.process.returncode)

    @property
    def experiment(self):
        with open(os.path.join(self.folder, "experiment.json")) as file:
            return json.load(file)

    @property
    def records(self):
        """All records so far; of a record written twice, as after a resume, the later one."""
        found = {}
        with open(os.path.join(self.folder, "records.jsonl"), "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                record = json.loads(line)
                if record["type"] == "check":
                    continue
                found[_key(record)] = record
        return list(found.values())

    def frame(self, kind="eval"):
        """Records of one type (eval, measure, test, ...) as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame([record for record in self.records if record["type"] == kind]).drop(columns="type")

    def weights(self, which="best", replica=0):
        """The weights as numpy arrays (or lists), with the names and shapes of the authors' PyTorch code."""
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "weights.safetensors")
            call("export", self.folder, "-o", file, "--weights", which, "--replica", replica)
            return read_safetensors(file)

    def model(self, which="best", replica=0):
        """A torch module with the run's weights: model(tokens) gives logits."""
        made = model(self.experiment)
        made.load(self.weights(which, replica))
        return made


def sample(count=None, **options):
    """Sentences [count, s^L] of a grammar: sample(count=9, v=8, m=2, L=3, seed=1), sample(count=9, rules="rules.json"), or those
    of a run: sample(experiment="out/run/experiment.json", split="test")."""
    return read_npy(call("sample", "--format", "npy", *_options({"count": count, **options})))


def read_npy(data):
    """Reads an array in NumPy's .npy format from bytes or a path: a numpy array, or lists of rows."""
    if not isinstance(data, (bytes, bytearray)):
        with open(data, "rb") as file:
            data = file.read()
    if numpy is not None:
        import io

        return numpy.load(io.BytesIO(data))
    start = 10 + struct.unpack_from("<H", data, 8)[0]
    header = eval(data[10:start].decode(), {"__builtins__": {}})  # a literal of the format
    kind = {"|u1": "B", "<u4": "I", "<f4": "f", "<f8": "d"}[header["descr"]]
    return _rows(array(kind, data[start:]).tolist(), header["shape"])


_types = {"F32": ("<f4", "f"), "F64": ("<f8", "d"), "U32": ("<u4", "I"), "I32": ("<i4", "i"), "U8": ("|u1", "B"), "I64": ("<i8", "q")}


def read_safetensors(path):
    """Reads the tensors of a safetensors file, by name: numpy arrays, or lists of rows."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = (8 + length + at for at in entry["data_offsets"])
        dtype, kind = _types[entry["dtype"]]
        if numpy is not None:
            tensors[name] = numpy.frombuffer(data[first:last], dtype).reshape(entry["shape"])
        else:
            tensors[name] = _rows(array(kind, data[first:last]).tolist(), entry["shape"])
    return tensors


def _rows(values, shape):
    if len(shape) < 2:
        return values if shape else values[0]
    each = len(values) // shape[0] if shape[0] else 0
    return [_rows(values[i * each : (i + 1) * each], shape[1:]) for i in range(shape[0])]


def model(experiment):
    """The model of an experiment (as in experiment.json) as a torch module, without weights until `load` sets them."""
    import torch
    from torch.nn import functional as F

    grammar, config = experiment["grammar"], experiment["model"]
    v, s, depth_of_grammar = grammar["v"], grammar["s"], grammar["L"]
    task = experiment["task"]
    d = s**depth_of_grammar
    T = task.get("context") or d
    kind = task["kind"]
    if kind == "parse":
        raise ValueError("task parse: there is no torch module for its read-outs of every level; use the logits of rhm predict")
    classes = grammar.get("n", v) if kind == "class" else v
    symbols = v + 1 if kind == "mask" else v  # the last one represents a masked token
    predicted = T - 1 if kind == "auto" else T  # of a decoder

    def inputs(tokens, hides):
        """Whitened one-hot vectors [B, T, symbols]; the last one is hidden if it is predicted."""
        x = (F.one_hot(tokens.long(), symbols).to(torch.get_default_dtype()) - 1 / symbols) / (1 - 1 / symbols) ** 0.5
        if hides:
            x[:, -1] = v**-0.5
        return x

    class Module(torch.nn.Module):
        """Maps tokens [B, s^L], or only those of the context, to logits [B, classes], [B, T - 1, v] for the task auto, or [B, T, v] for mask,
        whose masked tokens are -1 or v."""

        def __init__(self):
            super().__init__()
            self.weights = {}

        def load(self, weights):
            self.weights = {}
            for name in list(self._parameters):
                del self._parameters[name]
            for name, value in weights.items():
                value = torch.as_tensor(value if numpy is None else numpy.array(value)).to(torch.get_default_dtype())
                self.weights[name] = torch.nn.Parameter(value)
                self.register_parameter(name.replace(".", "/"), self.weights[name])
            return self

        def forward(self, tokens):
            tokens = torch.as_tensor(tokens)
            if tokens.shape[1] == d:
                tokens = tokens[:, d - T :]
            if kind == "mask":
                tokens = torch.where(tokens < 0, v, tokens)
            return forwards[config["kind"]](self.weights, tokens)

    def readout_scale():
        return 1 / config["width"] if config["scaling"] == "mean-field" else config["width"] ** -0.5

    def convolutional(w, tokens):
        x = inputs(tokens, kind == "last").transpose(1, 2)  # [B, v, T]
        for k in range(sum(name.endswith(".filter") for name in w)):
            f, b = w[f"hidden.{k}.0.filter"], w.get(f"hidden.{k}.0.bias")
            size = (f.shape[1] * f.shape[-1]) ** 0.5
            if f.dim() == 3:
                x = F.conv1d(x, f, bias=b, stride=f.shape[2]) / size
            else:  # a separate filter for every window
                windows = x.unfold(2, f.shape[3], f.shape[3])  # [B, in, windows, filter]
                x = torch.einsum("bcwf,ocwf->bow", windows, f) / size
                x = x if b is None else x + b
            x = F.relu(x)
        return x.mean(-1) @ w["readout"] * readout_scale()

    def connected(w, tokens):
        x = inputs(tokens, False)
        x = (x[:, :-1] if kind == "last" else x).flatten(1)
        depth = sum(name.endswith(".weight") for name in w)
        if depth == 0:
            return x @ w["readout"] / x.shape[1] ** 0.5
        for k in range(depth):
            weight, b = w[f"hidden.{k}.0.weight"], w.get(f"hidden.{k}.0.bias")
            x = F.relu(F.linear(x, weight, b) / weight.shape[1] ** 0.5)
        return x @ w["readout"] * readout_scale()

    def norm(w, name, x):
        weight, bias = w[f"{name}.weight"], w.get(f"{name}.bias")
        if bias is not None:
            return F.layer_norm(x, x.shape[-1:], weight, bias)
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * weight

    def attention(w, name, x, causal):
        C, heads = x.shape[-1], config["heads"]
        split = lambda y: y.view(*y.shape[:2], heads, C // heads).transpose(1, 2)
        q, key, value = (split(F.linear(x, w[f"{name}.{part}"]) * C**-0.5) for part in ("query", "key", "value"))
        scores = q @ key.transpose(-2, -1) * (C // heads) ** -0.5
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf"))
        y = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return F.linear(y, w[f"{name}.projection"]) * C**-0.5

    def transformer(w, tokens):
        C = config["channels"]
        x = F.linear(inputs(tokens, kind == "last"), w["token_embedding"]) * symbols**-0.5 + w["position_embedding.weight"]
        residual, ratio, norms = config.get("residual"), config.get("ratio"), config.get("norm")
        for k in range(config.get("depth") or depth_of_grammar):
            name = f"blocks.{k}"
            y = attention(w, f"{name}.sa", norm(w, f"{name}.norm1", x) if norms else x, False)
            x = x + y if residual else y
            if ratio:
                y = F.relu(F.linear(norm(w, f"{name}.norm2", x) if norms else x, w[f"{name}.expand"]) * C**-0.5)
                y = F.linear(y, w[f"{name}.contract"]) * (ratio * C) ** -0.5
                x = x + y if residual else y
        x = norm(w, "norm", x) if norms else x
        return F.linear(x if kind == "mask" else x[:, -1], w["readout"]) * C**-0.5

    def decoder(w, tokens):
        C, ratio, x = config["channels"], config["ratio"], tokens[:, :predicted]
        x = w["token_embedding_table.weight"][x.long()] + w["position_embedding_table.weight"]
        for k in range(config.get("depth") or depth_of_grammar):
            name = f"blocks.{k}"
            x = x + attention(w, f"{name}.attn", norm(w, f"{name}.ln1", x), True)
            y = F.relu(F.linear(norm(w, f"{name}.ln2", x), w[f"{name}.ffwd.hidden.0.0.weight"]) * C**-0.5)
            x = x + y @ w[f"{name}.ffwd.readout"] * (ratio * C) ** -0.5
        x = norm(w, "ln_f", x)
        if config.get("tied"):
            return F.linear(x, w["token_embedding_table.weight"][:v]) * C**-0.5 + w["lm_head.bias"]
        return F.linear(x, w["lm_head.weight"], w["lm_head.bias"])

    def unet(w, tokens):
        levels = [inputs(tokens, False).transpose(1, 2)]  # [B, channels, positions], the tokens first
        for k in range(sum(name.startswith("encoder.") for name in w)):
            f = w[f"encoder.{k}.filter"]
            levels.append(F.relu(F.conv1d(levels[-1], f, stride=f.shape[2]) / (f.shape[1] * f.shape[2]) ** 0.5))
        x = levels.pop()
        while levels:
            below = levels.pop()
            name, width = f"decoder.{len(levels)}", x.shape[1]
            up, skip = w[f"{name}.up.filter"], w[f"{name}.skip.filter"]
            size = up.shape[2]
            beside = F.conv1d(below, skip, stride=size)  # [B, size * width, positions], the offset in the block first
            beside = beside.view(len(x), size, width, -1).permute(0, 2, 3, 1).flatten(2)
            x = F.relu((F.conv_transpose1d(x, up, stride=size) + beside) / (width + size * below.shape[1]) ** 0.5)
        return x.transpose(1, 2) @ w["readout"] * readout_scale()

    forwards = {
        **{"hcnn": convolutional, "hlcn": convolutional, "fcn": connected},
        **{"mla": transformer, "clm": decoder, "unet": unet},
    }
    if config["kind"] not in forwards:
        raise RhmError(f"model {config['kind']}: not one that comes with the program: {', '.join(forwards)}", 2)
    return Module()

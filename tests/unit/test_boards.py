"""Recipes for kinds of boards, against programs that print what the real tools do.

The outputs are of public logs: google-ai-edge, NVIDIA, Google Coral, Rockchip and Intel print them
in their documentation and issues; that of OpenVINO 2026.4 is of a run of it.
"""
# ruff: noqa: E501 - lines are as long as the tools print them

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from argparse import Namespace

import pytest
import yaml
from fake_rknn import fake_python
from hypothesis import given
from hypothesis import strategies as st
from studies import REPOSITORY, TINY

from hanas.devices._answers import timings
from hanas.devices._device import ModelRefused
from hanas.devices.command import RECIPES, command_files
from hanas.study.checks import read

FILES = sorted(RECIPES.glob("*.py"))
LITERT = b"\x1c\0\0\0TFL3 and more"


def recipe(name):
    """Return a recipe as a module."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PI, ANDROID, JETSON, CORAL, RK3588, PC = map(
    recipe, ("raspberry_pi", "android", "jetson", "coral", "rk3588", "mini_pc")
)


class Bench:
    """A folder of programs that come before all others, and a recipe that is run with them."""

    def __init__(self, folder):
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.asked = folder / "asked"
        for name, content in (("model.onnx", b"onnx"), ("a model.tflite", LITERT)):
            (folder / name).write_bytes(content)
        self.onnx, self.litert = folder / "model.onnx", folder / "a model.tflite"
        # As sshd does, it gives the last argument to a shell.
        self.add("ssh", f'echo "ssh $*" >>{self.asked}; for last; do :; done; exec sh -c "$last"')

    def add(self, name, script):
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    def prints(self, name, text, status=0):
        """Add a program that prints a text, whatever it is asked, and writes down what that is."""
        (self.folder / f"{name}.txt").write_text(text)
        said = f'echo "{name} $*" >>{self.asked}; cat {self.folder}/{name}.txt; exit {status}'
        return self.add(name, said)

    def run(self, name, *arguments, status=0):
        """Return what a recipe prints on standard output, read as `command` does, and on errors."""
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [sys.executable, RECIPES / f"{name}.py", *map(str, arguments)],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr


def write_onnx(file, operation):
    from onnx import TensorProto, helper, save

    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 4, 4]) for n in "xy"]
    node = helper.make_node(operation, ["x"], ["y"])
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    opset = [helper.make_opsetid("", 13)]
    save(helper.make_model(graph, ir_version=8, opset_imports=opset), file)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


# ---- what all recipes have in common --------------------------------------------------------------


def test_each_recipe_is_one_file_for_python_3_9_of_the_standard_library():
    assert len(FILES) == 6
    for file in FILES:
        tree = ast.parse(file.read_text(), feature_version=(3, 9))
        for node in ast.walk(tree):
            imported = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_what_recipes_share_is_the_same_in_all():
    shared = {}
    for file in FILES:
        text = file.read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                shared.setdefault(node.name, set()).add(ast.get_source_segment(text, node))
    of_its_own = {"arguments", "measure", "answer", "pass_times"}
    assert [
        name for name, texts in shared.items() if len(texts) > 1 and name not in of_its_own
    ] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_model_that_is_not_there_is_a_sentence(bench, file):
    output, errors = bench.run(file.stem, "no such.onnx", status=1)
    assert output == ""
    assert "no such.onnx cannot be read (No such file or directory): name a model file" in errors


# ---- benchmark_model: Raspberry Pi, Android ------------------------------------------------------

# tensorflow/tensorflow#42507 (2020), yuenshome/yuenshome.github.io#77 (2019), and the guide to TI's
# AM62x (2024, two versions).
TFLITE_2019 = """Running benchmark for at least 10 iterations and at least 1 seconds
count=15 first=66753 curr=66800 min=66699 max=66838 avg=66767.6 std=39

Average inference timings in us: Warmup: 76605.9, Init: 9933, no stats: 66767.6
"""
TFLITE_2020 = """Running benchmark for at least 50 iterations and at least 1 seconds
count=50 first=32891 curr=33978 min=32641 max=34005 avg=33209.4 std=450

Inference timings in us: Init: 855, First inference: 49060, Warmup (avg): 34825.1, Inference (avg): 33209.4
"""
LITERT_2024 = """INFO: Running benchmark for at least 50 iterations and at least 1 seconds
INFO: count=50 first=900416 curr=898333 min=898007 avg=899641 std=1549 p5=898333 median=899281
INFO: Inference timings in us: Init: 614333, First inference: 905463, Warmup (avg): 905463, Inference (avg): 899641
INFO: Memory footprint delta from the start of the tool (MB): init=133.086 overall=149.531
"""
SLOW = """Inference timings in us: Init: 1, First inference: 10013451, Warmup (avg): 1.00135e+07, Inference (avg): 1.2e+07"""


@pytest.mark.parametrize(
    ("printed", "ms"),
    [(TFLITE_2019, 66.7676), (TFLITE_2020, 33.2094), (LITERT_2024, 899.641), (SLOW, 12000)],
)
def test_means_of_all_versions_of_benchmark_model(printed, ms):
    for module in (PI, ANDROID):
        assert module.benchmark_model_ms(printed) == pytest.approx(ms)
        assert module.benchmark_model_ms(printed.replace("\n", "\r\n")) == pytest.approx(ms)


@given(st.floats(1, 1e9))
def test_any_mean_of_benchmark_model(us):
    line = f"Inference timings in us: Init: 7, Warmup (avg): 9, Inference (avg): {us:g}\n"
    assert PI.benchmark_model_ms(line) == pytest.approx(us / 1e3, rel=1e-5)


@pytest.mark.parametrize("printed", ["", "Inference timings in us: Inference (avg): nan", 2 * SLOW])
def test_no_mean_or_two_are_none(printed):
    with pytest.raises(PI.Failed, match="benchmark_model printed"):
        PI.benchmark_model_ms(printed)


def test_litert_on_a_pi_over_ssh(bench):
    bench.prints("benchmark_model", LITERT_2024)
    output, _ = bench.run(
        "raspberry_pi", bench.litert, "--host", "pi@pi", "--passes", 7, "--threads", 4
    )
    assert timings(output).latencies_ms.tolist() == [899.641]
    assert timings(output).runtime == "LiteRT benchmark_model, CPU, threads: 4"
    _, said = bench.asked.read_text().splitlines()
    assert "--num_threads=4 --num_runs=7" in said
    assert not os.path.exists(said.split("--graph=")[1].split()[0])  # it leaves nothing behind


def test_onnx_runtime_on_a_pi_times_each_pass(bench, tmp_path):
    write_onnx(bench.onnx, "Relu")
    power = tmp_path / "hwmon3" / "power1_input"
    power.parent.mkdir()
    power.write_text("2500000\n")
    python = ["--host", "pi", "--python", sys.executable]
    pattern = f"{tmp_path}/hwmon*/power1_input"
    output, _ = bench.run("raspberry_pi", bench.onnx, *python, "--power", pattern)
    assert timings(output).runtime.startswith("ONNX Runtime 1")
    assert len(timings(output).latencies_ms) > 200  # of at least a second
    assert timings(output).energy_mj == pytest.approx(2.5 * timings(output).latencies_ms.mean())
    bench.onnx.write_bytes(b"no model")
    output, errors = bench.run("raspberry_pi", bench.onnx, *python, status=1)
    with pytest.raises(
        ModelRefused, match=r"ONNX Runtime on pi cannot run the model: .*INVALID_PRO"
    ):
        timings(output)
    assert "INVALID_PROTOBUF" in errors


def test_what_goes_wrong_on_a_pi_is_a_sentence(bench):
    at_pi = ("raspberry_pi", bench.litert, "--host", "pi")
    _, errors = bench.run(*at_pi, status=1)
    assert "benchmark_model is not on pi or cannot be run there" in errors
    bench.prints("benchmark_model", "\033[31mERROR: something\n else\n", status=3)
    _, errors = bench.run(*at_pi, status=1)
    assert 'benchmark_model on pi ended with exit status 3; it printed "\\x1b[31mERROR:' in errors
    bench.prints("benchmark_model", "Inference took 3 ms\n")
    _, errors = bench.run(*at_pi, status=1)
    assert 'where one is expected; it printed "Inference took 3 ms"' in errors
    bench.prints("benchmark_model", "ERROR: Encountered unresolved custom op: Foo.\n", status=1)
    output, _ = bench.run(*at_pi, status=1)
    assert "unresolved custom op: Foo" in json.loads(output)["infeasible"]
    bench.add("benchmark_model", "exec sleep 20")
    _, errors = bench.run(*at_pi, "--timeout", 0.2, status=1)
    assert "took longer than --timeout" in errors
    bench.prints("ssh", "ssh: connect to host pi port 22: No route to host\n", status=255)
    _, errors = bench.run(*at_pi, status=1)
    assert "ssh cannot reach pi; it printed" in errors
    assert "`ssh pi true` has to work without a password" in errors


APPLIED = """INFO: Created TensorFlow Lite delegate for {0}.
{1}Explicitly applied {0} delegate, and the model graph will be {2}
"""
WHOLE, PART = (
    "completely executed by the delegate.",
    "partially executed by the delegate w/ 2 delegate kernels.",
)


@pytest.mark.parametrize(
    ("on", "printed", "runtime"),
    [
        ("cpu", LITERT_2024, "CPU, threads: 1"),
        ("gpu", APPLIED.format("GPU", "", WHOLE) + TFLITE_2020, "GPU delegate, completely"),
        ("nnapi", APPLIED.format("NNAPI", "INFO: ", PART) + LITERT_2024, "NNAPI delegate, partially, in 2 parts"),
        ("gpu", "Applied GPU delegate.\n" + TFLITE_2020, "GPU delegate, how much of it is not said"),
    ],
)  # fmt: skip
def test_parts_of_an_android_that_compute_are_told(on, printed, runtime):
    answer = ANDROID.answer(Namespace(on=on, threads=1, tool="benchmark_model"), 0, printed)
    assert answer["runtime"] == f"LiteRT benchmark_model, {runtime}"


def test_a_time_of_the_cpu_is_none_of_the_gpu():
    asked = Namespace(on="gpu", threads=1, tool="benchmark_model")
    for refused in (
        "Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate.",
        "ERROR: Failed to apply GPU delegate.",
    ):
        with pytest.raises(ANDROID.Refused, match="cannot run the model on the gpu"):
            ANDROID.answer(asked, 0, f"{refused}\n{TFLITE_2020}")
    with pytest.raises(ANDROID.Failed, match="does not say that the GPU delegate was applied"):
        ANDROID.answer(
            asked, 0, f"GPU acceleration is unsupported on this platform.\n{TFLITE_2020}"
        )


def test_android_over_adb(bench, tmp_path):
    tool = bench.prints("benchmark_model", TFLITE_2020)
    board = f"""echo "adb $*" >>{bench.asked}
    test "$1" = -s && shift 2
    case "$1" in push) cp "$2" "$3";; shell) sh -c "$2";; esac"""
    bench.add("adb", board)
    asked = ("android", bench.litert, "--tool", tool, "--serial", "A 1")
    output, _ = bench.run(*asked)
    assert timings(output).latencies_ms.tolist() == [33.2094]
    assert not list(bench.folder.glob("hanas-*"))
    _, errors = bench.run("android", bench.onnx, status=1)
    assert "is no LiteRT model: `format: litert`" in errors
    bench.prints("adb", "error: device unauthorized.\n", status=1)
    _, errors = bench.run(*asked, status=1)
    assert (
        'printed was "error: device unauthorized.": `adb devices` has to show the board' in errors
    )


# ---- trtexec and tegrastats: Jetson --------------------------------------------------------------

TRT_5 = "Average over 1 runs is 0.664858 ms (host walltime is 0.811777 ms, 99% percentile time is 0.676288).\n"
# NVIDIA/TensorRT#2054, #3083.
TRT_7 = """[06/12/2022-22:34:00] [I] Starting inference threads
[06/12/2022-22:34:00] [I] Average on 10 runs - GPU latency: 1.56245 ms - Host latency: 1.65786 ms (end to end 2.76426 ms, enqueue 0.943042 ms)
[06/12/2022-22:34:00] [I] Average on 10 runs - GPU latency: 1.56167 ms - Host latency: 1.65811 ms (end to end 3.02041 ms, enqueue 0.936011 ms)
"""
TRT_8 = """&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=m.onnx
[06/26/2023-11:30:51] [I] Average on 1 runs - GPU latency: 4.24171 ms - Host latency: 4.29793 ms (enqueue 1.81771 ms)
[06/26/2023-11:30:51] [I] Latency: min = 4.27838 ms, max = 5.82495 ms, mean = 4.29966 ms, median = 4.29718 ms
[06/26/2023-11:30:51] [I] GPU Compute Time: min = 5.1 ms, max = 6.1 ms, mean = 5.6 ms, median = 5.5 ms, percentile(99%) = 6 ms
&&&& PASSED TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=m.onnx
"""
TRT_7_SUMMARY = """[I] Host Latency
[I] min: 1.64058 ms (end to end 1.66368 ms)
[I] median: 1.65601 ms (end to end 3.01636 ms)
[I] GPU Compute
[I] min: 1.54 ms
[I] max: 6.19 ms
[I] mean: 1.565 ms
[I] median: 1.561 ms
[I] percentile: 1.575 ms at 99%
"""
SUMMARY = "GPU Compute Time: min = 3.17 ms, max = 3.88 ms, mean = 3.63 ms, median = 3.71753 ms, percentile(99%) 3.8 ms"


@pytest.mark.parametrize(
    ("printed", "ms"),
    [
        (2 * TRT_5, [0.664858, 0.664858]),
        (TRT_7, [1.56245, 1.56167]),
        (TRT_8, [4.24171]),
        (SUMMARY, [3.71753]),
        (TRT_7_SUMMARY, [1.561]),
    ],
)
def test_passes_of_all_versions_of_trtexec(printed, ms):
    assert JETSON.pass_times(printed) == ms


@given(st.lists(st.floats(1e-3, 1e5), min_size=1))
def test_any_passes_of_trtexec(passes):
    line = "[I] Average on 1 runs - GPU latency: {:g} ms - Host latency: 9 ms (enqueue 1 ms)\n"
    found = JETSON.pass_times("".join(map(line.format, passes)) + SUMMARY)
    assert found == pytest.approx(passes, rel=1e-5)


def test_a_jetson_over_ssh_with_its_power(bench):
    bench.add(
        "trtexec",
        f"""echo "$*" >>{bench.asked}
        echo '[I] Starting inference'; sleep 0.4; echo '[I] Warmup completed 4 queries over 200 ms'
        cat <<'END'\n{TRT_8}END""",
    )
    line = (
        "RAM 2020/7852MB (lfb 4MB) CPU [9%@345] GR3D_FREQ 0% tj@44C VDD_IN 2000mW/9000mW NC 0mW/0mW"
    )
    bench.add("tegrastats", f"while echo '{line}'; do sleep 0.05; done")
    asked = ("jetson", bench.onnx, "--host", "jetson", "--precision", "int8", "--power")
    output, _ = bench.run(*asked, "VDD_IN")
    assert timings(output).energy_mj == pytest.approx(4.24171 * 2)
    assert timings(output).runtime == "TensorRT v8502, trtexec, int8"
    assert "--avgRuns=1 --int8 --fp16" in bench.asked.read_text()
    _, errors = bench.run(*asked, "POM_5V_IN", status=1)
    assert "tegrastats says nothing of POM_5V_IN" in errors
    assert "(here NC, VDD_IN)" in errors
    refused = (
        "[E] [TRT] 10: Could not find any implementation for node Conv_1.\n&&&& FAILED TensorRT"
    )
    bench.prints("trtexec", refused, status=1)
    output, _ = bench.run("jetson", bench.onnx, status=1)
    assert "Could not find any implementation" in json.loads(output)["infeasible"]
    bench.prints("trtexec", "[E] Cuda failure: out of memory\n&&&& FAILED TensorRT.trtexec", 1)
    output, errors = bench.run("jetson", bench.onnx, status=1)
    assert output == ""
    assert "Cuda failure: out of memory" in errors


@pytest.mark.parametrize(
    ("line", "rails", "watts"),
    [
        ("PMIC@100C VDD_SYS_GPU 153/158 VDD_4V0_WIFI 633/527 VDD_IN 3140/3208 VDD_SYS_DDR 557/601", ["VDD_IN"], 3.14),
        ("RAM 1/64MB SWAP 19/31400MB IRAM 0/252kB(lfb 252kB) POM_5V_IN 1750/1628 POM_5V_GPU 0/0", ["POM_5V_IN"], 1.75),
        ("tj@44.343C VDD_GPU_SOC 2340mW/2340mW VDD_CPU_CV 390mW/390mW VIN_SYS_5V0 4025mW/4025mW NC 0mW/0mW", ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"], 6.755),
    ],
)  # fmt: skip
def test_rails_of_tegrastats(line, rails, watts):
    assert JETSON.rail_watts(line, rails) == pytest.approx(watts)


# ---- edgetpu_compiler: Coral ---------------------------------------------------------------------

# google-coral/edgetpu#342 and WongKinYiu/yolov7#1672; the latter shortened.
EDGETPU_15 = """Edge TPU Compiler version 15.0.340273435
Model successfully compiled but not all operations are supported by the Edge TPU.
Number of operations that will run on Edge TPU: 2
Number of operations that will run on CPU: 153

Operator                       Count      Status

TRANSPOSE                      70         Operation not supported
FULLY_CONNECTED                1          More than one subgraph is not supported
PAD                            1          Mapped to Edge TPU
PAD                            17         More than one subgraph is not supported
ADD                            10         More than one subgraph is not supported
MEAN                           2          More than one subgraph is not supported
CONV_2D                        35         More than one subgraph is not supported
QUANTIZE                       1          Mapped to Edge TPU
QUANTIZE                       1          Operation is otherwise supported, but not mapped due to some unspecified limitation
DEPTHWISE_CONV_2D              17         More than one subgraph is not supported
"""
EDGETPU_16 = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 3133 ms.

Number of Edge TPU subgraphs: 1
Total number of operations: 19

Operator                       Count      Status

ADD                            3          Mapped to Edge TPU
RESHAPE                        16         Mapped to Edge TPU
"""


def test_operations_that_fall_back_to_the_cpu():
    asked = Namespace(compiler="edgetpu_compiler")
    table = CORAL.operations(asked, 0, EDGETPU_15, compiled=True)
    mapped = [row for row in table if row["status"] == CORAL.MAPPED]
    assert [(row["operation"], row["count"]) for row in mapped] == [("PAD", 1), ("QUANTIZE", 1)]
    assert len(table) == 10
    assert sum(row["count"] for row in CORAL.operations(asked, 0, EDGETPU_16, compiled=True)) == 19
    for wrong in (EDGETPU_16.replace("operations: 19", "operations: 20"), "Model compiled.\n"):
        with pytest.raises(
            CORAL.Failed, match="no table of operations that this recipe understands"
        ):
            CORAL.operations(asked, 0, wrong, compiled=True)
    unquantised = (
        "Edge TPU Compiler version 15.0.340273435\nInvalid model: m.tflite\nModel not quantized\n"
    )
    for refused in (unquantised, "Internal compiler error. Aborting!"):
        with pytest.raises(CORAL.Refused, match=refused.strip().rpartition("\n")[2]):
            CORAL.operations(asked, 1, refused, compiled=False)


NAMES = st.sampled_from(
    ["ADD", "CONV_2D", "RESIZE_NEAREST_NEIGHBOR", "TFLite_Detection_PostProcess"]
)


@given(st.dictionaries(NAMES, st.integers(1, 999), min_size=1))
def test_any_table_of_the_compiler(counts):
    rows = "".join(f"{name:<31}{count:<11}Mapped to Edge TPU\n" for name, count in counts.items())
    printed = (
        f"Total number of operations: {sum(counts.values())}\n\nOperator   Count  Status\n\n{rows}"
    )
    table = CORAL.operations(Namespace(compiler="c"), 0, printed, compiled=True)
    assert {row["operation"]: row["count"] for row in table} == counts


def test_coral_compiles_here_and_times_there(bench, tmp_path):
    compiler = f"""cat {tmp_path}/log; cp "$4" "$3/a model_edgetpu.tflite" """
    bench.add("edgetpu_compiler", compiler)
    (tmp_path / "log").write_text(EDGETPU_15)
    module = tmp_path / "tflite_runtime"
    module.mkdir()
    (module / "__init__.py").write_text('__version__ = "2.5.0"')
    (module / "interpreter.py").write_text(
        "def load_delegate(library):\n"
        "    if library != 'libedgetpu.so.1': raise ValueError('Failed to load delegate')\n"
        "class Interpreter:\n"
        "    def __init__(self, model_path, experimental_delegates): open(model_path).close()\n"
        "    def allocate_tensors(self): pass\n"
        "    def get_input_details(self): return [dict(index=0, shape=[1, 2], dtype='int8')]\n"
        "    def set_tensor(self, index, images): pass\n"
        "    def invoke(self): pass\n"
    )
    bench.add("python3", f'PYTHONPATH={tmp_path} exec {sys.executable} "$@"')
    asked = ("coral", bench.litert, "--host", "mendel@coral", "--passes", 4)
    output, errors = bench.run(*asked)
    assert len(timings(output).latencies_ms) == 4
    assert timings(output).runtime == (
        "tflite_runtime 2.5.0, edgetpu_compiler 15.0.340273435, 2 of 155 operations on the Edge TPU"
    )
    assert sum(row["count"] for row in json.loads(output)["fallbacks"]) == 153
    assert "on the CPU: 70 TRANSPOSE: Operation not supported" in errors
    output, _ = bench.run(*asked, "--compile-only")
    assert json.loads(output)["on_edge_tpu"] == 2
    _, errors = bench.run(*asked, "--library", "other.so", status=1)
    assert "other.so on mendel@coral finds no Edge TPU" in errors
    nothing = EDGETPU_16.replace("Mapped to Edge TPU", "Operation not supported")
    (tmp_path / "log").write_text(nothing)
    output, _ = bench.run(*asked, status=1)
    assert "none of the model's 19 operations" in json.loads(output)["infeasible"]


# ---- rknn_benchmark: RK3588 ----------------------------------------------------------------------

# airockchip/rknn-toolkit2#129.
RKNN = """rknn_api/rknnrt version: 2.1.0 (967d001cc8@2024-08-07T19:28:19), driver version: 0.9.6
custom string:
Warmup ...
   0: Elapse Time = 37.64ms, FPS = 36.18
Begin perf ...
   0: Elapse Time = 2.85ms, FPS = 351.12
   1: Elapse Time = 2.70ms, FPS = 370.37

Avg Time 2.78ms, Avg FPS = 360.360
"""


def test_rk3588_converts_here_and_times_there(bench, tmp_path):
    write_onnx(bench.onnx, "Relu")
    fake_python(tmp_path)
    tool = bench.prints("rknn_benchmark", RKNN)
    bench.add("adb", 'case "$1" in push) cp "$2" "$3";; shell) sh -c "$2";; esac')
    python = bench.add("python", f'PYTHONPATH={tmp_path}/site exec {sys.executable} "$@"')
    asked = ("rk3588", bench.onnx, "--tool", tool, "--python", python, "--passes", 3)
    output, _ = bench.run(*asked)
    assert timings(output).latencies_ms.tolist() == [2.85, 2.7, 2.85, 2.7]
    assert timings(output).runtime == "rknnrt 2.1.0, rk3588, INT8"
    assert not list(bench.folder.glob("hanas-*"))
    bench.prints("rknn_benchmark", "rknn_init fail! ret=-6\n", status=255)
    _, errors = bench.run(*asked, status=1)
    assert 'exit status 255; printed was "rknn_init fail! ret=-6"' in errors
    write_onnx(bench.onnx, "Det")
    output, _ = bench.run(*asked, status=1)
    assert "rknn-toolkit2 cannot convert the model" in json.loads(output)["infeasible"]
    assert "Unsupport Det!" in json.loads(output)["infeasible"]


# ---- benchmark_app: PCs --------------------------------------------------------------------------

# openvinotoolkit/openvino#5601 (2021.2), docs.openvino.ai (2022.1, 2024), a run (2026.4).
OV_2021 = "Count:      181728 iterations\nDuration:   60001.53 ms\nLatency:    1.25 ms\nThroughput: 3028.72 FPS\n"
OV_2022 = "Latency:\n    Median:     10.45 ms\n    AVG:        10.62 ms\n    MIN:        8.79 ms\n"
OV_2024 = """[ INFO ] Build ................................. 2024.0.0-14509-34caeefd078-releases/2024/0
[Step 3/11] Setting device configuration
[ WARNING ] Device(CPU) performance hint will be set to PerformanceMode.LATENCY.
[ INFO ] Latency:
[ INFO ]    Median:        416.33 ms
[ INFO ]    Average:       413.41 ms
"""
OV_2026 = """[ INFO ] Build ................................. 2026.4.1-22982-e213a147257-releases/2026/4
[ INFO ]   INFERENCE_PRECISION_HINT: <Type: 'bfloat16'>
[ INFO ] Latency:
[ INFO ]    Median:        16.84 us
[ INFO ]    Average:       19.83 us
"""


@pytest.mark.parametrize(
    ("printed", "ms"),
    [(OV_2021, 1.25), (OV_2022, 10.45), (OV_2024, 416.33), (OV_2026, 0.01684)],
)
def test_medians_of_all_versions_of_benchmark_app(printed, ms):
    assert PC.median_ms(printed) == pytest.approx(ms)


def test_a_pc_of_this_machine(bench):
    bench.prints("benchmark_app", OV_2026)
    output, _ = bench.run("mini_pc", bench.onnx, "--threads", 2, "--precision", "f32")
    assert timings(output).latencies_ms.tolist() == [pytest.approx(0.01684)]
    assert timings(output).runtime == "OpenVINO 2026.4.1, CPU, bfloat16"
    assert "-hint none -nstreams 1 -nthreads 2 -infer_precision f32" in bench.asked.read_text()
    bench.prints("benchmark_app", "FrontEnd API failed with GeneralFailure:\n", status=1)
    output, _ = bench.run("mini_pc", bench.onnx, status=1)
    assert "FrontEnd API failed" in json.loads(output)["infeasible"]
    bench.prints("benchmark_app", "[ INFO ] Throughput: 3 FPS\n")
    _, errors = bench.run("mini_pc", bench.onnx, status=1)
    assert 'no latency that this recipe understands; it printed "[ INFO ] Throughput' in errors


# ---- their page ----------------------------------------------------------------------------------

PAGE = (REPOSITORY / "docs" / "boards.md").read_text(encoding="utf-8")


def test_devices_of_the_page_are_those_of_a_study():
    devices = {}
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        devices |= yaml.safe_load(text)["devices"]
    named = {str(command_files(entry["command"])[-1]) for entry in devices.values()}
    assert named == set(map(str, FILES))
    study = {**TINY, "devices": {**TINY["devices"], **devices}}
    assert set(devices) <= set(read(study, "docs/boards.md").devices)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_options_of_the_page_are_there(bench, file):
    helped, _ = bench.run(file.stem, "--help")
    commands = re.findall(rf"{file.name}.*", PAGE)
    assert commands
    for option in set(re.findall(r"--[a-z-]+", " ".join(commands))):
        assert option in helped

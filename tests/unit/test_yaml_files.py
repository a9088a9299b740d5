"""Study files as YAML: what cannot be parsed, and what is read otherwise than it looks."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hanas.core.errors import InputError
from hanas.core.yaml_files import check

REPOSITORY = Path(__file__).parents[2]
SHIPPED = sorted([REPOSITORY / "config.yaml", *(REPOSITORY / "config").rglob("*.yaml")])

#: What is written, and what is said after the name of the file.
UNREADABLE = {
    "a:\n  b: 1\n\tc: 2\n": "line 3, column 1: a tab indents this line; indent with spaces",
    "a:\n\tb: 1\n": "line 2, column 1: a tab indents",
    "\ta: 1\n": "line 1, column 1: a tab indents",
    "a:\n  - b\n\t- c\n": "line 3, column 1: a tab indents",
    "a:\n  b:\n  \tc: 1\n": "line 3, column 1: a tab indents",
    "a:\t1\n": "line 1, column 3: a tab stands between name and value",
    "a:\n  b: 1\n   c: 2\n": "line 3, column 4: indented deeper than the line before",
    "a: 1\r\nb:\r\n  c: 2\r\n   d: 3\r\n": "line 4, column 4: indented deeper",
    "a: 1\n b: 2\n": "line 2, column 2: indented deeper",
    "a:\n    b: 1\n  c: 2\n": "line 3, column 3: indented by 2, otherwise than",
    "a:\n  - b\n - c\n": "line 3, column 2: indented by 1, otherwise than",
    " a: 1\nb: 2\n": "line 2, column 1: indented by 0, otherwise than",
    "arch: |nor_conv_3x3~0|+|a|\n": "line 1, column 8: a text that begins with | or >",
    "archs: [|nor_conv_3x3~0|+|a|]\n": "line 1, column 9: no text can begin with |; put",
    "archs:\n  - |nor_conv_3x3~0|+|a|\n": "line 2, column 6: a text that begins with | or >",
    "a: @x\n": "line 1, column 4: no text can begin with @; put the text between quotes",
    "a: `x`\n": "line 1, column 4: no text can begin with `",
    "a: %x\n": "line 1, column 4: no text can begin with %",
    "%x: 1\n": "line 1, column 1: no text can begin with %",
    "a: ? b\n": "line 1, column 4: no text can begin with ?",
    "a: !<x y\n": "line 1, column 4: no text can begin with !",
    "a: *bold*\n": "line 1, column 4: * and & begin names of anchors",
    "a: &b&c d\n": "line 1, column 4: * and & begin names of anchors",
    "a: *nothing\n": "line 1, column 4: nothing above is marked with & and this name",
    "a: &x 1\nb: &x 2\n": "line 2, column 4: this name of an anchor is there already",
    'a: "C:\\data\\x"\n': "line 1, column 7: \\d between double quotes stands for",
    'a: "C:\\users"\n': "line 1, column 7: \\u between double quotes",
    'a: "C:\\xyz"\n': "line 1, column 7: \\x between double quotes",
    "a: [1, 2\nb: 3\n": "line 1, column 4: the [ that begins here is not closed, or a comma",
    "a: {b: 1\n": "line 1, column 4: the { that begins here is not closed",
    "a: {b: 1 c: 2}\n": "line 1, column 4: the { that begins here is not closed, or a comma",
    'a: [1 2, "b" "c"]\n': "line 1, column 4: the [ that begins here",
    "a: [1]]\n": "line 1, column 7: this ] closes nothing",
    "a: [1}\n": "line 1, column 6: this } closes nothing",
    "a: [1,,2]\n": "line 1, column 7: a value cannot begin with ,",
    'a: "x\nb: 1\n': "line 1, column 4: the quote that begins here is not closed",
    "a: 'x\nb: 1\n": "line 1, column 4: the quote that begins here is not closed",
    'a: "x" y\n': "line 1, column 8: nothing can follow a text between quotes",
    "a: 'it's'\n": "line 1, column 8: nothing can follow a text between quotes",
    "a: b: c\n": "line 1, column 5: a second colon in one line",
    "a:1\nb: 2\n": "line 2, column 2: the line before, 'a:1', lacks a colon and a space",
    "a: 1\nhello\nb: 2\n": "line 2, column 1: expected a name and a colon",
    ": 1\n": "line 1, column 1: the name before this colon is missing",
    "a: - b\n": "line 1, column 4: a list cannot begin beside its name",
    "a: 1\n---\nb: 2\n": "line 2, column 1: a second document begins here",
    'a: 1\nb: "x\x07"\n': "line 2: holds the control character 0x07",
    "": ": holds no settings",
    "# nothing\n": ": holds no settings",
    "- a\n": ": holds no settings",
    "hello\n": ": holds no settings",
    "a: &a {b: *a}\n": ": an alias holds itself; leave it out",
    "a: &a [*a]\n": ": an alias holds itself",
    f"a: {'[' * 200}{']' * 200}\n": ": its settings are nested too deeply",
    "[" * 100_000: ": its settings are nested too deeply",
    "- " * 100_000: ": its settings are nested too deeply",
}
MISREAD = {
    "seeds: 1:30\n": "line 1: seeds: 1:30 is read as the number 90 (base 60); write 90, or '1:30' "
    "between quotes",
    "a: {b: [1, 1:30:00]}\n": "line 1: a.b: 1:30:00 is read as the number 5400 (base 60)",
    "a: -1:30.5\n": "line 1: a: -1:30.5 is read as the number -90.5 (base 60)",
    "a: 010\n": "line 1: a: 010 is read as the number 8 (octal); write 8, or '010'",
    "a: 1_000\n": "line 1: a: 1_000 is read as the number 1000 (underscores)",
    "a: 1_0.5\n": "line 1: a: 1_0.5 is read as the number 10.5 (underscores)",
    "a: 0x1F\n": "line 1: a: 0x1F is read as the number 31 (hexadecimal)",
    "a: 0b11\n": "line 1: a: 0b11 is read as the number 3 (binary)",
    "a: 2024-01-01\n": "line 1: a: 2024-01-01 is read as a date; write '2024-01-01' between",
    "a: =\n": "line 1: a: write '=' between quotes",
    'a: "C:\\temp\\new"\n': "line 1: a: is read as 'C:\\temp\\new': \\ between double quotes",
    "a: !include x.yaml\n": "line 1: a: the tag !include means nothing here",
    "a: !!python/tuple [1]\n": "line 1: a: the tag !!python/tuple means nothing here",
    "a: !!binary aGk=\n": "line 1: a: the tag !!binary means nothing here",
    "a: 1\nb: 2\na: 3\n": "line 3: a is given again, after line 1; leave one",
    "a: {b: 1}\nc: {b: 2, d: [{b: 3, b: 4}]}\n": "line 2: c.d.b is given again, after line 2",
    "devices:\n  tx2: {kind: surrogate}\n  nano: &a {kind: table}\n  tx2: *a\n": "line 4: "
    "devices.tx2 is given again, after line 2",
    "devices: {7: x}\n": "line 1: devices: the name 7 is a int, not text; put it between quotes",
    "devices: {on: x}\n": "line 1: devices: the name True is a bool, not text",
    "no: x\n": "line 1: the name False is a bool, not text",
    "devices: {1.5: x}\n": "line 1: devices: the name 1.5 is a float, not text",
    "a: {~: x}\n": "line 1: a: the name None is a NoneType, not text",
    "a: {2020-01-01: x}\n": "line 1: a: 2020-01-01 is read as a date",
    "? [a]\n: 1\n": "line 1: a list stands where a name belongs",
    "a: {{b}}\n": "line 1: a: a mapping stands where a name belongs",
    "a: {<<: 5}\n": "line 1: a: << takes a mapping",
}
#: What is read as it looks.
PLAIN = [
    "a: 0\nb: -0\nc: +1\nd: 0.5\ne: 1.0e+3\nf: .5\ng: 1.\nh: .nan\n",
    "a: '010'\nb: \"1:30\"\nc: !!str 0x1F\nd: 08\ne: 1e5\n",
    "a: &a {b: 1}\nc: {<<: *a, d: 2}\ne: {<<: [*a, *a]}\nf:\n  <<: *a\n  <<: *a\n",
    "a: 'C:\\temp'\nb: \"two\\nlines\"\nc: |\n  C: one\n  two\n",
    "\ufeffa: yes\nb: off\n",
    "%YAML 1.1\n---\na: 1\n",
    '{"a": [1, 2], "b": {"c": "\\u00e9"}}',
    '{\n\t"a": 1\n}\n',  # JSON, in which tabs may indent
]


def said_of(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        check(path)
    said = str(caught.value)
    assert all(line.startswith((str(path), "... and ")) for line in said.splitlines())
    return said.removeprefix(str(path)).removeprefix(", ")


def test_what_cannot_be_parsed_is_named_by_line_column_and_reason(tmp_path):
    for text, expected in UNREADABLE.items():
        assert said_of(tmp_path / "mine.yaml", text).startswith(expected), text[:80]


def test_what_is_read_otherwise_than_it_looks_is_named_by_line_and_key(tmp_path):
    for text, expected in MISREAD.items():
        assert said_of(tmp_path / "mine.yaml", text).startswith(expected), text


def test_all_that_is_misread_is_named_at_once(tmp_path):
    said = said_of(tmp_path / "mine.yaml", "a: 010\nb: {c: 1:30}\na: 1\n")
    assert len(said.splitlines()) == 3
    many = "".join(f"a{number}: 0{number}1\n" for number in range(20))
    said = said_of(tmp_path / "mine.yaml", many).splitlines()
    assert len(said) == 11
    assert said[-1] == "... and 6 more"  # 081 is text


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_read_as_it_looks_passes(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    check(tmp_path / "mine.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_studies_pass(path):
    check(path)


def test_bytes_that_are_no_utf8_are_named(tmp_path):
    said = said_of(tmp_path / "mine.yaml", b"a: 1\nlabel: Gr\xf6sse\n")
    assert (
        said == "line 2: byte 0xf6 is no UTF-8 text (in Latin-1 it is 'ö'); save the file as UTF-8"
    )
    assert "UTF-16" in said_of(tmp_path / "mine.yaml", "a: 1\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"gone\.yaml: not readable: No such file"):
        check(tmp_path / "gone.yaml")


def test_aliases_that_blow_up_are_counted(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    said = said_of(tmp_path / "mine.yaml", "\n".join(lines))
    assert said.startswith(": aliases make it 1,234,567,")
    assert said.endswith(" settings; expected at most 100,000")


@pytest.mark.slow
def test_what_snakemake_cannot_read_is_refused_with_a_reason(tmp_path):
    """Hundreds of shipped studies with a character or two changed."""
    texts = [path.read_text(encoding="utf-8") for path in SHIPPED if path.stem in ("tiny", "own")]
    seeded, path, refused = random.Random(0), tmp_path / "mine.yaml", 0
    for _ in range(250):
        text = seeded.choice(texts)
        for _ in range(seeded.randint(1, 2)):
            at, character = (
                seeded.randrange(len(text)),
                seeded.choice("\t\n :-[]{}|>@`%*&!'\"#,?\\0_="),
            )
            text = text[:at] + character * seeded.randint(0, 1) + text[at + seeded.randint(0, 1) :]
        try:
            yaml.load(text, Loader=yaml.FullLoader)  # as Snakemake does
        except yaml.YAMLError:
            refused += 1
            said = said_of(path, text)
            assert "not readable as YAML" not in said
            assert len(said) < 2000
    assert refused > 50


# ---- in Snakemake, which reads the files of --configfile before the Snakefile --------------


def _snakemake(folder: Path, *configfiles: str) -> subprocess.CompletedProcess:
    (folder / "Snakefile").write_text('rule all:\n    output: "x"\n    shell: "touch {output}"\n')
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", *configfiles]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_snakemake_says_what_is_wrong_with_a_configfile(tmp_path):
    (tmp_path / "mine.yaml").write_text("a:\n\tb: 1\n")
    done = _snakemake(tmp_path, "mine.yaml")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "mine.yaml, line 2, column 1: a tab indents this line; indent with spaces" in said
    assert "not valid" not in said
    # What it can read is as before, also for other workflows: they may like octal numbers.
    (tmp_path / "mine.yaml").write_text("a: 010\n")
    assert _snakemake(tmp_path, "mine.yaml").returncode == 0


def test_a_target_that_configfile_has_swallowed(tmp_path):
    configfile = pytest.importorskip("snakemake.common.configfile")
    import snakemake_logger_plugin_hanas  # noqa: F401  # as Snakemake does when it starts

    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    for name in ("table.csv", "gone.csv"):
        with pytest.raises(Exception, match=r"\.csv: .*--configfile takes all that follows it"):
            configfile.load_configfile(str(tmp_path / name))
    (tmp_path / "mine.yaml").write_text("a: 1\n")
    assert configfile.load_configfile(str(tmp_path / "mine.yaml")) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {b: " + "9" * 5000 + "}\n", r"line 1: a.b: a number of 5,000 characters"),
        ("a: -" + "9" * 5000 + ".5\n", r"line 1: a: a number of 5,003 characters"),
        ('a: "x\\ud800"\n', r"line 1: a: holds '\\ud800', half a character"),
        ('"\\udfff": 1\n', r"line 1: the name '\\udfff': holds .* half a character"),
    ],
)
def test_what_python_reads_only_in_part_is_named(tmp_path, text, said):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        check(path)

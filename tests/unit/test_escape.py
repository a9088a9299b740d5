"""Texts of others are texts wherever they are shown."""

import copy
import html.parser
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import TINY

from hanas.core import escape
from hanas.core.errors import InputError
from hanas.core.files import read_csv, write_csv
from hanas.core.progress import print_at_once
from hanas.report import tables
from hanas.study import checks

ODD = "\x1b[31m\x07<script>alert(1)</script>|`[a](javascript:b)\u202e\\end{x}$&#_^~%\n\r\u2028\x9b"


@given(st.text())
def test_a_terminal_gets_no_control_characters(text):
    shown = escape.terminal(text)
    assert not [c for c in shown if escape.is_control(c) and c not in "\n\t"]
    assert shown == text or any(escape.is_control(c) for c in text)


@given(st.text())
def test_a_comment_stays_on_its_line(text):
    assert len(escape.line(text).splitlines()) <= 1


@given(st.text())
def test_html_reads_back_the_text_and_no_tag(text):
    found = []

    class Reader(html.parser.HTMLParser):
        def handle_data(self, data):
            found.append(data)

        def handle_starttag(self, tag, attrs):
            raise AssertionError(tag)

        def handle_endtag(self, tag):
            raise AssertionError(tag)

        def handle_comment(self, data):
            raise AssertionError(data)

        def handle_decl(self, decl):
            raise AssertionError(decl)

        def handle_pi(self, data):
            raise AssertionError(data)

    reader = Reader()
    reader.feed(escape.html(text))
    reader.close()
    assert "".join(found) == escape.line(text)
    assert '"' not in escape.html(text)


@given(st.text(alphabet="a|\\`[<&\n"))
def test_markdown_has_no_column_tag_link_or_code(text):
    shown = escape.markdown(text)
    assert "<" not in shown
    assert "\n" not in shown
    for place, character in enumerate(shown):
        before = shown[:place]
        marks = len(before) - len(
            before.rstrip("\\")
        )  # two of them stand for one, and mark nothing
        assert character not in "|[`" or marks % 2 == 1


def test_latex_escapes_all_that_means_something():
    assert escape.latex(r"a_b%c&d#e$f{g}h\i^j~k") == (
        r"a\_b\%c\&d\#e\$f\{g\}h\textbackslash{}i\^{}j\~{}k"
    )


@given(st.lists(st.text(alphabet="=+-@'a1\t ", min_size=1), min_size=1))
def test_csv_has_no_formula_and_reads_back_the_same(texts):
    frame = pd.DataFrame({"text": texts, "number": -1.5})
    written = escape.csv(frame)
    assert not written["text"].str.startswith(("=", "+", "-", "@", "\t")).any()
    assert escape.from_csv(written)["text"].tolist() == texts
    assert (written["number"] == -1.5).all()


def test_files_are_written_and_read_so(tmp_path):
    frame = pd.DataFrame({"source": ["=HYPERLINK(1)", "'=a", "plain"], "value": [-1.0, 2.0, 3.0]})
    write_csv(frame, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[1] == "'=HYPERLINK(1),-1.0"
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), frame)


def test_tables_hold_odd_texts_as_texts():
    row = {"method": ODD, "dataset": "toy", "accuracy_percent": 90.0, "latency_ms": 1.0}
    row |= {"accuracy_source": ODD, "metrics_source": "a\n\\input{b}", "trained_on": "", "seeds": 1}
    table = pd.DataFrame([row])
    body = tables.latex(table)
    before, _ = body.split(r"\begin{tabular}")
    assert all(line.startswith("% ") for line in before.splitlines())
    assert r"\end{x}" not in body[len(before) :]
    text = tables.markdown(table)
    assert "<script" not in text
    assert len({line.replace("\\|", "").count("|") for line in text.splitlines()[:3]}) == 1


def test_the_log_has_no_control_characters(monkeypatch):
    monkeypatch.setattr("sys.stdout", printed := io.StringIO())
    print_at_once("board said \x1b]0;title\x07")
    assert printed.getvalue() == "board said \\x1b]0;title\\x07\n"


@pytest.mark.parametrize("text", ["a\x1b", "a\nb", "\u202ea", "a\x00", "\x9b1m", "\u2028"])
def test_labels_with_control_characters_are_refused(text):
    config = copy.deepcopy(TINY)
    config["proxies"]["gdas_toy"]["label"] = text
    with pytest.raises(InputError, match=r"proxies\.gdas_toy\.label: holds the control") as error:
        checks.read(config, "config.yaml")
    assert not [c for c in str(error.value) if escape.is_control(c) and c != "\n"]


@pytest.mark.parametrize("text", ["<script>", "<svg onload=a>", "</script>", "<!--", "a<b>"])
def test_labels_that_a_page_would_run_are_refused(text):
    config = copy.deepcopy(TINY)
    config["searches"]["nsga2"]["label"] = text
    with pytest.raises(InputError, match=r"searches\.nsga2\.label: holds '<"):
        checks.read(config, "config.yaml")


def test_a_command_may_have_lines_and_redirections():
    config = copy.deepcopy(TINY)
    device = {"kind": "command", "command": "cat <in\n./bench {model} </dev/null\n"}
    config["devices"]["edgegpu"] = device
    checks.read(config, "config.yaml")
    device["command"] += "</script>"
    with pytest.raises(InputError, match=r"devices\.edgegpu\.command: holds '</script'"):
        checks.read(config, "config.yaml")

"""Languages of reports: what is said, whether all of it is translated, and sentences of tables."""

from __future__ import annotations

import ast
import inspect
import re
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import polars as pl
import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from simulator import pipeline, schema
from simulator.reports import language
from simulator.reports.language import heard, known, noted, say, say_n, speaking, spoken
from simulator.store import RunFolder
from tests import table_sentences
from tests.conftest import ROOT, small_quickstart
from tests.test_interventions import SMALL

CHINESE = "zh-Hant"
REPORTS = ROOT / "simulator" / "reports"
TRANSLATIONS = REPORTS / "zh_hant"
# Whoever compares tunings reads English; these pages are for them alone.
ENGLISH_ONLY = {
    "comparison.py",
    "comparison_chart.py",
    "comparison_page.py",
    "comparison_text.py",
    "comparison_words.py",
    "templates/comparison.html",
}
SAID = {"say": None, "say_n": (1, 2), "noted": None, "translated": None, "translated_n": (1, 2)}
ASKED = {"_": None, "gettext": None, "ngettext": (1, 2)}
_PLACE = re.compile(r"\{(\w+)(?:[:!][^}]*)?\}|%\((\w+)\)s")
_LETTER = re.compile(r"[^\W\d_]")


class Found(NamedTuple):
    """An English message, and the first place where it is said."""

    text: str
    file: str
    line: int


def messages() -> Iterator[Found]:
    """All that the reports say, from the code and the templates."""
    for path in sorted(REPORTS.rglob("*")):
        name = path.relative_to(REPORTS).as_posix()
        if name in ENGLISH_ONLY or path.suffix not in (".py", ".html"):
            continue
        with path.open("rb") as file:
            if path.suffix == ".py":
                found = [(line, text) for line, text, *_ in extract("python", file, keywords=SAID)]
            else:
                options = {"trimmed": "true", "newstyle_gettext": "true"}
                found = [
                    (line, text) for line, _, text, _ in babel_extract(file, ASKED, (), options)
                ]
        for line, text in found:
            for one in [text] if isinstance(text, str) else text:
                if one:
                    yield Found(one, name, line)


def translations() -> Iterator[tuple[str, Message]]:
    for path in sorted(TRANSLATIONS.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, abort_invalid=True):
                if message.id:
                    yield path.name, message


def places(text: str) -> set[str]:
    return {first or second for first, second in _PLACE.findall(text)}


def told(lines: list[str]) -> str:
    """Said when a test fails: how many, and which."""
    return f"{len(lines)} of them:\n" + "\n".join(lines)


def test_every_message_has_a_translation() -> None:
    known = {message.id for _, message in translations()}
    lacking: dict[str, list[Found]] = {}
    for found in {one.text: one for one in messages()}.values():
        if found.text not in known and _LETTER.search(re.sub(_PLACE, "", found.text)):
            lacking.setdefault(found.file, []).append(found)
    lines = [f"{file}:{one.line}: {one.text!r}" for file, ones in lacking.items() for one in ones]
    counts = ", ".join(f"{file} {len(ones)}" for file, ones in lacking.items())
    assert not lines, f"no translation ({counts}): " + told(lines)


def test_no_translation_is_of_a_sentence_that_nobody_says() -> None:
    said = {one.text for one in messages()}
    lines = [
        f"{file}: {message.id!r}"
        for file, message in translations()
        if file != "tables.po" and message.id not in said
    ]
    assert not lines, "nobody says this: " + told(lines)


def test_no_sentence_is_translated_twice_in_different_words() -> None:
    by_text: dict[str, set[str]] = {}
    for _, message in translations():
        by_text.setdefault(str(message.id), set()).add(str(message.string))
    lines = [f"{text!r}: {sorted(words)}" for text, words in by_text.items() if len(words) > 1]
    assert not lines, told(lines)


def test_no_sentence_stands_twice_in_one_file() -> None:
    # Read as text: a reader of .po files keeps the last of two.
    lines = []
    for path in sorted(TRANSLATIONS.glob("*.po")):
        entries = re.findall(r'^msgid ((?:".*"\s*)+)', path.read_text("utf-8"), re.MULTILINE)
        texts = Counter("".join(ast.literal_eval(f"({entry})")) for entry in entries)
        lines += [f"{path.name}: {text!r}" for text, n in texts.items() if n > 1]
    assert not lines, told(lines)


def test_every_translation_is_whole_and_in_another_language() -> None:
    lines = []
    for file, message in translations():
        if not isinstance(message.id, str) or message.fuzzy or not message.string:
            lines.append(f"{file}: {message.id!r} is plural, fuzzy or empty")
        elif places(message.id) != places(str(message.string)):
            lines.append(f"{file}: {message.id!r} has other places than {message.string!r}")
        elif message.id == message.string and _LETTER.search(re.sub(_PLACE, "", message.id)):
            lines.append(f"{file}: {message.id!r} is left as it is")
    assert not lines, told(lines)


def test_what_is_said_is_a_literal_that_extraction_sees() -> None:
    """An f-string or a sum of strings is said in no other language than the code's."""
    lines = []
    for path in sorted(REPORTS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                arity = {"say": 1, "noted": 1, "say_n": 2}.get(name, 0)
                lines += [
                    f"{path.name}:{node.lineno}: {ast.unparse(one)}"
                    for one in node.args[:arity]
                    if isinstance(one, ast.JoinedStr | ast.BinOp)
                ]
    assert not lines, told(lines)


# --- sentences of tables -------------------------------------------------------------------------

# Columns that hold sentences, in whatever table; and those of some tables alone.
COLUMNS = {"reason", "method", "next_step", "overridden", "result", "excluded", "source"}
MORE = {"assumed_desk": {"name", "value"}}
# By what a row is counted: words of the code, which reports have labels for.
KEYS = {("depth", "source"), ("spectrum", "source")}
MAKERS = [
    make
    for name, make in inspect.getmembers(table_sentences, inspect.isgeneratorfunction)
    if not name.startswith("_")
]
# Proper names, keys and units; all else in a Chinese sentence is Chinese.
LATIN = re.compile(
    r"inclusion_prob|risky_promise_rate|\[\[gates\]\]|wait_s|abandoned|SimPy|Erlang A|Kaplan-Meier"
    r"|Weibull|Poisson(-gamma)?|gamma|Clopper-Pearson|Wilson|MOVER|CR1|t 分布|Holm|Bonferroni"
    r"|Learn-then-Test|p 值|GPU|token|HTTP|system|effective|有效 n( = )?|BLS OEWS|USD"
    r"|\d (s|h)\b|\de\+\d"
    r"|Brown et al\.|Brysbaert|J\. Mem\. Lang\.|Brynjolfsson, Li, Raymond|QJE"
)
# What the makers were given as the user's.
OWN = re.compile(r"Ann; (Bo|head of support)|the vendor; its list|price list|transfer to Ana")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    whole = small_quickstart(*SMALL)
    few = {name: bot for name, bot in whole.candidates.items() if name in ("human", "guarded")}
    path = tmp_path_factory.mktemp("language") / "run"
    return pipeline.run(whole.model_copy(update={"candidates": few}), path)


@pytest.fixture(scope="module")
def sentences(run: RunFolder) -> list[str]:
    """All that tables may say, each once."""
    said = [text for make in MAKERS for text in make()] + list(table_sentences.RARE)
    for table in schema.TABLES:
        if not run.table_path(table).exists():
            continue
        rows = run.table(table)
        for column in rows.columns:
            shown = column in COLUMNS | MORE.get(table, set()) and (table, column) not in KEYS
            if shown and rows[column].dtype == pl.String:
                said += rows[column].drop_nulls().to_list()
    return list(dict.fromkeys(said))


def numbers(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", text))


def test_every_sentence_of_tables_is_known(sentences: list[str]) -> None:
    with speaking(CHINESE):
        lines = [text for text in sentences if not known(text)]
    assert not lines, told(lines)


def test_nothing_of_it_stays_english_and_no_number_changes(sentences: list[str]) -> None:
    lines = []
    with speaking(CHINESE):
        for text in sentences:
            said = heard(text)
            left = LATIN.sub("", OWN.sub("", said))
            if re.search(r"[A-Za-z]", left) or numbers(text) != numbers(said):
                lines.append(f"{text}\n    {said}")
    assert not lines, told(lines)


def test_no_pattern_of_tables_is_of_a_sentence_that_nobody_makes(sentences: list[str]) -> None:
    with speaking(CHINESE):
        said = "\n".join(map(heard, sentences))
    lines = []
    for file, message in translations():
        words = re.split(r" ?\{\w+\} ?", str(message.string))
        if file == "tables.po" and not re.search(".*?".join(map(re.escape, words)), said):
            lines.append(str(message.id))
    assert not lines, "nobody makes this: " + told(lines)


def test_sentences_too_rare_to_be_made_here_are_those_of_the_code() -> None:
    code = "".join(
        str(node.value)
        for path in (ROOT / "simulator").rglob("*.py")
        if REPORTS not in path.parents
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert [words for words in table_sentences.RARE.values() if words not in code] == []


def test_every_pattern_gives_its_own_translation_back() -> None:
    """Filled with parts of each kind, a pattern is taken for itself and for no other."""
    numbered = {"n": "1,234", "m": "56", "k": "7", "value": "−0.25 USD a day"}
    sentence = {"first": "this history", "then": "no sampling is certain; see source"}
    sentence |= {"metric": "the settled share", "metrics": "service_level and the service level"}
    with speaking(CHINESE):
        own = {**sentence, "then": "this history; see source"}
        lines = []
        for file, message in translations():
            english, chinese = str(message.id), str(message.string)
            if (
                file != "tables.po"
                or not places(english)
                or english in ("{metric}, {metrics}", "{metric} and {metrics}")
            ):
                continue
            parts = {name: numbered.get(name, own.get(name, "2.2 %")) for name in places(english)}
            spoken_parts = {
                name: part if name in ("source", "who") else heard(part)
                for name, part in parts.items()
            }
            text = english.format(**parts)
            expected = language._filled(chinese, spoken_parts)
            if heard(text) != expected:
                lines.append(f"{text}\n    {heard(text)}\n    {expected}")
    assert not lines, told(lines)


def test_a_sentence_without_a_pattern_stays_and_is_not_known() -> None:
    odd = ("what the shop's contact page says", "this history; what the shop says", "{n} points")
    with speaking(CHINESE):
        for text in odd:
            assert heard(text) == text
            assert not known(text)
        assert known("2.2 %; 3")
        assert heard("–") == "–"
    assert all(map(known, odd))


@pytest.mark.parametrize("name", ["{first}", "%(x)s", "a; b", "none", "this history", "\\1", "{"])
def test_what_a_user_wrote_is_never_read_as_a_pattern(name: str) -> None:
    with speaking(CHINESE):
        said = heard(f"risky_promise_rate at low_risk_auto, by {name}")
    assert said == f"「低風險自動回覆」的風險承諾率，由 {name} 放行"


# --- speaking ------------------------------------------------------------------------------------

LABEL = "As planned"


def test_speaking_nests_and_restores() -> None:
    assert (spoken(), say(LABEL)) == ("en", LABEL)
    with speaking(CHINESE):
        assert (spoken(), say(LABEL)) == (CHINESE, "依原計畫")
        with speaking("en"):
            assert say(LABEL) == LABEL
        assert say(LABEL) == "依原計畫"
        with pytest.raises(ZeroDivisionError), speaking("en"):
            raise ZeroDivisionError
        assert spoken() == CHINESE
    assert spoken() == "en"


def test_an_unknown_language_is_refused_and_changes_nothing() -> None:
    with pytest.raises(KeyError, match="zh-TW"), speaking("zh-TW"):
        pass
    assert spoken() == "en"


def test_threads_speak_for_themselves() -> None:
    both_in = threading.Barrier(2, timeout=30)
    said: dict[str, list[str]] = {}

    def talk(tag: str) -> None:
        with speaking(tag):
            both_in.wait()
            said[tag] = [say(LABEL), heard("this history"), spoken()]
            both_in.wait()

    threads = [threading.Thread(target=talk, args=(tag,)) for tag in ("en", CHINESE)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert said["en"] == [LABEL, "this history", "en"]
    assert said[CHINESE] == ["依原計畫", "就這段歷史而言", CHINESE]


def test_parts_are_no_templates_and_plurals_go_by_the_number() -> None:
    for tag, part in product(("en", CHINESE), ("{x}", "{0}", "%(x)s", "{", "{other}")):
        with speaking(tag):
            assert say("{x} of {y}", x=part, y=1) == f"{part} of 1"
    assert [say_n("{n} day", "{n} days", n, n=n) for n in (0, 1, 2, 1.5)] == [
        "0 days",
        "1 day",
        "2 days",
        "1.5 days",
    ]
    assert noted("{as it is}") == "{as it is}"


def test_a_blank_sets_chinese_apart_from_latin_and_from_nothing_else() -> None:
    with speaking(CHINESE):
        assert language._filled("到 {x} 為止", {"x": "輔助"}) == "到輔助為止"
        assert language._filled("到 {x} 為止", {"x": "A, 3 %"}) == "到 A, 3 % 為止"
        assert language._filled("Holm {x}", {"x": "輔助"}) == "Holm 輔助"
    assert language._filled("到 {x} 為止", {"x": "輔助"}) == "到 輔助 為止"

"""The samples of every call, as far as a parser of their language can tell without running them."""

import ast
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import h11
import httpx
import msgspec
import pytest
import tree_sitter_c_sharp
import tree_sitter_dart
import tree_sitter_objc
import tree_sitter_ocaml
import tree_sitter_swift
from tree_sitter import Language as Grammar
from tree_sitter import Node, Parser

from litemail.web.reference.pages import Reference, sample_call
from litemail.web.reference.samples import LANGUAGES, Call, headers_of, write

GRAMMARS: dict[str, Callable[[], object]] = {
    "swift": tree_sitter_swift.language,
    "csharp": tree_sitter_c_sharp.language,
    "objective-c": tree_sitter_objc.language,
    "ocaml": tree_sitter_ocaml.language_ocaml,
    "dart": tree_sitter_dart.language,
}
BY_ID = {language.id: language for language in LANGUAGES}
NASTY = msgspec.json.encode(
    {"a": "it's \"`$5` | é\\ \n {|x|} ''' )---\" #{y} ${z}", "b": [None, True, 1.5, {}]}
).decode()


@pytest.fixture(scope="module")
async def calls(client: httpx.AsyncClient) -> list[Call]:
    """That of every page, and one with everything that quotes could stumble over."""
    reference = Reference(msgspec.json.decode((await client.get("/openapi.json")).content), "")
    nasty = Call(
        "POST", "http://127.0.0.1:8080", "/v1/x?a=it's&b=$c", headers_of("key", media_type="application/json"), NASTY
    )
    return [*(sample_call(operation) for operation in reference.operations()), nasty]


@pytest.mark.parametrize("language", GRAMMARS)
def test_a_parser_understands_every_sample(language: str, calls: list[Call]):
    parser = Parser(Grammar(GRAMMARS[language]()))
    for call in calls:
        text = write(call, BY_ID[language])
        root = parser.parse(text.encode()).root_node
        assert not root.has_error, f"{call.method} {call.target}: {fault_in(root)}\n{text}"


def fault_in(node: Node) -> str:
    """Where a tree has its first fault."""
    for each in node.children:
        if each.has_error or each.is_missing:
            return fault_in(each)
    return f"{node.type} at line {node.start_point[0] + 1}: {(node.text or b'').decode()[:200]}"


def test_python_compiles_and_sends_the_same_json(calls: list[Call]):
    for call in calls:
        tree = ast.parse(write(call, BY_ID["python"]))
        sent = [
            ast.literal_eval(word.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for word in node.keywords
            if word.arg == "json"
        ]
        assert sent == ([msgspec.json.decode(call.body)] if call.body is not None and call.is_json else [])


def test_http_is_a_request_as_rfc_9112_has_it(calls: list[Call]):
    for call in calls:
        head, _, body = write(call, BY_ID["http"]).partition("\n\n")
        server = h11.Connection(h11.SERVER)
        server.receive_data(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body.encode())
        request = server.next_event()
        assert isinstance(request, h11.Request)
        assert (request.method.decode(), request.target.decode()) == (call.method, call.target)
        if call.body is not None:
            data = server.next_event()
            assert isinstance(data, h11.Data)
            assert bytes(data.data).decode() == call.body.rstrip("\n")


@pytest.mark.parametrize(
    ("language", "name", "command"),
    [
        ("shell", "x.sh", ["sh", "-n"]),
        ("javascript", "x.mjs", ["node", "--check"]),
        ("php", "x.php", ["php", "-l"]),
        ("ruby", "x.rb", ["ruby", "-c"]),
        ("go", "x.go", ["gofmt", "-l"]),
        ("ocaml", "x.ml", ["ocamlc", "-stop-after", "parsing"]),
        ("c", "x.c", ["gcc", "-fsyntax-only", "-Wall", "-Werror"]),
    ],
)
def test_the_languages_own_tools_take_what_quotes_could_stumble_over(
    language: str, name: str, command: list[str], calls: list[Call], tmp_path: Path
):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / name).write_text(write(calls[-1], BY_ID[language]) + "\n")
    done = subprocess.run([*command, name], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

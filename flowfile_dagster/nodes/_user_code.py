"""Read, check and run the Python text of a Polars-code node.

The syntax tree is checked against a list of what is allowed (`_user_code_names`): no imports, no classes, no names but
the listed ones and the code's own, no attribute that leads to files, the network, processes or the interpreter. This
is no wall against a determined attacker who may run for long or use much memory; run flows of unknown origin in a
container.
"""

from __future__ import annotations

import ast
import re
import string
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from flowfile_dagster.errors import UserCodeError
from flowfile_dagster.nodes._user_code_names import allowed_attributes, available_names, is_denied, namespace

_FILE_NAME = "<polars_code>"
_ENTRY_NAME = "polars_code"
_INPUT = re.compile(r"input_df(_\d+)?\Z")
_DUNDER = re.compile(r"__\w+__")
_STATEMENTS = (
    *(
        ast.Module,
        ast.Expr,
        ast.Assign,
        ast.AugAssign,
        ast.AnnAssign,
        ast.Return,
        ast.If,
        ast.For,
        ast.While,
        ast.Break,
    ),
    *(ast.Continue, ast.Pass, ast.FunctionDef, ast.Try, ast.ExceptHandler, ast.Raise, ast.Assert, ast.Delete),
)
_EXPRESSIONS = (
    *(ast.Lambda, ast.arguments, ast.arg, ast.keyword, ast.Call, ast.Attribute, ast.Name, ast.Constant, ast.BinOp),
    *(
        ast.UnaryOp,
        ast.BoolOp,
        ast.Compare,
        ast.IfExp,
        ast.Dict,
        ast.List,
        ast.Tuple,
        ast.Set,
        ast.ListComp,
        ast.SetComp,
    ),
    *(ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Subscript, ast.Slice, ast.Starred, ast.NamedExpr),
    *(ast.JoinedStr, ast.FormattedValue, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)
_COLLECTING = frozenset({"collect", "collect_all", "describe", "fetch"})
_CLOCK_METHODS = frozenset({"now", "today", "utcnow"})


@dataclass(frozen=True)
class UserCode:
    """Checked code. `function` is set in function form; `is_expression`: the value of the only line is the result."""

    tree: ast.Module
    own_names: frozenset[str]
    function: ast.FunctionDef | None
    is_expression: bool


@lru_cache(maxsize=256)
def parse_code(code: str) -> UserCode:
    """Read and check code.

    Raises:
        UserCodeError: it is no Python, has no result, or does something that is not allowed; with its line.
    """
    try:
        tree = _Cleaner().visit(ast.parse(textwrap.dedent(code)))
    except SyntaxError as error:
        raise UserCodeError(f"is not valid Python: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserCodeError(f"cannot be read: {str(error) or 'it is nested too deeply'}") from None
    if not tree.body:
        raise UserCodeError("is empty; write an expression, assign output_df, or define one function")
    function = _lone_function(tree)
    own_names = frozenset(_bound_names(tree))
    is_expression = function is None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr)
    parsed = UserCode(tree, own_names, function, is_expression)
    for node in ast.walk(tree):
        _check_node(node, parsed)
    _check_result(parsed)
    return parsed


def run_code(code: str, frames: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Run code on its inputs; only inside a step.

    Raises:
        UserCodeError: it is not allowed, fails, or gives no frame.
    """
    parsed = parse_code(code)
    entry = _entry(parsed, len(frames))
    program = ast.fix_missing_locations(ast.Module([entry], []))
    names = namespace()
    try:
        exec(compile(program, _FILE_NAME, "exec", dont_inherit=True), names)
        result = names[entry.name](*frames)
    except Exception as error:  # code may raise anything
        raise UserCodeError(f"{type(error).__name__}: {error}", _line_of(error)) from error
    if isinstance(result, pl.DataFrame):
        return result.lazy()
    if not isinstance(result, pl.LazyFrame):
        raise UserCodeError(f"gives {type(result).__name__}, but must give a LazyFrame or a DataFrame")
    return result


def is_volatile_code(code: str) -> bool:
    """Whether the same inputs may give another result next time: a clock, or a random choice without a seed."""
    try:
        parsed = parse_code(code)
    except UserCodeError:
        return False
    return any(_is_volatile(node, parsed.own_names) for node in ast.walk(parsed.tree))


def is_collecting_code(code: str) -> bool:
    """Whether the code runs the plan of an input instead of adding to it; code that cannot be read does."""
    try:
        parsed = parse_code(code)
    except UserCodeError:
        return True
    return any(isinstance(node, ast.Attribute) and node.attr in _COLLECTING for node in ast.walk(parsed.tree))


class _Cleaner(ast.NodeTransformer):
    """Removes what has no effect: bare texts and annotations, which are never evaluated."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        self.generic_visit(node)
        node.body = node.body or [ast.copy_location(ast.Pass(), node)]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.copy_location(ast.Constant(None), node)
        return node


def _lone_function(tree: ast.Module) -> ast.FunctionDef | None:
    (statement, *others) = tree.body
    if others or not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    if isinstance(statement, ast.AsyncFunctionDef) or statement.decorator_list:
        raise UserCodeError(f"{statement.name!r} must be a plain def: no async, no decorator", statement.lineno)
    return statement


def _bound_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.FunctionDef, ast.ExceptHandler)) and node.name:
            yield node.name


def _check_node(node: ast.AST, code: UserCode) -> None:
    line = getattr(node, "lineno", None)
    if not isinstance(node, (*_STATEMENTS, *_EXPRESSIONS)):
        raise UserCodeError(f"{_describe(node)} is not allowed", line)
    match node:
        case ast.Name():
            _check_name(node, code)
        case ast.Attribute():
            _check_attribute(node, code)
        case ast.FunctionDef(name=name, decorator_list=decorators):
            _check_own_name(name, line)
            if decorators:
                raise UserCodeError("a decorator is not allowed", line)
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            _check_own_name(name, line)
        case ast.keyword(arg=str(name)) if name.startswith("_"):
            raise UserCodeError(f"argument {name!r} is not allowed: names of arguments must not begin with '_'", line)
        case ast.Constant(value=str(text)) if _DUNDER.search(text):
            raise UserCodeError(f"text {text!r} is not allowed: it holds a name of Python's inside (__name__)", line)
        case _:
            return


def _describe(node: ast.AST) -> str:
    words = {ast.Import: "import", ast.ImportFrom: "import", ast.ClassDef: "a class", ast.With: "with"}
    return words.get(type(node), f"{type(node).__name__.lower()!r}")


def _check_own_name(name: str, line: int | None) -> None:
    if "__" in name:
        raise UserCodeError(f"name {name!r} is not allowed: names must not hold '__'", line)


def _check_name(node: ast.Name, code: UserCode) -> None:
    _check_own_name(node.id, node.lineno)
    if node.id in code.own_names or node.id in available_names():
        return
    if _INPUT.match(node.id) and code.function is None:
        return
    names = "its parameters" if code.function else "input_df (one input), input_df_1, input_df_2 … (several)"
    raise UserCodeError(
        f"name {node.id!r} is not available; code can use {names}, pl, cs, col, lit, the Polars types and few builtins",
        node.lineno,
    )


def _check_attribute(node: ast.Attribute, code: UserCode) -> None:
    name, line = node.attr, node.lineno
    if not isinstance(node.ctx, ast.Load):
        raise UserCodeError(f"attribute {name!r} cannot be set or deleted", line)
    if is_denied(name):
        raise UserCodeError(
            f"attribute {name!r} is not allowed: code cannot reach files, the network or Python's inside", line
        )
    if name == "format" and not _is_harmless_format(node.value, code):
        raise UserCodeError(
            "'format' is allowed only as pl.format, or on a literal text with plain fields such as '{} {name}'", line
        )
    if name != "format" and name not in allowed_attributes() and not _is_column_accessor(node.value, code):
        raise UserCodeError(f"attribute {name!r} is not known in Polars code", line)


def _is_column_accessor(node: ast.expr, code: UserCode) -> bool:
    """Whether this is ``col`` or ``pl.col``, of which every attribute is a column."""
    if isinstance(node, ast.Attribute):
        return node.attr == "col" and _is_global(node.value, "pl", code)
    return _is_global(node, "col", code)


def _is_global(node: ast.expr, name: str, code: UserCode) -> bool:
    return isinstance(node, ast.Name) and node.id == name and name not in code.own_names


def _is_harmless_format(owner: ast.expr, code: UserCode) -> bool:
    if isinstance(owner, ast.Constant) and isinstance(owner.value, str):
        return _has_plain_fields(owner.value)
    return _is_global(owner, "pl", code)


def _has_plain_fields(text: str) -> bool:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return False
    return all(
        (field is None or re.fullmatch(r"\w*", field) is not None) and _has_plain_fields(spec or "")
        for _, field, spec, _ in parts
    )


def _check_result(code: UserCode) -> None:
    if code.function is not None:
        if not _returns_value(code.function.body):
            raise UserCodeError(f"{code.function.name!r} returns nothing: end it with 'return <frame>'")
    elif not code.is_expression and not _returns_value(code.tree.body) and "output_df" not in code.own_names:
        raise UserCodeError("gives no result: assign the resulting frame to output_df")


def _returns_value(body: Sequence[ast.stmt]) -> bool:
    """Whether a ``return <value>`` stands here, not counting functions inside."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(node))
    return False


def _entry(code: UserCode, count: int) -> ast.FunctionDef:
    """The function to call: the code's own one, or one around the snippet with the inputs as parameters."""
    if code.function is not None:
        _check_parameters(code.function, count)
        return code.function
    inputs = ["input_df"] if count == 1 else [f"input_df_{number}" for number in range(1, count + 1)]
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Name) and _INPUT.match(node.id) and node.id not in {*inputs, *code.own_names}:
            known = ", ".join(inputs) or "none"
            raise UserCodeError(f"{node.id} does not exist: the node has {count} input(s), named {known}", node.lineno)
    wrapper = ast.parse(f"def {_ENTRY_NAME}({', '.join(inputs)}): pass").body[0]
    assert isinstance(wrapper, ast.FunctionDef)
    last = code.tree.body[-1]
    if code.is_expression and isinstance(last, ast.Expr):
        wrapper.body = [ast.copy_location(ast.Return(last.value), last)]
    else:
        result = ast.Return(ast.Name("output_df", ast.Load()))
        wrapper.body = [*code.tree.body, *([result] if "output_df" in code.own_names else [])]
    return wrapper


def _check_parameters(function: ast.FunctionDef, count: int) -> None:
    arguments = function.args
    at_most = len(arguments.posonlyargs) + len(arguments.args)
    at_least = at_most - len(arguments.defaults)
    if any(default is None for default in arguments.kw_defaults):
        raise UserCodeError(f"{function.name!r} has keyword-only parameters without a default", function.lineno)
    if count < at_least or (count > at_most and arguments.vararg is None):
        wanted = f"{at_least}" if at_least == at_most else f"{at_least} to {at_most}"
        raise UserCodeError(
            f"{function.name!r} takes {wanted} frames, but the node has {count} input(s): "
            "give it one parameter per input",
            function.lineno,
        )


def _line_of(error: BaseException) -> int | None:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _is_volatile(node: ast.AST, own_names: frozenset[str]) -> bool:
    match node:
        case ast.Name(id="time"):
            return "time" not in own_names
        case ast.Attribute(attr=name):
            return name in _CLOCK_METHODS
        case ast.Call(func=ast.Attribute(attr="shuffle"), args=[seed, *_]):
            return not _is_seed(seed)
        case ast.Call(func=ast.Attribute(attr="sample" | "shuffle")):
            return not _has_seed(node)
        case ast.Call(func=ast.Attribute(attr="rank")):
            values: list[Any] = [value for value in ast.walk(node) if isinstance(value, ast.Constant)]
            return any(value.value == "random" for value in values) and not _has_seed(node)
        case _:
            return False


def _has_seed(call: ast.Call) -> bool:
    return any(keyword.arg == "seed" and _is_seed(keyword.value) for keyword in call.keywords)


def _is_seed(value: ast.expr) -> bool:
    return not (isinstance(value, ast.Constant) and value.value is None)

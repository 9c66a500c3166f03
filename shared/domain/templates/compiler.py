"""Compiles a template: python-liquid parses it, with two tags; then everything that is not allowed is refused.

Of python-liquid only the lexer and the parser are used. Its parse tree is checked node by node against what is listed
here, and becomes nodes of ours; so no template is ever evaluated by code that can reach an attribute of an object.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from liquid import Environment, Mode, Token
from liquid.ast import BlockNode
from liquid.ast import Node as LiquidNode
from liquid.builtin.content import ContentNode, Literal
from liquid.builtin.expressions.filtered import FilteredExpression
from liquid.builtin.expressions.logical import BooleanExpression
from liquid.builtin.expressions.path import Path
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.if_tag import IfNode, IfTag
from liquid.builtin.tags.unless_tag import UnlessNode, UnlessTag
from liquid.exceptions import BlockNestingError, LiquidError, LiquidSyntaxError
from liquid.expression import Expression
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG, TOKEN_WORD

from shared.domain.field_types import FieldType
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.segments.tree import Field
from shared.domain.sentences import ErrorCode
from shared.domain.templates import condition_compiler, output_compiler
from shared.domain.templates.errors import TemplateError
from shared.domain.templates.rendering import Node, Test, Text, choice, joined

MAX_OUTPUTS = 50
"""Outputs of a template."""

MAX_TAGS = 100
"""Tags of a template."""

MAX_NESTING = 10
"""Conditions inside of each other."""

MAX_COMPARISONS = 20
"""Comparisons in one condition."""

TAGS = ("if", "elsif", "else", "endif", "unless", "endunless")

_CONNECTIVES = re.compile(r"\b(?:and|or)\b")


class _StrictIf(IfTag):
    """`if` without words after `else`, and without branches after it, both of which python-liquid ignores."""

    mode = Mode.STRICT


class _StrictUnless(UnlessTag):
    mode = Mode.STRICT


class _Environment(Environment):
    block_nesting_limit = MAX_NESTING

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """The tags that templates have. Filters are not looked up here, but in output_compiler.py."""
        for tag in (Output, Literal, Illegal, _StrictIf, _StrictUnless):
            self.add_tag(tag)


_ENVIRONMENT = _Environment(tolerance=Mode.STRICT)


class Compiler:
    """Compiles one template."""

    def __init__(self, text: str, fields: Mapping[str, Field], order: Sequence[str] = ()) -> None:
        """`fields` are those that it may name. `order`: the first names of `positions`."""
        self._source = text
        self._fields = fields
        self.positions: dict[str, int] = {name: position for position, name in enumerate(order)}
        """The fields that it names, with their places in the values."""

    def nodes(self) -> list[Node]:
        """The nodes of the template. Raises TemplateError."""
        self._check_size()
        try:
            tokens = list(_ENVIRONMENT.tokenizer()(self._source))
            self._check_tokens(tokens)
            # As Environment.from_string does: an error without a place is one of the whole text.
            tree = _ENVIRONMENT.from_string(self._source).nodes
        except BlockNestingError:
            raise TemplateError(ErrorCode.TEMPLATE_NESTED, self._source, self._deepest(), limit=MAX_NESTING) from None
        except LiquidError as error:
            raise self._syntax_error(error) from None
        return self._block(tree)

    @property
    def names(self) -> Sequence[str]:
        """The fields that it names, in the order of the values."""
        return list(self.positions)

    def error(self, code: ErrorCode, token: Token, **parameters: str | int) -> TemplateError:
        """The error at the place of a token."""
        return TemplateError(code, self._source, token.start_index, **parameters)

    def field(self, path: Path) -> tuple[int, FieldType]:
        """The place and the type of the field that a path names. Raises TemplateError."""
        token, name = path.token, path.path[0]
        # A path such as `a.b`, `a[0]`, `["a"]` or `.a` reaches into objects: there are none.
        if len(path.path) != 1 or not isinstance(name, str) or token.kind != TOKEN_WORD:
            raise self.error(ErrorCode.TEMPLATE_PATH, token)
        known = name if name in self._fields else unicodedata.normalize("NFC", name).lower()
        if known not in self._fields:
            raise self.error(ErrorCode.TEMPLATE_FIELD, token, name=name)
        return self.positions.setdefault(known, len(self.positions)), self._fields[known].type

    def _check_size(self) -> None:
        if len(self._source) > MAX_TEXT:
            length = len(self._source)
            raise TemplateError(
                ErrorCode.TOO_LONG, self._source, MAX_TEXT, length=length, excess=length - MAX_TEXT, limit=MAX_TEXT
            )
        for opening, limit, code in (
            ("{{", MAX_OUTPUTS, ErrorCode.TEMPLATE_OUTPUTS),
            ("{%", MAX_TAGS, ErrorCode.TEMPLATE_TAGS),
        ):
            places = [match.start() for match in re.finditer(re.escape(opening), self._source)]
            if len(places) > limit:
                raise TemplateError(code, self._source, places[limit], limit=limit)

    def _check_tokens(self, tokens: Sequence[Token]) -> None:
        """Raises TemplateError for a tag that there is not, and for a condition that is too long."""
        for token in tokens:
            if token.kind == TOKEN_TAG and token.value not in TAGS:
                raise self.error(ErrorCode.TEMPLATE_TAG, token, name=token.value, choices=", ".join(TAGS))
            if token.kind == TOKEN_EXPRESSION and len(_CONNECTIVES.findall(token.value)) >= MAX_COMPARISONS:
                raise self.error(ErrorCode.TEMPLATE_COMPARISONS, token, limit=MAX_COMPARISONS)

    def _syntax_error(self, error: LiquidError) -> TemplateError:
        index = -1 if error.token is None else error.token.start_index
        rest = self._source[index:] if index >= 0 else ""
        if isinstance(error, LiquidSyntaxError) and rest.startswith(("{{", "{%")) and not self._closes(index):
            return TemplateError(ErrorCode.TEMPLATE_UNCLOSED, self._source, index)
        if index < 0:
            # The end of the text, or of an expression, which has no place of its own.
            return TemplateError(ErrorCode.TEMPLATE_INCOMPLETE, self._source, -1)
        return TemplateError(ErrorCode.TEMPLATE_SYNTAX, self._source, index)

    def _closes(self, index: int) -> bool:
        end = "}}" if self._source.startswith("{{", index) else "%}"
        return end in self._source[index:]

    def _deepest(self) -> int:
        """Where the first condition is that is nested too deep."""
        depth = 0
        for match in re.finditer(r"\{%-?\s*(end)?(?:if|unless)\b", self._source):
            depth += -1 if match[1] else 1
            if depth > MAX_NESTING:
                return match.start()
        return -1

    def _block(self, tree: Sequence[LiquidNode]) -> list[Node]:
        return [self._node(node) for node in tree]

    def _node(self, node: LiquidNode) -> Node:
        match node:
            case ContentNode():
                return self._content(node)
            case OutputNode(expression=FilteredExpression() as expression):
                return output_compiler.compile_output(self, expression)
            case IfNode():
                return self._choice(node, self._condition(node.condition))
            case UnlessNode():
                holds = self._condition(node.condition)
                return self._choice(node, lambda values: not holds(values))
        raise self.error(ErrorCode.TEMPLATE_SYNTAX, node.token)

    def _content(self, node: ContentNode) -> str:
        """Plain text. Braces that close nothing are a slip, which would reach people; so is a block of `raw`."""
        start = node.token.start_index
        if self._source.startswith("{%", start):
            raise TemplateError(ErrorCode.TEMPLATE_BRACES, self._source, start)
        after_output = self._source[:start].endswith("}}")
        slip = re.search(r"\}\}|%\}|^\}" if after_output else r"\}\}|%\}", node.text)
        if slip:
            raise TemplateError(ErrorCode.TEMPLATE_BRACES, self._source, start + slip.start())
        return node.text

    def _condition(self, expression: Expression) -> Test:
        if not isinstance(expression, BooleanExpression):
            raise self.error(ErrorCode.TEMPLATE_CONDITION, expression.token)
        return condition_compiler.compile_condition(self, expression.expression)

    def _choice(self, node: IfNode | UnlessNode, test: Test) -> Text:
        branches = [(test, self._text(node.consequence))]
        branches += [(self._condition(one.expression), self._text(one.block)) for one in node.alternatives]
        return choice(branches, self._text(node.default) if node.default else lambda _: "")

    def _text(self, block: BlockNode) -> Text:
        return joined(self._block(block.nodes))

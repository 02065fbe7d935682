"""The vendor's dialect as statements are read in it: tokens, and a parser that numbers markers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import ParseError
from sqlglot.parsers.snowflake import SnowflakeParser
from sqlglot.tokenizer_core import Token, TokenizerCore, TokenType

from nunatak.errors import SyntaxInvalid
from nunatak.warehouse.core.literal_lists import LIST_TOKEN, ListingTokenizerCore, listed


class VendorDialect(Snowflake):
    """The vendor's dialect with formats of dates as they are written, which rules read."""

    TIME_MAPPING: dict[str, str] = {}  # noqa: RUF012 the parser's library declares it so


DIALECT = VendorDialect()


class _VendorTokenizer(Snowflake.Tokenizer):
    """The vendor's tokens. A marker before a cast (`?::INT`) is a marker."""

    KEYWORDS: ClassVar[dict[str, TokenType]] = {
        word: kind for word, kind in Snowflake.Tokenizer.KEYWORDS.items() if word != "?::"
    }

    def _init_core(self) -> TokenizerCore:
        return ListingTokenizerCore(super()._init_core())


class _PlainTokenizer(_VendorTokenizer):
    """The vendor's tokens throughout: CALL, EXECUTE and others do not swallow what follows."""

    COMMANDS: ClassVar[set[TokenType]] = set()


class _VendorParser(SnowflakeParser):
    """Puts bound values where their markers stand in the text: the tree has another order, and
    some functions are built by what their arguments are. A marker without a value is numbered."""

    def __init__(
        self,
        tokens: Sequence[Token],
        values: Mapping[int, exp.Expr],
        check: Callable[[], None],
    ) -> None:
        super().__init__(dialect=DIALECT)
        self._check = check
        self._values = values
        self._numbers = {
            token.start: number for number, token in enumerate(filter(is_marker, tokens), 1)
        }

    def _marker(self) -> exp.Expr:
        assert self._prev is not None
        number = self._numbers[self._prev.start]
        value = self._values.get(number)
        return exp.Placeholder(this=str(number)) if value is None else value.copy()

    def _parse_disjunction(self) -> exp.Expr | None:
        self._check()
        return super()._parse_disjunction()

    def _parse_value(self, values: bool = True) -> Any:  # noqa: FBT001, FBT002
        if self._match(LIST_TOKEN):
            assert self._prev is not None
            return listed(self._prev.text)
        return super()._parse_value(values)

    def _named(self, expressions: list[exp.Expr]) -> exp.Kwarg:
        """`name => value`; a name in quotes stays one."""
        name = expressions[0]
        is_quoted = isinstance(name, exp.Identifier) and name.args.get("quoted")
        value = self._parse_disjunction() or self._parse_select()
        return exp.Kwarg(this=name if is_quoted else exp.var(name.name), expression=value)

    # The library's own write their argument twice, and so those inside of each other 2ⁿ times.
    FUNCTIONS: ClassVar = {
        **SnowflakeParser.FUNCTIONS,
        "ZEROIFNULL": lambda given: exp.Coalesce(
            this=_only("ZEROIFNULL", given), expressions=[exp.Literal.number(0)]
        ),
        "NULLIFZERO": lambda given: exp.Nullif(
            this=_only("NULLIFZERO", given), expression=exp.Literal.number(0)
        ),
    }
    LAMBDAS: ClassVar = {**SnowflakeParser.LAMBDAS, TokenType.FARROW: _named}

    PRIMARY_PARSERS: ClassVar = {
        **SnowflakeParser.PRIMARY_PARSERS,
        LIST_TOKEN: lambda _, token: listed(token.text),
    }
    PLACEHOLDER_PARSERS: ClassVar = {
        **SnowflakeParser.PLACEHOLDER_PARSERS,
        TokenType.PLACEHOLDER: _marker,
    }


def _only(name: str, given: Sequence[exp.Expr]) -> exp.Expr:
    """The one argument of a function; raises SyntaxInvalid for none, or more."""
    if len(given) != 1:
        raise SyntaxInvalid(
            f"SQL compilation error:\n{name} takes one argument; {len(given)} were given."
        )
    return given[0]


def stored(identifier: exp.Expr | None) -> str:
    """The stored form of an identifier: unquoted ones in upper case."""
    assert isinstance(identifier, exp.Identifier)
    text = str(identifier.this)
    return text if identifier.args.get("quoted") else text.upper()


def quoted(name: str) -> exp.Identifier:
    """An identifier that is exactly this name."""
    return exp.to_identifier(name, quoted=True)


def is_marker(token: Token) -> bool:
    """Whether a token is a `?`, the place of a bound value."""
    return token.token_type is TokenType.PLACEHOLDER


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, with character offsets; raises TokenError of the parser's library."""
    return list(_PlainTokenizer(dialect=DIALECT).tokenize(text))


def tree_of(
    text: str,
    tokens: Sequence[Token],
    values: Mapping[int, exp.Expr],
    *,
    check: Callable[[], None] = lambda: None,
) -> exp.Expr:
    """One statement as a tree: its tokens, the text where they have their places, and `values`
    for its markers by their number. What `check` raises ends the parsing.

    Raises ParseError or TokenError of the parser's library.
    """
    if tokens and tokens[0].token_type in _VendorTokenizer.COMMANDS:
        tokens = _VendorTokenizer(dialect=DIALECT).tokenize(text)
    parser = _VendorParser(tokens, values, check)
    trees = parser.parse(list(tokens), text)
    if not trees or trees[0] is None:
        raise ParseError("No statement was found")
    return exp.Block(expressions=trees) if len(trees) > 1 else trees[0]

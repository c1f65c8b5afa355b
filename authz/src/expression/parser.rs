//! Tokens → tree, by precedence (Pratt). Nesting, size and height are bounded, so that whatever walks the tree is.

use super::infix::Infix;
use super::lexer::{Token, TokenKind, tokens};
use super::mistake::Mistake;
use super::syntax::{Expression, Kind, Literal};
use crate::limits::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_NODES};

/// Words that cannot be names (CEL, "Syntax"): some mean something, the others are kept for the languages around CEL.
const RESERVED: [&str; 18] = [
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

pub(super) fn parse(text: &str) -> Result<Expression, Mistake> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(Mistake::new(0, format!("has {} bytes, at most {MAX_EXPRESSION_BYTES} are read", text.len())));
    }
    let mut tokens = tokens(text)?;
    // They are taken from the end.
    tokens.reverse();
    let mut parser = Parser { tokens, nesting: 0, nodes: 0 };
    let expression = parser.expression()?;
    match parser.peek() {
        TokenKind::End => Ok(expression),
        found => {
            Err(Mistake::new(parser.at(), format!("the expression ends before {}; an operator is missing", found)))
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    nesting: usize,
    nodes: usize,
}

impl Parser {
    fn expression(&mut self) -> Result<Expression, Mistake> {
        self.nesting = self.nesting.saturating_add(1);
        if self.nesting > MAX_EXPRESSION_DEPTH {
            return Err(too_deep(self.at()));
        }
        let condition = self.binary(1)?;
        let at = self.at();
        let expression = if self.accept("?") {
            let then = self.binary(1)?;
            self.expect(":")?;
            let otherwise = self.expression()?;
            self.node(at, Kind::Conditional(Box::new([condition, then, otherwise])))?
        } else {
            condition
        };
        self.nesting = self.nesting.saturating_sub(1);
        Ok(expression)
    }

    /// Operators of at least this precedence; all are left-associative.
    fn binary(&mut self, least: u8) -> Result<Expression, Mistake> {
        let mut left = self.unary()?;
        while let Some((precedence, operator)) = Infix::of(self.peek()).filter(|(precedence, _)| *precedence >= least) {
            let at = self.at();
            self.next();
            let right = self.binary(precedence.saturating_add(1))?;
            left = match operator {
                Infix::Binary(operator) => self.node(at, Kind::Binary(operator, Box::new([left, right])))?,
                Infix::And => {
                    let parts = match left.kind {
                        Kind::And(parts) => parts,
                        _ => vec![left],
                    };
                    self.node(at, Kind::And(parts.into_iter().chain([right]).collect()))?
                }
                Infix::Or => {
                    let parts = match left.kind {
                        Kind::Or(parts) => parts,
                        _ => vec![left],
                    };
                    self.node(at, Kind::Or(parts.into_iter().chain([right]).collect()))?
                }
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, Mistake> {
        let at = self.at();
        let (nots, mut minuses) = (self.count("!"), self.count("-"));
        if nots > 0 && minuses > 0 {
            return Err(Mistake::new(at, "`!` and `-` do not go together; write parentheses"));
        }
        let member = match (minuses, self.peek()) {
            (0, _) => self.member()?,
            // The sign is a part of the number: the smallest one has no positive counterpart.
            (_, TokenKind::Int(_) | TokenKind::Double(_)) => {
                minuses = minuses.saturating_sub(1);
                let number = self.number(true)?;
                self.postfix(number)?
            }
            _ => self.member()?,
        };
        // Two of them stand for every even number: what they are about must still be a truth, or a number.
        let repeated = |count: usize| if count < 2 { count } else { 2_usize.saturating_sub(count % 2) };
        let mut expression = member;
        for _ in 0..repeated(nots) {
            expression = self.node(at, Kind::Not(Box::new(expression)))?;
        }
        for _ in 0..repeated(minuses) {
            expression = self.node(at, Kind::Negate(Box::new(expression)))?;
        }
        Ok(expression)
    }

    fn count(&mut self, symbol: &'static str) -> usize {
        std::iter::from_fn(|| self.accept(symbol).then_some(())).count()
    }

    fn member(&mut self) -> Result<Expression, Mistake> {
        let primary = self.primary()?;
        self.postfix(primary)
    }

    /// What follows a part: `.name`, `.name(..)`, `[..]`.
    fn postfix(&mut self, mut operand: Expression) -> Result<Expression, Mistake> {
        loop {
            if self.accept(".") {
                let (at, field) = self.name("a name after `.`")?;
                let is_call = self.accept("(");
                let operand_ = Box::new(operand);
                operand = if is_call {
                    let arguments = self.list(")")?;
                    self.node(at, Kind::Call { receiver: Some(operand_), name: field, arguments })?
                } else {
                    self.node(at, Kind::Select { operand: operand_, field })?
                };
            } else if self.accept("[") {
                let at = self.at();
                let index = Box::new(self.expression()?);
                self.expect("]")?;
                operand = self.node(at, Kind::Index { operand: Box::new(operand), index })?;
            } else if *self.peek() == TokenKind::Symbol("{") {
                return Err(Mistake::new(self.at(), "messages are not known here; a map is `{'key': value}`"));
            } else {
                return Ok(operand);
            }
        }
    }

    fn primary(&mut self) -> Result<Expression, Mistake> {
        let at = self.at();
        match self.peek() {
            TokenKind::Int(_) | TokenKind::Uint(_) | TokenKind::Double(_) => self.number(false),
            TokenKind::Text(_) => match self.next() {
                TokenKind::Text(text) => self.node(at, Kind::Literal(Literal::Text(text))),
                _ => Err(self.unexpected("a value")),
            },
            TokenKind::Symbol("(") => {
                self.next();
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            TokenKind::Symbol("[") => {
                self.next();
                let items = self.list("]")?;
                self.node(at, Kind::List(items))
            }
            TokenKind::Symbol("{") => {
                self.next();
                let entries = self.entries()?;
                self.node(at, Kind::Map(entries))
            }
            TokenKind::Name(_) | TokenKind::Symbol(".") => self.name_or_call(at),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn name_or_call(&mut self, at: usize) -> Result<Expression, Mistake> {
        let is_absolute = self.accept(".");
        let literal = match self.peek() {
            TokenKind::Name(name) if !is_absolute => match name.as_str() {
                "true" => Some(Literal::Bool(true)),
                "false" => Some(Literal::Bool(false)),
                "null" => Some(Literal::Null),
                _ => None,
            },
            _ => None,
        };
        if let Some(literal) = literal {
            self.next();
            return self.node(at, Kind::Literal(literal));
        }
        let (at, name) = self.name("a value")?;
        if RESERVED.contains(&name.as_str()) {
            return Err(Mistake::new(at, format!("`{name}` is a reserved word and no name")));
        }
        if self.accept("(") {
            let arguments = self.list(")")?;
            return self.node(at, Kind::Call { receiver: None, name, arguments });
        }
        self.node(at, Kind::Name { name, is_absolute })
    }

    /// A field or function after a dot may have a reserved name; `in`, `true`, `false` and `null` are never names.
    fn name(&mut self, wanted: &str) -> Result<(usize, String), Mistake> {
        let at = self.at();
        match self.peek() {
            TokenKind::Name(name) if !["in", "true", "false", "null"].contains(&name.as_str()) => match self.next() {
                TokenKind::Name(name) => Ok((at, name)),
                _ => Err(self.unexpected(wanted)),
            },
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn number(&mut self, is_negative: bool) -> Result<Expression, Mistake> {
        let at = self.at();
        let literal = match self.next() {
            TokenKind::Uint(number) => Some(Literal::Uint(number)),
            TokenKind::Double(number) => Some(Literal::Double(if is_negative { -number } else { number })),
            TokenKind::Int(number) if is_negative => 0_i64.checked_sub_unsigned(number).map(Literal::Int),
            TokenKind::Int(number) => i64::try_from(number).ok().map(Literal::Int),
            _ => None,
        };
        let literal = literal.ok_or_else(|| Mistake::new(at, "the number is too large for an `int` of 64 bits"))?;
        self.node(at, Kind::Literal(literal))
    }

    /// Expressions with commas between them, up to the closing symbol; one more comma may stand at the end of a list.
    fn list(&mut self, close: &'static str) -> Result<Vec<Expression>, Mistake> {
        let mut items = Vec::new();
        while !self.accept(close) {
            items.push(self.expression()?);
            if !self.accept(",") {
                self.expect(close)?;
                break;
            }
            if close == ")" && *self.peek() == TokenKind::Symbol(")") {
                return Err(self.unexpected("an argument"));
            }
        }
        Ok(items)
    }

    fn entries(&mut self) -> Result<Vec<(Expression, Expression)>, Mistake> {
        let mut entries = Vec::new();
        while !self.accept("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(entries)
    }

    fn node(&mut self, at: usize, kind: Kind) -> Result<Expression, Mistake> {
        self.nodes = self.nodes.saturating_add(1);
        let mut expression = Expression { at, kind, height: 1 };
        let highest = expression.parts().iter().map(|part| part.height).max().unwrap_or_default();
        expression.height = highest.saturating_add(1);
        if expression.height > MAX_EXPRESSION_DEPTH {
            return Err(too_deep(at));
        }
        if self.nodes > MAX_EXPRESSION_NODES {
            let message = format!(
                "has more than {MAX_EXPRESSION_NODES} parts; divide it into several conditions under `all` or `any`"
            );
            return Err(Mistake::new(at, message));
        }
        Ok(expression)
    }

    fn peek(&self) -> &TokenKind {
        self.tokens.last().map_or(&TokenKind::End, |token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.last().map_or(0, |token| token.at)
    }

    /// The end is never taken, so that there is always a position.
    fn next(&mut self) -> TokenKind {
        match self.peek() {
            TokenKind::End => TokenKind::End,
            _ => self.tokens.pop().map_or(TokenKind::End, |token| token.kind),
        }
    }

    fn accept(&mut self, symbol: &'static str) -> bool {
        let is_there = *self.peek() == TokenKind::Symbol(symbol);
        if is_there {
            self.next();
        }
        is_there
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), Mistake> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> Mistake {
        Mistake::new(self.at(), format!("expected {wanted}, found {}", self.peek()))
    }
}

fn too_deep(at: usize) -> Mistake {
    Mistake::new(at, format!("is nested deeper than {MAX_EXPRESSION_DEPTH} levels"))
}

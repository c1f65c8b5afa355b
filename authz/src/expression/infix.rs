//! The operators between two parts, and which of them binds more (CEL, "Syntax").

use super::lexer::TokenKind;
use super::syntax::Operator;

/// An operator between two parts.
pub(super) enum Infix {
    And,
    Or,
    Binary(Operator),
}

impl Infix {
    /// The operator that a token is, and how much it binds.
    pub(super) fn of(token: &TokenKind) -> Option<(u8, Self)> {
        let symbol = match token {
            TokenKind::Symbol(symbol) => symbol,
            TokenKind::Name(name) if name == "in" => "in",
            _ => return None,
        };
        Some(match symbol {
            "||" => (1, Self::Or),
            "&&" => (2, Self::And),
            "==" => (3, Self::Binary(Operator::Equal)),
            "!=" => (3, Self::Binary(Operator::NotEqual)),
            "<" => (3, Self::Binary(Operator::Less)),
            "<=" => (3, Self::Binary(Operator::AtMost)),
            ">" => (3, Self::Binary(Operator::Greater)),
            ">=" => (3, Self::Binary(Operator::AtLeast)),
            "in" => (3, Self::Binary(Operator::In)),
            "+" => (4, Self::Binary(Operator::Add)),
            "-" => (4, Self::Binary(Operator::Subtract)),
            "*" => (5, Self::Binary(Operator::Multiply)),
            "/" => (5, Self::Binary(Operator::Divide)),
            "%" => (5, Self::Binary(Operator::Remainder)),
            _ => return None,
        })
    }
}

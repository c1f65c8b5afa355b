//! Text → tokens.

use std::fmt;

use super::literal;
use super::mistake::Mistake;

/// A token and where it begins, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Name(String),
    /// Without its sign, so that it may be one more than the largest number.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(String),
    Symbol(&'static str),
    End,
}

impl fmt::Display for TokenKind {
    /// As the author knows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Int(number) => write!(f, "`{number}`"),
            Self::Uint(number) => write!(f, "`{number}u`"),
            Self::Double(number) => write!(f, "`{number}`"),
            Self::Text(_) => f.write_str("a string"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Longer ones first, where one begins like another.
const SYMBOLS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

/// Takes a text apart; the last token is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
    let mut lexer = Lexer { text, rest: text };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let at = lexer.position();
        let kind = lexer.token(at)?;
        let is_end = kind == TokenKind::End;
        tokens.push(Token { at, kind });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Lexer<'t> {
    const fn position(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    fn skip_space(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
            match self.rest.strip_prefix("//") {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => return,
            }
        }
    }

    fn token(&mut self, at: usize) -> Result<TokenKind, Mistake> {
        let Some(first) = self.rest.chars().next() else { return Ok(TokenKind::End) };
        let second = self.rest.chars().nth(1);
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|second| second.is_ascii_digit())) {
            return self.number(at);
        }
        if let Some((text, rest)) = literal::text(self.rest, at)? {
            self.rest = rest;
            return Ok(TokenKind::Text(text));
        }
        if first == '_' || first.is_ascii_alphabetic() {
            let name = self.take_while(|character| character == '_' || character.is_ascii_alphanumeric());
            return Ok(TokenKind::Name(name.to_owned()));
        }
        for symbol in SYMBOLS {
            if let Some(rest) = self.rest.strip_prefix(symbol) {
                self.rest = rest;
                return Ok(TokenKind::Symbol(symbol));
            }
        }
        Err(Mistake::new(at, format!("`{first}` means nothing here{}", remedy(first))))
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|character| !accepts(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn number(&mut self, at: usize) -> Result<TokenKind, Mistake> {
        let too_large = |text: &str| Mistake::new(at, format!("`{text}` is too large for a number of 64 bits"));
        if let Some(rest) =
            self.rest.strip_prefix("0x").filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()))
        {
            self.rest = rest;
            let digits = self.take_while(|character| character.is_ascii_hexdigit());
            let number = u64::from_str_radix(digits, 16).map_err(|_| too_large(digits))?;
            return Ok(self.whole(number));
        }
        let start = self.rest;
        self.take_while(|character| character.is_ascii_digit());
        let mut is_double = false;
        if let Some(rest) = self.rest.strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            is_double = true;
            self.rest = rest;
            self.take_while(|character| character.is_ascii_digit());
        }
        if let Some(rest) = self.rest.strip_prefix(['e', 'E']) {
            let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                is_double = true;
                self.rest = digits;
                self.take_while(|character| character.is_ascii_digit());
            }
        }
        let text = start.get(..start.len().saturating_sub(self.rest.len())).unwrap_or(start);
        if is_double {
            let number: f64 = text.parse().map_err(|_| too_large(text))?;
            return if number.is_finite() { Ok(TokenKind::Double(number)) } else { Err(too_large(text)) };
        }
        let number = text.parse().map_err(|_| too_large(text))?;
        Ok(self.whole(number))
    }

    fn whole(&mut self, number: u64) -> TokenKind {
        match self.rest.strip_prefix(['u', 'U']) {
            Some(rest) => {
                self.rest = rest;
                TokenKind::Uint(number)
            }
            None => TokenKind::Int(number),
        }
    }
}

/// What people write who come from another language.
fn remedy(character: char) -> &'static str {
    match character {
        '=' => "; equality is `==`",
        '&' => "; and is `&&`",
        '|' => "; or is `||`",
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '`' => "; quotes are `'` and `\"`",
        _ => "",
    }
}

//! Reads CQL2 text with the `cql2` crate, in time linear in its length and on a small stack.
//!
//! The crate's grammar tries a parenthesis as a group and then once more as a list, so its time doubles with each level,
//! and it recurses once for each operator of a chain. So it is given only small pieces: what stands in parentheses, between
//! commas or around AND and OR is read by itself, innermost first, and stands in the text around it as a name that no
//! layer can have. Precedence stays the crate's: AND and OR are its loosest operators.

use cql2::Expr;

use super::{too_complex, unreadable};
use crate::error::{Code, Error, Result};

/// Levels of parentheses.
pub const DEPTH_MAX: usize = 64;
/// Operators in one piece; each costs the crate some 4 KB of stack in a debug build.
const PIECE_OPERATORS_MAX: usize = 64;
/// Operators and commas in a whole text: each piece costs the crate some microseconds.
const OPERATORS_MAX: usize = 2_000;
/// A MultiPolygon has this many levels of parentheses.
const WKT_DEPTH_MAX: usize = 3;
/// Begins the name that stands for a piece already read; refused in names that come from outside.
const MARK: char = '\u{1}';

const WKT: [&str; 7] = ["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];

/// Parses CQL2 text.
///
/// # Errors
/// [`Code::InvalidFilter`] with the place where reading stopped; [`Code::TooComplex`] beyond the bounds above.
pub fn parse(text: &str) -> Result<Expr> {
    let mut reader = Reader { frames: vec![Frame::new(Kind::Group)], previous: Previous::Operator, operators: 0 };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, tail) = rest.split_at(token_length(rest, first)?);
        reader.token(first, token)?;
        rest = tail;
    }
    reader.finish()
}

fn token_length(rest: &str, first: char) -> Result<usize> {
    let run = |from: usize, ends: &dyn Fn(char) -> bool| rest[from..].find(ends).map_or(rest.len(), |at| from + at);
    Ok(match first {
        '\'' | '"' => {
            let mut end = 1;
            loop {
                end += 1 + rest[end..].find(first).ok_or_else(|| unreadable(rest, "a quote is not closed / 引号未闭合"))?;
                // A doubled quote is one inside the text.
                if !rest[end..].starts_with(first) {
                    break end;
                }
                end += 1;
            }
        }
        c if c.is_alphabetic() => run(0, &|c| !(c.is_alphabetic() || c.is_numeric() || matches!(c, '_' | '.' | ':'))),
        c if c.is_ascii_digit() => {
            let end = run(0, &|c| !(c.is_ascii_digit() || c == '.'));
            let exponent = rest[end..].strip_prefix(['e', 'E']).map(|tail| tail.strip_prefix(['+', '-']).unwrap_or(tail));
            match exponent {
                Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
                    run(rest.len() - digits.len(), &|c| !c.is_ascii_digit())
                }
                _ => end,
            }
        }
        c => c.len_utf8(),
    })
}

/// What the last token was, which decides whether a word is an operator and a parenthesis the arguments of a function.
#[derive(Clone, Copy, PartialEq)]
enum Previous {
    Operator,
    Not,
    Operand,
    /// A name that begins at this byte of the piece.
    Name(usize),
}

enum Kind {
    /// A group, a list, or the whole text.
    Group,
    /// The arguments of the named function.
    Call(String),
    /// Coordinates, with the levels of parentheses that are open.
    Wkt(usize),
}

/// One open parenthesis.
struct Frame {
    kind: Kind,
    /// The text since the last AND, OR or comma, with marks for what stands in parentheses.
    piece: String,
    /// What the marks stand for.
    marked: Vec<Option<Expr>>,
    operators: usize,
    /// BETWEENs whose AND is still to come.
    betweens: usize,
    /// Joined by AND since the last OR.
    all: Vec<Expr>,
    /// Joined by OR since the last comma.
    any: Vec<Expr>,
    items: Vec<Expr>,
}

impl Frame {
    fn new(kind: Kind) -> Frame {
        Frame { kind, piece: String::new(), marked: vec![], operators: 0, betweens: 0, all: vec![], any: vec![], items: vec![] }
    }

    fn end_piece(&mut self) -> Result<()> {
        let expr = parse_piece(&self.piece, &mut self.marked)?;
        self.all.push(expr);
        self.piece.clear();
        self.marked.clear();
        (self.operators, self.betweens) = (0, 0);
        Ok(())
    }

    fn end_all(&mut self) -> Result<()> {
        self.end_piece()?;
        self.any.push(join("and", std::mem::take(&mut self.all)));
        Ok(())
    }

    fn end_item(&mut self) -> Result<()> {
        self.end_all()?;
        self.items.push(join("or", std::mem::take(&mut self.any)));
        Ok(())
    }

    fn close(mut self) -> Result<Expr> {
        if let Kind::Wkt(_) = self.kind {
            return parse_piece(&self.piece, &mut []).map_err(|error| Error { code: Code::InvalidGeometry, ..error });
        }
        let empty = self.items.is_empty() && self.any.is_empty() && self.all.is_empty() && self.piece.trim().is_empty();
        if !(empty && matches!(self.kind, Kind::Call(_))) {
            self.end_item()?;
        }
        match self.kind {
            Kind::Call(name) => {
                let marks: Vec<_> = (0..self.items.len()).map(mark).collect();
                let mut items: Vec<_> = self.items.into_iter().map(Some).collect();
                parse_piece(&format!("{name}({})", marks.join(",")), &mut items)
            }
            _ if self.items.len() == 1 => Ok(self.items.remove(0)),
            _ => Ok(Expr::Array(self.items.into_iter().map(Box::new).collect())),
        }
    }
}

fn join(op: &str, mut list: Vec<Expr>) -> Expr {
    if list.len() == 1 { list.remove(0) } else { Expr::Operation { op: op.into(), args: list.into_iter().map(Box::new).collect() } }
}

fn mark(number: usize) -> String {
    format!("\"{MARK}{number}\"")
}

struct Reader {
    frames: Vec<Frame>,
    previous: Previous,
    operators: usize,
}

impl Reader {
    /// The innermost open parenthesis. There is always one: the first stands for the whole text and is never closed.
    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Kind::Group));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn token(&mut self, first: char, token: &str) -> Result<()> {
        if let Frame { kind: Kind::Wkt(depth), piece, .. } = self.frame() {
            piece.push_str(token);
            match first {
                '(' if *depth == WKT_DEPTH_MAX => {
                    return Err(Error { code: Code::InvalidGeometry, ..unreadable(piece, "too many parentheses / 括号过多") });
                }
                '(' => *depth += 1,
                ')' if *depth == 1 => return self.close(),
                ')' => *depth -= 1,
                _ => {}
            }
            return Ok(());
        }
        match first {
            '(' => self.open(),
            ')' => {
                if self.frames.len() == 1 {
                    return Err(unreadable(")", "there is one ) too many / 多余的右括号"));
                }
                self.close()
            }
            ',' => {
                self.previous = Previous::Operator;
                self.operators += 1;
                self.check_operators()?;
                self.frame().end_item()
            }
            '"' => {
                if token.contains(MARK) {
                    return Err(unreadable("", "a control character in a name / 字段名含控制字符"));
                }
                self.previous = Previous::Name(self.frame().piece.len());
                self.frame().piece.push_str(token);
                Ok(())
            }
            c if c.is_alphabetic() => self.word(token),
            c if c == '\'' || c.is_ascii_digit() => {
                self.previous = Previous::Operand;
                self.frame().piece.push_str(token);
                Ok(())
            }
            c if c.is_whitespace() => {
                self.frame().piece.push(' ');
                Ok(())
            }
            _ => self.operator(token, Previous::Operator),
        }
    }

    fn operator(&mut self, token: &str, previous: Previous) -> Result<()> {
        self.previous = previous;
        self.operators += 1;
        let frame = self.frame();
        frame.operators += 1;
        frame.piece.push_str(token);
        if frame.operators > PIECE_OPERATORS_MAX {
            return Err(too_complex(format!("{} operators without AND or OR / 个连续运算符", frame.operators), PIECE_OPERATORS_MAX));
        }
        self.check_operators()
    }

    fn check_operators(&self) -> Result<()> {
        if self.operators > OPERATORS_MAX {
            return Err(too_complex(format!("{} operators and commas / 个运算符和逗号", self.operators), OPERATORS_MAX));
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<()> {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        let after_operand = matches!(self.previous, Previous::Operand | Previous::Name(_));
        if after_operand && (is("and") || is("or")) {
            if is("and") && self.frame().betweens > 0 {
                self.frame().betweens -= 1;
                return self.operator(word, Previous::Operator);
            }
            self.previous = Previous::Operator;
            self.operators += 1;
            self.check_operators()?;
            return if is("and") { self.frame().end_piece() } else { self.frame().end_all() };
        }
        if is("not") {
            return self.operator(word, Previous::Not);
        }
        if (after_operand || self.previous == Previous::Not) && ["between", "in", "like", "is", "div"].into_iter().any(is) {
            self.frame().betweens += usize::from(is("between"));
            return self.operator(word, Previous::Operator);
        }
        let previous = self.previous;
        let frame = self.frame();
        let start = frame.piece.len();
        frame.piece.push_str(word);
        self.previous = if ["true", "false", "null"].into_iter().any(is) {
            Previous::Operand
        } else {
            match previous {
                // POINT Z (1 2 3)
                Previous::Name(name) if ["z", "m", "zm"].into_iter().any(is) && wkt_keyword(&self.frame().piece[name..start]).is_some() => {
                    previous
                }
                _ => Previous::Name(start),
            }
        };
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        if self.frames.len() > DEPTH_MAX {
            return Err(too_complex(format!("depth > {DEPTH_MAX}"), format!("{DEPTH_MAX} levels of parentheses / 层括号")));
        }
        let name = match self.previous {
            Previous::Name(start) => Some(self.frame().piece.split_off(start)),
            _ => None,
        };
        self.previous = Previous::Operator;
        let frame = match name {
            None => Frame::new(Kind::Group),
            Some(name) => match wkt_keyword(&name) {
                Some("GEOMETRYCOLLECTION") => {
                    let expected = "one Point, LineString, Polygon or Multi… / 单一几何类型";
                    return Err(Error::new(Code::InvalidGeometry, "filter", "GEOMETRYCOLLECTION", expected));
                }
                Some(_) => Frame { piece: name + "(", ..Frame::new(Kind::Wkt(1)) },
                None => Frame::new(Kind::Call(name)),
            },
        };
        self.frames.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let expr = frame.close()?;
        let outer = self.frame();
        outer.piece.push_str(&mark(outer.marked.len()));
        outer.marked.push(Some(expr));
        self.previous = Previous::Operand;
        Ok(())
    }

    fn finish(mut self) -> Result<Expr> {
        match self.frames.pop() {
            Some(frame) if self.frames.is_empty() => match frame.close()? {
                Expr::Array(_) => Err(unreadable(",", "a comma outside of parentheses / 括号外的逗号")),
                expr => Ok(expr),
            },
            _ => Err(unreadable("(", "a parenthesis is not closed / 括号未闭合")),
        }
    }
}

fn wkt_keyword(name: &str) -> Option<&'static str> {
    let word = name.split_whitespace().next()?;
    WKT.into_iter().find(|known| {
        let suffix = word.get(..known.len()).filter(|start| start.eq_ignore_ascii_case(known)).map(|_| &word[known.len()..]);
        suffix.is_some_and(|suffix| ["", "z", "m", "zm"].iter().any(|dimension| suffix.eq_ignore_ascii_case(dimension)))
    })
}

/// Reads one piece with the crate and puts back what its marks stand for.
fn parse_piece(piece: &str, marked: &mut [Option<Expr>]) -> Result<Expr> {
    let piece = piece.trim();
    if piece.is_empty() {
        return Err(unreadable("", "something is missing / 缺少内容"));
    }
    let mut expr = cql2::parse_text(piece).map_err(|error| explain(piece, &error.to_string()))?;
    restore(&mut expr, marked);
    Ok(expr)
}

fn restore(expr: &mut Expr, marked: &mut [Option<Expr>]) {
    match expr {
        Expr::Property { property } => {
            let number = property.strip_prefix(MARK).and_then(|number| number.parse::<usize>().ok());
            if let Some(inner) = number.and_then(|number| marked.get_mut(number)?.take()) {
                *expr = inner;
            }
        }
        Expr::Operation { op, args } => {
            args.iter_mut().for_each(|arg| restore(arg, marked));
            // The crate took the mark of a list for its only element.
            if op == "in"
                && let Some(list) = args.get_mut(1)
                && let Expr::Array(items) = &mut **list
                && let [only] = &mut items[..]
                && matches!(**only, Expr::Array(_))
            {
                let inner = std::mem::replace(&mut **only, Expr::Null);
                **list = inner;
            }
        }
        Expr::Array(items) | Expr::Interval { interval: items } | Expr::BBox { bbox: items } => {
            items.iter_mut().for_each(|item| restore(item, marked));
        }
        Expr::Timestamp { timestamp: inner } | Expr::Date { date: inner } => restore(inner, marked),
        Expr::Float(_) | Expr::Literal(_) | Expr::Bool(_) | Expr::Geometry(_) | Expr::Null => {}
    }
}

/// The crate's report names rules of its grammar; what helps is the place where it stopped.
fn explain(piece: &str, report: &str) -> Error {
    let place = report.split_once("--> ").and_then(|(_, rest)| rest.split_once(':'));
    let column = place.and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok());
    let Some(column) = column else { return unreadable(&shown(piece), report.lines().next().unwrap_or_default()) };
    let tail: String = piece.chars().skip(column - column.min(1)).collect();
    if tail.trim().is_empty() {
        unreadable(&shown(piece), "it ends too early / 不完整")
    } else {
        unreadable(&shown(&tail), "it can't be read from here on / 无法解析此处")
    }
}

/// The text with `(…)` for what was read before.
fn shown(piece: &str) -> String {
    let mut shown = String::with_capacity(piece.len());
    for (i, part) in piece.split(MARK).enumerate() {
        match i {
            0 => shown.push_str(part),
            _ => {
                shown.pop();
                shown.push_str("(…)");
                shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('"'));
            }
        }
    }
    shown
}

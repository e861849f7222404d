//! Characters and words of a command line: what may stand there, what deceives, and how it is told.
//!
//! A command is plain ASCII, because the person who reads it must see what the program reads. Reasons
//! are text of people and may be in any language.

/// Slashes of other alphabets, beside our own.
const SLASHES: [char; 6] = ['/', '\u{2044}', '\u{2215}', '\u{29f8}', '\u{2571}', '\u{ff0f}'];

/// A character that has no business where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odd {
    /// Which.
    pub(super) character: char,
    /// The how-manieth character of the line, from 1.
    pub(super) position: usize,
}

impl Odd {
    /// What is wrong with it, one sentence. Never repeats the character itself.
    pub(super) fn what(self) -> String {
        let Self { character, position } = self;
        let code = format!("U+{:04X}", u32::from(character));
        let kind = match kind(character) {
            Kind::Control => "a control character".to_owned(),
            Kind::Bidi => "it changes the direction of the text".to_owned(),
            Kind::Invisible => "it cannot be seen".to_owned(),
            Kind::Space => "it looks like a space and is none".to_owned(),
            Kind::Quote => "a curly quote".to_owned(),
            Kind::Dash => "a dash that is not `-`".to_owned(),
            Kind::Like(ascii) => format!("it looks like `{ascii}` and is another character"),
            Kind::Other => "not plain ASCII".to_owned(),
        };
        format!("Character {position} of the line is {code}: {kind}.")
    }

    /// What to do.
    pub(super) fn next(self) -> &'static str {
        match kind(self.character) {
            Kind::Space => "Write an ordinary space there.",
            Kind::Quote => "Write the straight quote `\"`; some keyboards replace it on their own.",
            Kind::Dash => "Write `-`, and `--` before an option; some keyboards replace them on their own.",
            Kind::Control | Kind::Bidi | Kind::Invisible | Kind::Like(_) | Kind::Other => {
                "Type the line again in a new comment, in plain ASCII, instead of pasting it."
            }
        }
    }
}

enum Kind {
    Control,
    Bidi,
    Invisible,
    Space,
    Quote,
    Dash,
    Like(char),
    Other,
}

fn kind(character: char) -> Kind {
    match character {
        c if c.is_whitespace() => Kind::Space,
        c if c.is_control() => Kind::Control,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Kind::Bidi,
        c if invisible(c) => Kind::Invisible,
        '\u{2018}'..='\u{201f}' | '\u{2032}' | '\u{2033}' | '«' | '»' | '\u{ff02}' => Kind::Quote,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => Kind::Dash,
        c => lookalike(c).map_or(Kind::Other, Kind::Like),
    }
}

/// Whether a character takes no place on the screen, or seems not to.
fn invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || character.is_control()
}

/// Whether a character of a reason outside of quotes must be refused. Joiners and variation selectors
/// belong to emoji and to scripts that join letters.
fn hidden_in_text(character: char) -> bool {
    invisible(character) && !matches!(character, '\t' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// The ASCII character this one looks like. Not complete, and need not be: what is not ASCII is
/// refused anyway; this only finds out whether a verb was meant.
fn lookalike(character: char) -> Option<char> {
    let code = u32::from(character);
    let letter = |offset: u32| u8::try_from(offset % 26).ok().map(|offset| char::from(b'a' + offset));
    match character {
        '\u{ff01}'..='\u{ff5e}' => u8::try_from(code - 0xff01).ok().map(|offset| char::from(b'!' + offset)),
        '\u{1d400}'..='\u{1d6a3}' => letter(code - 0x1d400),
        '\u{24b6}'..='\u{24e9}' => letter(code - 0x24b6),
        'а' | 'А' | 'α' | 'Α' | 'ɑ' => Some('a'),
        'Ь' | 'В' | 'Β' => Some('b'),
        'с' | 'С' | 'ϲ' => Some('c'),
        'ԁ' | 'ժ' => Some('d'),
        'е' | 'Е' | 'Ε' | 'ҽ' => Some('e'),
        'ɡ' | 'ց' => Some('g'),
        'һ' | 'Һ' | 'Н' | 'Η' | 'հ' => Some('h'),
        'і' | 'І' | 'ι' | 'Ι' | 'ı' => Some('i'),
        'к' | 'К' | 'κ' | 'Κ' => Some('k'),
        'ӏ' | 'Ӏ' | 'ⅼ' => Some('l'),
        'м' | 'М' | 'Μ' => Some('m'),
        'ո' | 'Ν' => Some('n'),
        'о' | 'О' | 'ο' | 'Ο' | 'օ' => Some('o'),
        'р' | 'Р' | 'ρ' | 'Ρ' => Some('p'),
        'г' => Some('r'),
        'ѕ' | 'Ѕ' => Some('s'),
        'т' | 'Т' | 'τ' | 'Τ' => Some('t'),
        'ս' | 'υ' => Some('u'),
        'ѵ' | 'ν' => Some('v'),
        'у' | 'У' | 'γ' | 'Υ' => Some('y'),
        '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{2571}' => Some('/'),
        _ => None,
    }
}

/// Whether a text can hold a command at all: the cheapest question first.
pub(super) fn may_hold_commands(body: &str) -> bool {
    body.contains(SLASHES)
}

/// How a line opens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening<'l> {
    /// With `/` and this word, in ASCII.
    Word(&'l str),
    /// With something that looks like `/` and this word, and is not.
    Disguised(String, Odd),
    /// Otherwise.
    Other,
}

/// The longest first word worth looking at.
const LONGEST: usize = 24;

/// Looks at the first word of a line.
pub(super) fn opening(line: &str) -> Opening<'_> {
    if let Some(rest) = line.strip_prefix('/') {
        let word = &rest[..rest.find([' ', '\t']).unwrap_or(rest.len())];
        if word.is_ascii() && !word.contains(|c: char| c.is_ascii_control()) {
            return Opening::Word(word);
        }
    }
    let mut odd = None;
    let mut seen = String::new();
    for (index, c) in line.chars().enumerate() {
        let strange = !c.is_ascii_graphic();
        if seen.len() > LONGEST || (strange && c.is_whitespace() && !seen.is_empty()) {
            // A space that is none ends the word and is what is wrong with it.
            odd = odd.or((c != ' ' && c != '\t').then_some(Odd { character: c, position: index + 1 }));
            break;
        }
        if strange {
            odd = odd.or(Some(Odd { character: c, position: index + 1 }));
        }
        if !(strange && (invisible(c) || c.is_whitespace())) {
            seen.push(lookalike(c).unwrap_or(c).to_ascii_lowercase());
        }
    }
    match (seen.strip_prefix('/'), odd) {
        (Some(word), Some(odd)) => Opening::Disguised(word.to_owned(), odd),
        _ => Opening::Other,
    }
}

/// Why a text in quotes cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unquotable {
    /// There is no closing quote.
    NotClosed,
    /// Something follows the closing quote without a space.
    NotSeparated,
}

/// Reads a line from left to right, once.
#[derive(Debug)]
pub(super) struct Cursor<'l> {
    line: &'l str,
    at: usize,
}

impl<'l> Cursor<'l> {
    /// At the beginning of a line.
    pub(super) fn new(line: &'l str) -> Self {
        Self { line, at: 0 }
    }

    /// What is left, without the spaces before it.
    pub(super) fn left(&mut self) -> &'l str {
        let rest = &self.line[self.at..];
        let trimmed = rest.trim_start_matches([' ', '\t']);
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    /// The next word, not read yet; empty at the end.
    pub(super) fn peek(&mut self) -> &'l str {
        let left = self.left();
        &left[..left.find([' ', '\t']).unwrap_or(left.len())]
    }

    /// Reads so many bytes of what is left.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Reads the next word, which must be plain.
    pub(super) fn word(&mut self) -> Result<&'l str, Odd> {
        let word = self.peek();
        self.plain(word.len())?;
        self.at += word.len();
        Ok(word)
    }

    /// Whether the next bytes are plain ASCII that can be seen.
    pub(super) fn plain(&self, bytes: usize) -> Result<(), Odd> {
        self.first(bytes, |c| !c.is_ascii_graphic())
    }

    /// Reads the next word of a reason.
    pub(super) fn text(&mut self) -> Result<&'l str, Odd> {
        let word = self.peek();
        self.first(word.len(), hidden_in_text)?;
        self.at += word.len();
        Ok(word)
    }

    fn first(&self, bytes: usize, wrong: impl Fn(char) -> bool) -> Result<(), Odd> {
        let part = &self.line[self.at..self.at + bytes];
        match part.char_indices().find(|(_, c)| wrong(*c)) {
            None => Ok(()),
            Some((offset, character)) => {
                let position = self.line[..self.at + offset].chars().count() + 1;
                Err(Odd { character, position })
            }
        }
    }

    /// Reads a text in quotes, which begins here. `None` when none begins here.
    pub(super) fn quoted(&mut self) -> Option<Result<String, Unquotable>> {
        let left = &self.line[self.at..];
        let quote = left.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let mut text = String::new();
        let mut characters = left.char_indices().skip(1);
        while let Some((offset, c)) = characters.next() {
            match c {
                '\\' => match characters.next() {
                    Some((_, escaped)) if escaped == quote || escaped == '\\' => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                c if c == quote => {
                    let end = offset + c.len_utf8();
                    if !left[end..].is_empty() && !left[end..].starts_with([' ', '\t']) {
                        return Some(Err(Unquotable::NotSeparated));
                    }
                    self.at += end;
                    return Some(Ok(text));
                }
                c => text.push(c),
            }
        }
        Some(Err(Unquotable::NotClosed))
    }
}

/// A word of the line as it can be repeated in an answer: short, and never Markdown.
pub(super) fn shown(word: &str) -> String {
    let mut text: String = word.chars().filter(char::is_ascii_graphic).take(60).collect();
    if word.chars().count() > 60 {
        text.push('…');
    }
    format!("`{}`", text.replace('`', "'"))
}

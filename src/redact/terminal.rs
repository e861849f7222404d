//! Text from elsewhere, made harmless for a terminal and a log.

use std::iter::Peekable;
use std::str::Chars;

/// The text without escape sequences, control characters but newline and tab, and characters that
/// reorder or hide text (bidirectional controls, zero-width spaces, tags).
///
/// A carriage return before a newline goes; a lone one becomes a newline, because on a terminal it
/// would let what follows overwrite what stands before.
pub fn without_controls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\n' | '\t' => clean.push(c),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => clean.push('\n'),
            '\u{1b}' => skip_escape(&mut letters),
            '\u{9b}' => skip_control_sequence(&mut letters),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut letters),
            _ if c.is_control() || is_hidden(c) => {}
            _ => clean.push(c),
        }
    }
    clean
}

/// Characters that show nothing and change how others are shown.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// After ESC (ECMA-48, section 5.3).
fn skip_escape(letters: &mut Peekable<Chars<'_>>) {
    match letters.peek().copied() {
        Some('[') => {
            letters.next();
            skip_control_sequence(letters);
        }
        Some('P' | 'X' | ']' | '^' | '_') => {
            letters.next();
            skip_string(letters);
        }
        Some('\u{20}'..='\u{2f}') => {
            while letters.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
            letters.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
        }
        Some('\u{30}'..='\u{7e}') => {
            letters.next();
        }
        _ => {}
    }
}

/// Parameters, then one final character. What does not belong to it stays.
fn skip_control_sequence(letters: &mut Peekable<Chars<'_>>) {
    while letters.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
    letters.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

/// Up to the string's end; one that has none takes its line with it and nothing more.
fn skip_string(letters: &mut Peekable<Chars<'_>>) {
    while let Some(c) = letters.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' if letters.next_if(|c| *c == '\\').is_some() => return,
            _ => {}
        }
    }
}

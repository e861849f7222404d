//! The little that is read of CloudWatch's metric expressions: the names in them.
//!
//! A name is a word outside of quotes (CloudWatch user guide, "Metric math syntax and functions").
//! Names of metrics begin with a small letter; functions and key words are capitals.

/// Whether it is a Metrics Insights query and no metric math.
pub fn is_insights_query(expression: &str) -> bool {
    let mut words = expression.split_whitespace();
    words.next().is_some_and(|first| first.eq_ignore_ascii_case("select"))
}

/// The words of an expression outside of quotes, in their order.
pub fn expression_names(expression: &str) -> Vec<&str> {
    pieces(expression).into_iter().filter_map(|(piece, kind)| (kind == Kind::Name).then_some(piece)).collect()
}

/// The expression with other names for its metrics.
pub fn renamed(expression: &str, name: impl Fn(&str) -> Option<String>) -> String {
    pieces(expression)
        .into_iter()
        .map(|(piece, kind)| match kind {
            Kind::Name => name(piece).unwrap_or_else(|| piece.to_owned()),
            Kind::Other => piece.to_owned(),
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Other,
}

fn pieces(text: &str) -> Vec<(&str, Kind)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (end, kind) = match first {
            '"' | '\'' => (rest[1..].find(first).map_or(rest.len(), |at| at + 2), Kind::Other),
            c if c.is_ascii_alphabetic() || c == '_' => (word_end(rest), Kind::Name),
            // `1e5` is a number, and no name `e5`.
            c if c.is_ascii_digit() => (word_end(rest), Kind::Other),
            c => (c.len_utf8(), Kind::Other),
        };
        pieces.push((&rest[..end], kind));
        rest = &rest[end..];
    }
    pieces
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_outside_of_quotes_and_are_renamed_whole() {
        let text =
            "IF(requests > 1e3, 100*errors/requests, FILL(errors,0)) + SEARCH('{AWS,errors} errors', \"Sum\") + é\"";
        assert_eq!(expression_names(text), ["IF", "requests", "errors", "requests", "FILL", "errors", "SEARCH"]);
        let renamed = renamed(text, |name| (name == "errors").then(|| "q1_errors".to_owned()));
        assert_eq!(
            renamed,
            "IF(requests > 1e3, 100*q1_errors/requests, FILL(q1_errors,0)) + SEARCH('{AWS,errors} errors', \"Sum\") + é\""
        );
    }

    #[test]
    fn a_metrics_insights_query_begins_with_select() {
        assert!(is_insights_query("  select AVG(x) FROM y"));
        assert!(!is_insights_query("SELECTED / m1"));
    }
}

//! The part of metric math that tests use (CloudWatch user guide, "Metric math syntax and
//! functions"): numbers, names, `+ - * /`, parentheses, `FILL(series, number)`.
//!
//! Two series are combined where both have a value; a division by zero gives no value.

use std::collections::BTreeMap;

use crate::reply::Millis;

/// Values by the beginning of their periods.
pub(crate) type Series = BTreeMap<Millis, f64>;

#[derive(Debug, Clone)]
enum Term {
    Number(f64),
    Series(Series),
}

/// The series that an expression is, or what is wrong with it. `periods` are the beginnings of those that
/// are asked about and over.
pub(crate) fn evaluate<'s>(
    text: &str,
    known: &dyn Fn(&str) -> Option<&'s Series>,
    periods: &[Millis],
) -> Result<Series, String> {
    let mut reader = Reader { text, known, periods };
    let term = reader.sum()?;
    match (reader.peek(), term) {
        (Some(more), _) => Err(format!("Unexpected '{more}'")),
        (None, Term::Series(series)) => Ok(series),
        (None, Term::Number(_)) => Err("The expression does not answer a time series".to_owned()),
    }
}

struct Reader<'t, 's> {
    text: &'t str,
    known: &'t dyn Fn(&str) -> Option<&'s Series>,
    periods: &'t [Millis],
}

impl Reader<'_, '_> {
    fn peek(&mut self) -> Option<char> {
        self.text = self.text.trim_start();
        self.text.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.text = &self.text[wanted.len_utf8()..];
        }
        found
    }

    fn sum(&mut self) -> Result<Term, String> {
        let mut left = self.product()?;
        loop {
            if self.take('+') {
                left = combined(left, self.product()?, |a, b| Some(a + b));
            } else if self.take('-') {
                left = combined(left, self.product()?, |a, b| Some(a - b));
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self) -> Result<Term, String> {
        let mut left = self.single()?;
        loop {
            if self.take('*') {
                left = combined(left, self.single()?, |a, b| Some(a * b));
            } else if self.take('/') {
                left = combined(left, self.single()?, |a, b| (b != 0.0).then(|| a / b));
            } else {
                return Ok(left);
            }
        }
    }

    fn single(&mut self) -> Result<Term, String> {
        if self.take('-') {
            return Ok(combined(Term::Number(0.0), self.single()?, |a, b| Some(a - b)));
        }
        if self.take('(') {
            let inside = self.sum()?;
            return if self.take(')') { Ok(inside) } else { Err("A parenthesis is not closed".to_owned()) };
        }
        match self.peek() {
            Some(c) if c.is_ascii_digit() || c == '.' => {
                let word = self.word(|c| c.is_ascii_digit() || c == '.');
                word.parse().map(Term::Number).map_err(|_| format!("'{word}' is no number"))
            }
            Some(c) if c.is_ascii_alphabetic() => {
                let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
                if word == "FILL" { self.fill() } else { self.named(&word) }
            }
            Some(other) => Err(format!("Unexpected '{other}'")),
            None => Err("The expression ends too early".to_owned()),
        }
    }

    fn named(&self, name: &str) -> Result<Term, String> {
        let found = (self.known)(name).cloned();
        found.map(Term::Series).ok_or_else(|| format!("Unsupported operand or function '{name}'"))
    }

    /// What is missing gets a value, of a series without any value as well.
    fn fill(&mut self) -> Result<Term, String> {
        let wrong = || "FILL takes a series and a number".to_owned();
        if !self.take('(') {
            return Err(wrong());
        }
        let Term::Series(mut series) = self.sum()? else { return Err(wrong()) };
        let value = if self.take(',') { self.sum()? } else { return Err(wrong()) };
        let (Term::Number(value), true) = (value, self.take(')')) else { return Err(wrong()) };
        for at in self.periods {
            series.entry(*at).or_insert(value);
        }
        Ok(Term::Series(series))
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.text.find(|c| !belongs(c)).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        word.to_owned()
    }
}

fn combined(left: Term, right: Term, with: impl Fn(f64, f64) -> Option<f64>) -> Term {
    match (left, right) {
        (Term::Number(left), Term::Number(right)) => {
            with(left, right).map_or(Term::Series(Series::new()), Term::Number)
        }
        (Term::Series(left), Term::Number(right)) => {
            Term::Series(left.into_iter().filter_map(|(at, left)| Some((at, with(left, right)?))).collect())
        }
        (Term::Number(left), Term::Series(right)) => {
            Term::Series(right.into_iter().filter_map(|(at, right)| Some((at, with(left, right)?))).collect())
        }
        (Term::Series(left), Term::Series(right)) => {
            Term::Series(left.into_iter().filter_map(|(at, left)| Some((at, with(left, *right.get(&at)?)?))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_rate_is_calculated_where_both_series_have_a_value() {
        let errors = Series::from([(0, 1.0), (60, 2.0), (180, 5.0)]);
        let requests = Series::from([(0, 10.0), (60, 0.0), (120, 7.0), (180, 10.0)]);
        let known = |name: &str| match name {
            "errors" => Some(&errors),
            "requests" => Some(&requests),
            _ => None,
        };
        let of = |text: &str| evaluate(text, &known, &[0, 60, 120, 180]);
        assert_eq!(of("100 * errors / requests").unwrap(), Series::from([(0, 10.0), (180, 50.0)]));
        assert_eq!(of("-(errors - 2) + 1").unwrap(), Series::from([(0, 2.0), (60, 1.0), (180, -2.0)]));
        assert_eq!(of("FILL(errors, 0)").unwrap(), Series::from([(0, 1.0), (60, 2.0), (120, 0.0), (180, 5.0)]));
        assert_eq!(of("FILL(errors - errors, 7) / requests").unwrap().get(&120), Some(&1.0));
        assert!(of("errors / others").unwrap_err().contains("'others'"));
        assert!(of("1 + 2").is_err() && of("(errors").is_err() && of("errors errors").is_err() && of("").is_err());
    }
}

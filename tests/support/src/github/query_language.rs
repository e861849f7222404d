//! Reads GraphQL requests: one operation with variables, selections, arguments, aliases, inline
//! fragments, `@include` and `@skip`. No named fragments, no schema.

use serde_json::{Map, Value, json};

/// An operation with its variables put in.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) selections: Vec<Selection>,
}

/// A field, or a fragment for one type.
#[derive(Debug)]
pub(super) enum Selection {
    Field { alias: String, name: String, arguments: Map<String, Value>, inside: Vec<Selection> },
    On { kind: String, inside: Vec<Selection> },
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(String),
    Sign(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut place = 0;
    let run = |from: usize, fits: fn(char) -> bool| {
        letters[from..].iter().take_while(|letter| fits(**letter)).collect::<String>()
    };
    while let Some(&letter) = letters.get(place) {
        match letter {
            letter if letter.is_whitespace() || letter == ',' => place += 1,
            '#' => place += run(place, |letter| letter != '\n').chars().count(),
            '"' => {
                let mut word = String::new();
                place += 1;
                loop {
                    match letters.get(place) {
                        Some('"') => break,
                        Some('\\') => {
                            place += 1;
                            word.extend(letters.get(place).map(|letter| if *letter == 'n' { '\n' } else { *letter }));
                        }
                        Some(letter) => word.push(*letter),
                        None => return Err("a text does not end".to_owned()),
                    }
                    place += 1;
                }
                place += 1;
                found.push(Token::Text(word));
            }
            letter if letter.is_ascii_digit() || letter == '-' => {
                let word = run(place, |letter| letter.is_ascii_digit() || "-.eE+".contains(letter));
                place += word.chars().count();
                found.push(Token::Number(word));
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let word = run(place, |letter| letter.is_alphanumeric() || letter == '_');
                place += word.chars().count();
                found.push(Token::Name(word));
            }
            '.' => {
                place += 3;
                found.push(Token::Sign("...".to_owned()));
            }
            letter if "{}()[]:!$@=|".contains(letter) => {
                place += 1;
                found.push(Token::Sign(letter.to_string()));
            }
            letter => return Err(format!("Expected one of SCHEMA, QUERY…, actual: UNKNOWN_CHAR ({letter:?})")),
        }
    }
    Ok(found)
}

/// Reads a request; every variable that is needed must be given.
pub(super) fn read(query: &str, variables: &Map<String, Value>) -> Result<Operation, String> {
    let mut reader = Reader { tokens: tokens(query)?, place: 0, variables: variables.clone() };
    let kind = if reader.peek("{") { "query".to_owned() } else { reader.name()? };
    if kind != "query" && kind != "mutation" {
        return Err(format!("{kind} is no operation that is known here"));
    }
    let name = if reader.peek("{") || reader.peek("(") { None } else { Some(reader.name()?) };
    if reader.take("(") {
        reader.definitions()?;
    }
    let selections = reader.selections()?;
    if reader.place < reader.tokens.len() {
        return Err("one operation is known here, and no fragments with names".to_owned());
    }
    Ok(Operation { kind, name, selections })
}

struct Reader {
    tokens: Vec<Token>,
    place: usize,
    variables: Map<String, Value>,
}

impl Reader {
    fn peek(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.place), Some(Token::Sign(found)) if found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.peek(sign);
        self.place += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        format!("Parse error: expected {wanted}, found {:?}", self.tokens.get(self.place))
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens.get(self.place) {
            Some(Token::Name(name)) => {
                self.place += 1;
                Ok(name.clone())
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// `($name: Type! = default, …)`, the parenthesis being open.
    fn definitions(&mut self) -> Result<(), String> {
        while !self.take(")") {
            self.expect("$")?;
            let name = self.name()?;
            self.expect(":")?;
            let list = self.take("[");
            let kind = self.name()?;
            if list {
                self.take("!");
                self.expect("]")?;
            }
            let needed = self.take("!");
            if self.take("=") {
                let usual = self.value()?;
                self.variables.entry(name.clone()).or_insert(usual);
            }
            let given = self.variables.get(&name).filter(|value| !value.is_null());
            let fits = |value: &Value| match kind.as_str() {
                "Int" => value.is_i64() || value.is_u64(),
                "Boolean" => value.is_boolean(),
                "String" | "ID" => value.is_string(),
                _ => true,
            };
            match given {
                None if needed => {
                    return Err(format!("Variable ${name} of type {kind}! was provided invalid value"));
                }
                Some(value) if !list && !fits(value) => {
                    return Err(format!("Variable ${name} of type {kind} was provided invalid value"));
                }
                Some(Value::Array(values)) if list && !values.iter().all(fits) => {
                    return Err(format!("Variable ${name} of type [{kind}] was provided invalid value"));
                }
                None => {
                    self.variables.entry(name).or_insert(Value::Null);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.take("$") {
            let name = self.name()?;
            let given = self.variables.get(&name).cloned();
            return given.ok_or_else(|| format!("Variable ${name} is used by the operation but not declared"));
        }
        if self.take("[") {
            let mut values = Vec::new();
            while !self.take("]") {
                values.push(self.value()?);
            }
            return Ok(Value::Array(values));
        }
        if self.take("{") {
            let mut members = Map::new();
            while !self.take("}") {
                let name = self.name()?;
                self.expect(":")?;
                members.insert(name, self.value()?);
            }
            return Ok(Value::Object(members));
        }
        let token = self.tokens.get(self.place).cloned();
        self.place += 1;
        match token {
            Some(Token::Text(text)) => Ok(json!(text)),
            Some(Token::Number(number)) => serde_json::from_str(&number).map_err(|error| error.to_string()),
            Some(Token::Name(word)) => Ok(match word.as_str() {
                "true" => json!(true),
                "false" => json!(false),
                "null" => Value::Null,
                _ => json!(word),
            }),
            _ => Err("Parse error: a value is missing".to_owned()),
        }
    }

    fn arguments(&mut self) -> Result<Map<String, Value>, String> {
        let mut arguments = Map::new();
        if self.take("(") {
            while !self.take(")") {
                let name = self.name()?;
                self.expect(":")?;
                arguments.insert(name, self.value()?);
            }
        }
        Ok(arguments)
    }

    /// Whether the directives let it stand.
    fn stands(&mut self) -> Result<bool, String> {
        let mut stands = true;
        while self.take("@") {
            let name = self.name()?;
            let condition = self.arguments()?.get("if").and_then(Value::as_bool);
            let condition = condition.ok_or_else(|| format!("@{name} needs if: a Boolean"))?;
            match name.as_str() {
                "include" => stands &= condition,
                "skip" => stands &= !condition,
                _ => return Err(format!("Directive @{name} is not defined")),
            }
        }
        Ok(stands)
    }

    fn selections(&mut self) -> Result<Vec<Selection>, String> {
        self.expect("{")?;
        let mut found = Vec::new();
        while !self.take("}") {
            if self.take("...") {
                if self.name()? != "on" {
                    return Err("fragments with names are not known here".to_owned());
                }
                let kind = self.name()?;
                let stands = self.stands()?;
                let inside = self.selections()?;
                if stands {
                    found.push(Selection::On { kind, inside });
                }
                continue;
            }
            let first = self.name()?;
            let (alias, name) = if self.take(":") { (first, self.name()?) } else { (first.clone(), first) };
            let arguments = self.arguments()?;
            let stands = self.stands()?;
            let inside = if self.peek("{") { self.selections()? } else { Vec::new() };
            if stands {
                found.push(Selection::Field { alias, name, arguments, inside });
            }
        }
        Ok(found)
    }
}

use super::spec::*;
use super::*;
use crate::types::Span;

const FULL: &str = include_str!("../../tests/configuration/full.yml");

#[test]
fn the_full_example_is_understood() {
    let config = parse(FILE, FULL).unwrap_or_else(|problems| panic!("{problems}"));
    let staging = &config.environments[&"staging".parse().unwrap()];
    assert_eq!(staging.within, Span::minutes(15));
}

//! Broken configurations, each with everything that is wrong in it: line, path, code.

use super::super::{FILE, parse};

#[test]
fn x() {
    let _ = parse(FILE, "");
}

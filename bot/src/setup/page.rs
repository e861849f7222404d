//! The three pages of the set-up: before GitHub, after it, and when something is wrong. Pure.

use std::fmt::Write as _;

use serde_json::Value;
use shipline::problem::Problem;

use super::manifest::Place;
use crate::requirements::{EVENTS, PERMISSIONS};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1f2328;background:#fff}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d1d9e0}\
button,.button{display:inline-block;font:inherit;font-weight:600;padding:.6rem 1.2rem;border:0;border-radius:6px;background:#1f883d;color:#fff;text-decoration:none;cursor:pointer}\
code{background:#f0f1f2;padding:.1rem .3rem;border-radius:4px}\
@media(prefers-color-scheme:dark){body{color:#f0f6fc;background:#0d1117}td,th{border-color:#3d444d}code{background:#262c36}}";

/// Before GitHub: what will be made, and the button.
pub(super) fn start(place: &Place, form: &str, manifest: &Value) -> String {
    let mut body = String::from("<h1>Create the GitHub App</h1>\n");
    let owner = match &place.organization {
        Some(login) => format!("the organization <code>{}</code>", escaped(login)),
        None => "your own account".to_owned(),
    };
    let _ = writeln!(
        body,
        "<p>GitHub will show you a page for {owner}. Its webhooks will go to <code>{}</code>.</p>",
        escaped(&place.hook())
    );
    let _ = writeln!(
        body,
        "<form action=\"{}\" method=\"post\"><input type=\"hidden\" name=\"manifest\" value=\"{}\"><button>Create it on GitHub</button></form>",
        escaped(form),
        escaped(&manifest.to_string())
    );
    body.push_str("<h2>What it may do</h2>\n<table><tr><th>permission</th><th>level</th><th>what for</th></tr>\n");
    for permission in PERMISSIONS {
        let (title, level) = (escaped(permission.title), permission.level.word());
        let _ = writeln!(body, "<tr><td>{title}</td><td>{level}</td><td>{}</td></tr>", escaped(permission.why));
    }
    body.push_str("</table>\n<h2>What it hears of</h2>\n<table><tr><th>event</th><th>what for</th></tr>\n");
    for event in EVENTS {
        let _ = writeln!(body, "<tr><td><code>{}</code></td><td>{}</td></tr>", event.key, escaped(event.why));
    }
    body.push_str("</table>\n<p>It can never change code.</p>\n");
    document("Create the GitHub App", &body)
}

/// After GitHub.
pub(super) fn done(name: &str, install: &str) -> String {
    let body = format!(
        "<h1>The App “{}” is made</h1>\n<p>Its key and its webhook secret are in files on the machine where the set-up ran. The terminal says how to start the bot.</p>\n<p><a class=\"button\" href=\"{}\">Install it on repositories</a></p>\n",
        escaped(name),
        escaped(install)
    );
    document("The App is made", &body)
}

/// Something is wrong.
pub(super) fn failed(problem: &Problem) -> String {
    let mut body = format!("<h1>{}</h1>\n", escaped(&problem.what));
    for why in &problem.why {
        let _ = writeln!(body, "<p>{}</p>", escaped(why));
    }
    let _ = writeln!(body, "<p><strong>Next</strong>: {}</p>", escaped(&problem.next));
    document("Not made", &body)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title} · Shipline</title><style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

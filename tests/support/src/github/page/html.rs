//! The conversation as a page.

use std::fmt::Write;

use super::markdown::html;
use super::{Said, Thread, clock, reason, short};

const STYLE: &str = include_str!("page.css");

/// The whole page; reloads itself every so many seconds when asked to.
pub(super) fn write(thread: &Thread<'_>, refresh: Option<u32>) -> String {
    let Thread { repository, number, title, state, author, .. } = thread;
    let (title, author) = (escaped(title), escaped(author));
    let reload = refresh.map(|seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">"));
    let mut page = begun(&format!("{title} · {repository}#{number}"), &reload.unwrap_or_default());
    let _written = write!(
        page,
        "<p class=\"where\">{repository}</p>\n<h1>{title} <span>#{number}</span></h1>\n\
         <p class=\"about\"><b class=\"state {}\">{state}</b> ",
        state.to_lowercase(),
    );
    let about = match (thread.branches, thread.head) {
        (Some((base, branch)), Some(head)) => format!(
            "<b>{author}</b> wants to merge <code>{}</code> into <code>{}</code> · head <code>{}</code></p>\n",
            escaped(branch),
            escaped(base),
            short(head),
        ),
        _ => format!("<b>{author}</b> opened this issue</p>\n"),
    };
    page.push_str(&about);
    let body =
        if thread.body.is_empty() { "<p class=\"none\">No description.</p>".to_owned() } else { html(thread.body) };
    let opened = clock(thread.created);
    page.push_str(&boxed("", &format!("<b>{author}</b> <time>{opened}</time>"), &body));
    for said in &thread.comments {
        page.push_str(&comment(said));
    }
    page.push_str(&below(thread));
    page + "</main>\n</body></html>\n"
}

/// A page with one text alone.
pub(super) fn alone(title: &str, body: &str) -> String {
    let title = escaped(title);
    begun(&title, "") + &boxed("", &title, body) + "</main>\n</body></html>\n"
}

fn begun(title: &str, reload: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{reload}\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<main>\n"
    )
}

fn comment(said: &Said<'_>) -> String {
    let badge = match said.association {
        _ if said.is_bot => "<i>bot</i>",
        "MEMBER" => "<i>Member</i>",
        "OWNER" => "<i>Owner</i>",
        "COLLABORATOR" => "<i>Collaborator</i>",
        _ => "",
    };
    let edited = if said.edited { " · edited" } else { "" };
    let name = escaped(said.author);
    let head = format!("<b>{name}</b> {badge} <time>{}{edited}</time>", clock(said.created));
    let mut body = html(said.body);
    if !said.reactions.is_empty() {
        body.push_str("<p class=\"reactions\">");
        for (face, count) in &said.reactions {
            // Writing into a text cannot fail.
            let _written = write!(body, "<span>{face} {count}</span>");
        }
        body.push_str("</p>");
    }
    let shown = boxed(&format!(" id=\"issuecomment-{}\"", said.id), &head, &body);
    match said.minimized {
        Some(classifier) => format!(
            "<details class=\"minimized\"><summary>This comment was marked as {}.</summary>\n{shown}</details>\n",
            escaped(&reason(classifier)),
        ),
        None => shown,
    }
}

fn boxed(attributes: &str, head: &str, body: &str) -> String {
    format!("<article{attributes}><header>{head}</header><div>{body}</div></article>\n")
}

/// Checks and deployments.
fn below(thread: &Thread<'_>) -> String {
    let mut page = String::new();
    if !thread.checks.is_empty() {
        page.push_str("<section><h2>Checks</h2><ul>");
        for (name, how) in &thread.checks {
            let _written = write!(page, "<li><b class=\"dot {how}\"></b> {} <i>{how}</i></li>", escaped(name));
        }
        page.push_str("</ul></section>\n");
    }
    if !thread.deployments.is_empty() {
        page.push_str("<section><h2>Deployments</h2><ul>");
        for one in &thread.deployments {
            let _written = write!(
                page,
                "<li><b class=\"dot {}\"></b> {} <code>{}</code> <i>{}</i> <time>{}</time> {}</li>",
                one.state,
                escaped(&one.environment),
                short(&one.sha),
                one.state.replace('_', " "),
                clock(one.at),
                escaped(&one.description),
            );
        }
        page.push_str("</ul></section>\n");
    }
    page
}

fn escaped(text: &str) -> String {
    crate::query::xml(text).replace('"', "&quot;")
}

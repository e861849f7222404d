//! Whether two commits hold the same source of an image: git's own ids of what a build reads.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use shipline::github::Request;
use shipline::problem::Problem;
use shipline::types::CommitSha;

use super::{Hub, graphql};

const QUERY: &str = include_str!("source.graphql");

/// What a build reads, by its paths in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources<'a> {
    /// The build context.
    pub context: &'a Path,
    /// The Dockerfile, which may lie outside of it.
    pub dockerfile: &'a Path,
    /// The ignore file that belongs to the Dockerfile; there may be none.
    pub ignore: &'a Path,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    context_one: Option<Object>,
    context_other: Option<Object>,
    file_one: Option<Object>,
    file_other: Option<Object>,
    ignore_one: Option<Object>,
    ignore_other: Option<Object>,
}

#[derive(Deserialize, PartialEq, Eq)]
struct Object {
    oid: String,
}

impl Repository {
    /// Context and Dockerfile are there and the same in both; the ignore file is the same or in neither.
    fn agrees(&self) -> bool {
        let there = |one: &Option<Object>, other: &Option<Object>| one.is_some() && one == other;
        there(&self.context_one, &self.context_other)
            && there(&self.file_one, &self.file_other)
            && self.ignore_one == self.ignore_other
    }
}

impl Hub {
    /// Whether both commits hold the very same of it.
    pub async fn same_source(&self, sources: Sources<'_>, one: CommitSha, other: CommitSha) -> Result<bool, Problem> {
        let at = |commit: CommitSha, path: &Path| {
            // Git reads `<commit>:` as the whole tree and knows no `./`.
            let parts = path.components().filter_map(|part| match part {
                std::path::Component::Normal(name) => name.to_str(),
                _ => None,
            });
            format!("{commit}:{}", parts.collect::<Vec<_>>().join("/"))
        };
        let name = &self.repository.name;
        let variables = json!({
            "owner": name.owner(),
            "name": name.name(),
            "contextOne": at(one, sources.context),
            "contextOther": at(other, sources.context),
            "fileOne": at(one, sources.dockerfile),
            "fileOther": at(other, sources.dockerfile),
            "ignoreOne": at(one, sources.ignore),
            "ignoreOther": at(other, sources.ignore),
        });
        let request = Request::graphql("compare the source of two commits", QUERY, &variables);
        let data: Data = graphql::ask(self.connection(), &request).await?;
        Ok(data.repository.is_some_and(|repository| repository.agrees()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_agree_when_everything_a_build_reads_is_the_same() {
        let oid = |text: &str| Some(Object { oid: text.to_owned() });
        let pair = |context: [&str; 2], file: [&str; 2], ignore: [Option<&str>; 2]| Repository {
            context_one: oid(context[0]),
            context_other: oid(context[1]),
            file_one: oid(file[0]),
            file_other: oid(file[1]),
            ignore_one: ignore[0].and_then(oid),
            ignore_other: ignore[1].and_then(oid),
        };
        assert!(pair(["a", "a"], ["b", "b"], [None, None]).agrees());
        assert!(pair(["a", "a"], ["b", "b"], [Some("c"), Some("c")]).agrees());
        assert!(!pair(["a", "x"], ["b", "b"], [None, None]).agrees());
        assert!(!pair(["a", "a"], ["b", "x"], [None, None]).agrees());
        assert!(!pair(["a", "a"], ["b", "b"], [Some("c"), None]).agrees());
        let nowhere = Repository { context_one: None, context_other: None, ..pair(["a", "a"], ["b", "b"], [None; 2]) };
        assert!(!nowhere.agrees(), "two commits without the folder have nothing in common");
    }
}

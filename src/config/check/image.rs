//! Services and images.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::raw::forms::Either;
use super::super::raw::image::{BuildSecret as RawSecret, CacheWord, Image, ProvenanceWord, Service, TagWord};
use super::super::raw::values::Text as _;
use super::super::raw::values::{AnyText, InsidePath, VariableName};
use super::super::raw::{Configuration, Named};
use super::super::read::{Reader, Slot};
use super::super::spec::{
    BuildCache, BuildSecret, BuildSpec, BuildWorkflow, ImageRepository, ImageSpec, Provenance, SecretSource,
    ServiceSpec, TagRule,
};
use super::{items, pairs, value, within};
use crate::problem::Problem;
use crate::types::Span;

pub(super) fn service(raw: &Service, reader: &mut Reader) -> ServiceSpec {
    ServiceSpec { image: raw.image.as_ref().and_then(|image| self::image(&image.value, reader)) }
}

/// The workflow that builds what is missing.
pub(super) fn workflow(raw: &Configuration, reader: &mut Reader) -> Option<BuildWorkflow> {
    let raw = &raw.build.as_ref()?.value;
    let most = Span::minutes(24 * 60);
    let within = within(reader, &raw.within, Span::minutes(1), most).unwrap_or(Span::minutes(30));
    Some(BuildWorkflow { workflow: raw.workflow.as_ref()?.value.as_str().to_owned(), within })
}

/// Names and texts as the checked form has them.
pub(super) fn texts(raw: &Slot<Named<VariableName, AnyText>>) -> BTreeMap<String, String> {
    pairs(raw).map(|(name, text)| (name.as_str().to_owned(), text.value.as_str().to_owned())).collect()
}

pub(super) fn path(raw: &Slot<InsidePath>) -> Option<PathBuf> {
    raw.as_ref().map(|path| path.value.as_path().to_owned())
}

fn image(raw: &Image, reader: &mut Reader) -> Option<ImageSpec> {
    let build = build(raw, reader);
    let tags = items(&raw.tags).filter_map(|tag| match &tag.value {
        Either::Short(TagWord::Latest) => Some(TagRule::Latest),
        Either::Short(TagWord::Branch) => Some(TagRule::Branch),
        Either::Short(TagWord::PullRequest) => Some(TagRule::PullRequest),
        Either::Short(TagWord::SemanticVersion) => Some(TagRule::SemanticVersion),
        Either::Long(fixed) => value(&fixed.fixed).map(TagRule::Fixed),
    });
    let tags = tags.collect();
    let path = raw.repository.as_ref()?;
    if let Some((host, rest)) = path.value.as_str().split_once('/').filter(|(host, _)| host.contains('.')) {
        let what = format!("`{host}` looks like a registry; `repository` is the path inside of it.");
        let next = format!("Write `registry: {host}` and `repository: {rest}`.");
        reader.note(&path.place, Problem::mistake("registry-in-repository", what, next));
    }
    let repository = match value(&raw.registry) {
        None => ImageRepository::OwnEcr(path.value.clone()),
        Some(host) => ImageRepository::At(host, path.value.clone()),
    };
    Some(ImageSpec { repository, build, tags })
}

fn build(raw: &Image, reader: &mut Reader) -> Option<BuildSpec> {
    let asked = raw.context.is_some()
        || raw.dockerfile.is_some()
        || raw.target.is_some()
        || raw.platforms.is_some()
        || raw.build_args.is_some()
        || raw.secrets.is_some()
        || raw.cache.is_some()
        || raw.provenance.is_some();
    if !asked {
        return None;
    }
    let mut ids: Vec<&str> = Vec::new();
    for secret in items(&raw.secrets) {
        let Some(id) = &secret.value.id else { continue };
        if ids.contains(&id.value.as_str()) {
            let what = format!("There is another secret with the id `{}`.", id.value.as_str());
            reader.note(&id.place, Problem::mistake("duplicate-id", what, "Give each secret its own id."));
        }
        ids.push(id.value.as_str());
    }
    Some(BuildSpec {
        context: path(&raw.context).unwrap_or_else(|| PathBuf::from(".")),
        dockerfile: path(&raw.dockerfile),
        target: value(&raw.target).map(|target| target.as_str().to_owned()),
        platforms: items(&raw.platforms).map(|platform| platform.value.as_str().to_owned()).collect(),
        args: texts(&raw.build_args),
        secrets: items(&raw.secrets).filter_map(|secret| build_secret(&secret.value)).collect(),
        cache: match value(&raw.cache) {
            None | Some(CacheWord::Off) => BuildCache::Off,
            Some(CacheWord::Registry) => BuildCache::Registry,
            Some(CacheWord::Gha) => BuildCache::Gha,
        },
        provenance: match value(&raw.provenance) {
            None | Some(ProvenanceWord::Off) => Provenance::Off,
            Some(ProvenanceWord::Min) => Provenance::Min,
        },
    })
}

fn build_secret(raw: &RawSecret) -> Option<BuildSecret> {
    let source = match (&raw.env, path(&raw.file)) {
        (Some(name), _) => SecretSource::Env(name.value.as_str().to_owned()),
        (None, Some(file)) => SecretSource::File(file),
        (None, None) => return None,
    };
    Some(BuildSecret { id: value(&raw.id)?.as_str().to_owned(), source })
}

//! The file as it is written: every key once, with its type, its meaning and an example.
//!
//! These tables are the only place where a key is declared. The reader, the JSON Schema
//! (`shipline.schema.json`) and the reference (`docs/configuration.md`) are made from them. Values
//! have their own form here ([`values`]); how they fit together is for `check`.

pub(crate) mod analysis;
pub(crate) mod environment;
pub(crate) mod express;
pub(crate) mod forms;
pub(crate) mod image;
pub(crate) mod notify;
pub(crate) mod rules;
pub(crate) mod scan;
pub(crate) mod shape;
pub(crate) mod target;
pub(crate) mod values;
pub(crate) mod verify;

use std::collections::BTreeMap;

use self::environment::Environment;
use self::forms::Version;
use self::image::{BuildWorkflow, Service};
use self::shape::record;
use super::read::Slot;
use crate::types::{EnvironmentName, ServiceName};

/// A mapping of names to things.
pub(crate) type Named<K, T> = BTreeMap<K, Slot<T>>;
/// A list.
pub(crate) type List<T> = Vec<Slot<T>>;

record! {
    /// The whole configuration, `.github/shipline.yml`.
    Configuration = "version: 1" {
        /// The version of this format.
        required "version" version: Version;
        /// What can be deployed, by name.
        required "services" services: Named<ServiceName, Service>,
            example "{ api: { image: { repository: pmis/api, context: apps/api } } }";
        /// Where it runs, by name, with the rules of each place.
        required "environments" environments: Named<EnvironmentName, Environment>,
            example "{ staging: { services: { api: { ecs: { cluster: pmis, service: api } } } } }";
        /// The workflow that builds images that are missing, for the bot.
        optional "build" build: BuildWorkflow, default "none: images are built before they are deployed";
    }
}

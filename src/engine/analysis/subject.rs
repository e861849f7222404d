//! Which questions a measurement comes to: one for each side of each service that it is about.

use std::collections::BTreeMap;

use crate::engine::Sides;
use crate::rollout::analysis::{Judgement, Measure, Query, Verdict};
use crate::types::ServiceName;

/// One measurement of one service, or of all of them.
pub(super) struct Subject<'a> {
    pub(super) measure: &'a Measure,
    pub(super) service: Option<&'a ServiceName>,
    pub(super) new: Query,
    /// The same question about the old revision, if it is another one.
    pub(super) old: Option<Query>,
}

impl Subject<'_> {
    pub(super) fn queries(&self) -> impl Iterator<Item = &Query> {
        std::iter::once(&self.new).chain(&self.old)
    }

    pub(super) fn name(&self) -> String {
        self.service.map_or_else(|| self.measure.name.clone(), |service| format!("{service}: {}", self.measure.name))
    }
}

/// The subjects of all measurements, and a judgement for each measurement that has none.
pub(super) fn subjects<'a>(
    measures: &'a [Measure],
    sides: &'a BTreeMap<ServiceName, Sides>,
) -> (Vec<Subject<'a>>, Vec<Judgement>) {
    let (mut found, mut unasked) = (Vec::new(), Vec::new());
    for measure in measures {
        let variables = measure.query.variables();
        if variables.is_empty() {
            let service = match measure.services.as_slice() {
                [only] => Some(only),
                _ => None,
            };
            found.push(Subject { measure, service, new: measure.query.clone(), old: None });
            continue;
        }
        let before = found.len();
        let wanted = |service: &&ServiceName| measure.services.is_empty() || measure.services.contains(service);
        for service in sides.keys().filter(wanted) {
            let Some(new) = measure.query.resolved(&sides[service].new) else { continue };
            let old = measure.query.resolved(&sides[service].old).filter(|old| *old != new);
            found.push(Subject { measure, service: Some(service), new, old });
        }
        // A measurement of services that do not move now is none of this analysis.
        let concerned = measure.services.is_empty() || measure.services.iter().any(|name| sides.contains_key(name));
        if found.len() == before && concerned {
            unasked.push(without(measure, &variables));
        }
    }
    (found, unasked)
}

fn without(measure: &Measure, variables: &[String]) -> Judgement {
    let names: Vec<String> = variables.iter().map(|name| format!("{{{name}}}")).collect();
    Judgement {
        measure: measure.name.clone(),
        service: None,
        verdict: Verdict::Inconclusive,
        value: None,
        baseline: None,
        limit: measure.limit.clone(),
        effect: None,
        p: None,
        samples: 0,
        old_samples: 0,
        failed: 0,
        recent: Vec::new(),
        text: format!("{} cannot be asked: no service has a value for {}", measure.name, names.join(" and ")),
    }
}

//! The lifecycle stages of a service deployment and the way through them.

use super::strategy::Shifts;

/// `lifecycleStage` of a service deployment.
///
/// `PRE_PRODUCTION_TRAFFIC_SHIFT` is described as a value of `lifecycleStage` and configured for
/// hooks, but the enumeration of the service model does not list it: an SDK meets it as unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    ReconcileService,
    PreScaleUp,
    ScaleUp,
    PostScaleUp,
    TestTrafficShift,
    PostTestTrafficShift,
    PreProductionTrafficShift,
    ProductionTrafficShift,
    PostProductionTrafficShift,
    BakeTime,
    CleanUp,
}

/// Where a hook of that kind may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hookable {
    /// No hook runs here.
    Never,
    /// A Lambda function, but nothing that waits: the stage comes again in a rollback.
    Lambda,
    /// Any.
    Any,
}

impl Stage {
    const ALL: [Self; 11] = [
        Self::ReconcileService,
        Self::PreScaleUp,
        Self::ScaleUp,
        Self::PostScaleUp,
        Self::TestTrafficShift,
        Self::PostTestTrafficShift,
        Self::PreProductionTrafficShift,
        Self::ProductionTrafficShift,
        Self::PostProductionTrafficShift,
        Self::BakeTime,
        Self::CleanUp,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReconcileService => "RECONCILE_SERVICE",
            Self::PreScaleUp => "PRE_SCALE_UP",
            Self::ScaleUp => "SCALE_UP",
            Self::PostScaleUp => "POST_SCALE_UP",
            Self::TestTrafficShift => "TEST_TRAFFIC_SHIFT",
            Self::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            Self::PreProductionTrafficShift => "PRE_PRODUCTION_TRAFFIC_SHIFT",
            Self::ProductionTrafficShift => "PRODUCTION_TRAFFIC_SHIFT",
            Self::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
            Self::BakeTime => "BAKE_TIME",
            Self::CleanUp => "CLEAN_UP",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    pub(crate) const fn hookable(self) -> Hookable {
        match self {
            Self::ScaleUp | Self::BakeTime | Self::CleanUp => Hookable::Never,
            Self::TestTrafficShift | Self::ProductionTrafficShift => Hookable::Lambda,
            _ => Hookable::Any,
        }
    }

    /// The stage after this one when `done` of the shifts are done. A rolling update has no shifts.
    pub(crate) fn next(self, shifts: Option<&Shifts>, done: usize) -> Self {
        let Some(shifts) = shifts else {
            return match self {
                Self::ReconcileService => Self::PreScaleUp,
                Self::PreScaleUp => Self::ScaleUp,
                Self::ScaleUp => Self::PostScaleUp,
                _ => Self::CleanUp,
            };
        };
        match self {
            Self::ReconcileService => Self::PreScaleUp,
            Self::PreScaleUp => Self::ScaleUp,
            Self::ScaleUp => Self::PostScaleUp,
            Self::PostScaleUp => Self::TestTrafficShift,
            Self::TestTrafficShift => Self::PostTestTrafficShift,
            Self::PostTestTrafficShift => Self::PreProductionTrafficShift,
            Self::PreProductionTrafficShift => Self::ProductionTrafficShift,
            Self::ProductionTrafficShift if done < shifts.weights.len() => Self::PreProductionTrafficShift,
            Self::ProductionTrafficShift => Self::PostProductionTrafficShift,
            Self::PostProductionTrafficShift => Self::BakeTime,
            Self::BakeTime | Self::CleanUp => Self::CleanUp,
        }
    }
}

//! The injected faults that have not happened yet.

use super::fault::{Fault, FaultKind};
use super::routes::Route;

/// Faults that have not happened yet, in the order of injection.
#[derive(Debug, Default)]
pub(super) struct FaultQueue(Vec<Fault>);

/// The fault of one request.
#[derive(Debug, PartialEq)]
pub(super) struct ActiveFault {
    pub(super) kind: FaultKind,
    /// Whether the request is processed before the fault happens.
    pub(super) processed: bool,
}

impl FaultQueue {
    pub(super) fn push(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.push(fault);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the fault for the next request of this route.
    pub(super) fn next(&mut self, route: Route) -> Option<ActiveFault> {
        let mut due = None;
        for (position, fault) in self.0.iter_mut().enumerate().filter(|(_, f)| f.matches(route)) {
            if fault.skipped == 0 {
                due = Some(position);
                break;
            }
            fault.skipped -= 1;
        }
        let fault = &mut self.0[due?];
        fault.times -= 1;
        let active = ActiveFault { kind: fault.kind.clone(), processed: fault.is_processed() };
        self.0.retain(|fault| fault.times > 0);
        Some(active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_to_matching_requests_in_the_order_of_injection() {
        let mut faults = FaultQueue::default();
        faults.push(Fault::status(500).on(Route::List).after(1).times(2));
        faults.push(Fault::status(503).times(2));
        faults.push(Fault::status(400).times(0));
        faults.push(FaultKind::WrongContent.into());
        let mut next = |route| match faults.next(route)?.kind {
            FaultKind::Status { status, .. } => Some(status),
            _ => Some(200),
        };
        // The first fault skips the first listing, so the second fault takes it.
        let routes =
            [Route::List, Route::Attach, Route::List, Route::Upload, Route::List, Route::List];
        assert_eq!(routes.map(&mut next), [503, 503, 500, 0, 500, 0].map(|s| (s > 0).then_some(s)));
        assert_eq!([Route::List, Route::Text, Route::Text].map(next), [None, Some(200), None]);
        assert_eq!(faults.len(), 0);
    }

    #[test]
    fn a_fault_decides_whether_its_request_is_processed() {
        let processed = |fault: Fault| {
            let mut faults = FaultQueue::default();
            faults.push(fault);
            faults.next(Route::Content).unwrap().processed
        };
        for kind in Fault::all_kinds() {
            let expected = matches!(
                kind,
                FaultKind::EmptyBody
                    | FaultKind::MalformedJson
                    | FaultKind::WrongContent
                    | FaultKind::ResetAfter
                    | FaultKind::TimeoutAfter
                    | FaultKind::SlowBody { .. }
                    | FaultKind::TruncatedBody { .. }
            );
            assert_eq!(processed(kind.clone().into()), expected, "{kind:?}");
        }
        assert!(processed(Fault::status(500).processed()));
        assert!(!processed(Fault::new(FaultKind::ResetBefore).processed()));
    }
}

//! The injected faults that have not happened yet.

use super::fault::{Fault, FaultKind};
use super::operation::Operation;

/// Faults that have not happened yet, in the order of injection.
#[derive(Debug, Default)]
pub(super) struct FaultQueue(Vec<Fault>);

/// The fault of one request.
#[derive(Clone, Debug, PartialEq)]
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

    /// Takes the fault for the next request of this operation, and with this key.
    pub(super) fn next(&mut self, operation: Operation, key: Option<&str>) -> Option<ActiveFault> {
        let mut due = None;
        let matching = |(_, fault): &(usize, &mut Fault)| fault.matches(operation, key);
        for (position, fault) in self.0.iter_mut().enumerate().filter(matching) {
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

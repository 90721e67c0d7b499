//! The way of a body's points into the store, past the faults: what a personality sees as [`Points`].

use crate::faults::FaultSwitch;
use crate::point::put::{Put, Refusal};
use crate::point::sink::{Offered, Points, Sink};
use crate::state::Shared;
use crate::store::intake::Intake;
use crate::store::series::Writer;

/// The points of one connection.
pub(crate) struct Offers<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) writer: Writer,
}

impl Points for Offers<'_> {
    fn open(&self) -> Box<dyn Sink + '_> {
        Box::new(Body {
            intake: self.shared.store.intake(self.writer),
            faults: &self.shared.faults,
        })
    }
}

struct Body<'a> {
    intake: Intake<'a>,
    faults: &'a FaultSwitch,
}

impl Sink for Body<'_> {
    fn check(&self, put: &Put<'_>) -> Result<(), Refusal> {
        match self.faults.refuses_points(put.metric) {
            true => Err(Refusal::unknown_metric(put.metric)),
            false => self.intake.check(put),
        }
    }

    fn offer(&mut self, put: &Put<'_>) -> Offered {
        if self.faults.refuses_points(put.metric) {
            self.intake.refused(&put.line_text(), "");
            Offered::Refused
        } else if self.faults.throttles() {
            self.intake.throttled();
            Offered::Throttled
        } else {
            self.intake.taken(put);
            Offered::Taken
        }
    }

    fn refused(&mut self, line: &str, reason: &str) {
        self.intake.refused(line, reason);
    }
}

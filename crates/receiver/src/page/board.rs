//! The board: faults that the page switches, on top of those the server was started with.
//!
//! What would lock the page out, a closed port or connections that nobody reads, ends by itself after so many seconds.
//! The page's own connections are spared everything else (`Fate::spare`), so that it can always be switched off.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use potsdb_wire::json::{Json, write_string};

use crate::faults::{FaultSwitch, Occasions};
use crate::page::tell::list;

/// The longest outage.
const LONGEST: u64 = 300;

/// When timed faults end.
#[derive(Default)]
pub(super) struct Board(Mutex<Ends>);

#[derive(Default)]
struct Ends {
    down: Option<Instant>,
    stall: Option<Instant>,
}

impl Board {
    /// Switches what a request says; the error says what is wrong with it.
    ///
    /// `{"fault":"status","share":100,"code":503,"seconds":3}`
    pub(super) fn switch(self: &Arc<Board>, wanted: &Json<'_>, faults: &Arc<FaultSwitch>) -> Result<(), String> {
        let fault = wanted
            .field("fault")
            .and_then(Json::as_str)
            .ok_or("fault: a name was expected")?;
        let number = |name| {
            wanted
                .field(name)
                .and_then(Json::as_number)
                .and_then(|text| text.parse::<u64>().ok())
        };
        let seconds = number("seconds").unwrap_or(0).min(LONGEST);
        let is_on = seconds > 0 || wanted.field("on") == Some(&Json::Bool(true));
        let share = occasions(number("share").unwrap_or(0))?;
        match fault {
            "down" => self.take_down(seconds, faults),
            "stall_reading" => self.stall(seconds, faults),
            "stall_answers" => faults.stall_answers(is_on),
            "restart" => faults.restart(),
            "reset_all" => faults.reset_all(0),
            "status" => {
                let code = number("code").filter(|code| (100..=599).contains(code));
                let code = code.ok_or("code: a whole number from 100 to 599 was expected")?;
                faults.fail(code as u16, number("retry_after"), share);
            }
            "throttle" => faults.throttle(share),
            "lose_answers" => faults.lose_answers(share),
            "cut_answers" => faults.cut_answers(share),
            "refuse_points" => {
                let metrics = wanted.field("metrics").and_then(Json::as_array).unwrap_or_default();
                let metrics = metrics
                    .iter()
                    .filter_map(Json::as_str)
                    .filter(|metric| !metric.is_empty());
                faults.refuse_points(metrics.map(str::to_owned).collect());
            }
            "none" => {
                *self.ends() = Ends::default();
                faults.resume();
            }
            other => return Err(format!("fault: {other:?} is none of those there are")),
        }
        Ok(())
    }

    /// What is switched, as JSON; remaining times in whole seconds, so that it changes no more often than they do.
    pub(super) fn json(&self, faults: &FaultSwitch) -> String {
        let left = |end: Option<Instant>| {
            let left = end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
            left.as_secs_f64().ceil() as u64
        };
        let (down, stall) = {
            let ends = self.ends();
            (left(ends.down), left(ends.stall))
        };
        let now = faults.now();
        let plan = &now.faults;
        let shares = [
            ("status", &plan.status_on),
            ("throttle", &plan.throttle),
            ("lose_answers", &plan.lose_answers),
            ("cut_answers", &plan.cut_answers),
        ];
        let shares = shares.map(|(name, occasions)| format!(",\"{name}\":{}", percent(occasions)));
        let mut metrics = Vec::new();
        list(&mut metrics, &plan.refuse_points, |metric, out| {
            write_string(metric, out);
        });
        format!(
            "{{\"down\":{down},\"stall_reading\":{stall},\"is_down\":{},\"is_stalled\":{},\"stall_answers\":{},\"code\":{},\
             \"refuse_points\":{}{}}}",
            now.is_down,
            now.stalls_reading,
            now.stalls_answers,
            plan.status,
            String::from_utf8_lossy(&metrics),
            shares.concat(),
        )
    }

    fn take_down(self: &Arc<Board>, seconds: u64, faults: &Arc<FaultSwitch>) {
        self.ends().down = None;
        if seconds == 0 {
            faults.listen(true);
            return;
        }
        faults.die();
        self.end_after(seconds, |ends| &mut ends.down, faults, |faults| faults.listen(true));
    }

    fn stall(self: &Arc<Board>, seconds: u64, faults: &Arc<FaultSwitch>) {
        self.ends().stall = None;
        faults.stall_reading(seconds > 0);
        if seconds > 0 {
            self.end_after(
                seconds,
                |ends| &mut ends.stall,
                faults,
                |faults| faults.stall_reading(false),
            );
        }
    }

    /// Notes when a fault ends, and ends it then unless it was switched again meanwhile.
    fn end_after(
        self: &Arc<Board>,
        seconds: u64,
        which: fn(&mut Ends) -> &mut Option<Instant>,
        faults: &Arc<FaultSwitch>,
        end: fn(&FaultSwitch),
    ) {
        let until = Instant::now() + Duration::from_secs(seconds);
        *which(&mut self.ends()) = Some(until);
        let (board, faults) = (Arc::clone(self), Arc::clone(faults));
        tokio::spawn(async move {
            tokio::time::sleep_until(until.into()).await;
            let mut ends = board.ends();
            if *which(&mut ends) == Some(until) {
                *which(&mut ends) = None;
                end(&faults);
            }
        });
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share in percent as occasions, the same ones each time.
fn occasions(percent: u64) -> Result<Occasions, String> {
    match percent {
        0 => Ok(Occasions::Never),
        1..=99 => Ok(Occasions::Share {
            share: percent as f64 / 100.0,
            seed: 0,
        }),
        100 => Ok(Occasions::Always),
        _ => Err(format!("share: {percent} is more than 100 %")),
    }
}

/// How much of all that is, in percent; -1 if it goes by numbers.
fn percent(occasions: &Occasions) -> i64 {
    match occasions {
        Occasions::Never => 0,
        Occasions::Always => 100,
        Occasions::Share { share, .. } => (share * 100.0).round() as i64,
        Occasions::Numbers(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use potsdb_wire::json::parse;

    use super::*;
    use crate::faults::Faults;

    fn switched(requests: &[&str]) -> (String, Result<(), String>) {
        let (board, faults) = (
            Arc::new(Board::default()),
            Arc::new(FaultSwitch::new(Faults::default())),
        );
        let mut last = Ok(());
        for request in requests {
            last = board.switch(&parse(request.as_bytes()).expect("JSON"), &faults);
        }
        (board.json(&faults), last)
    }

    #[test]
    fn what_is_switched_is_shown() {
        let (shown, _) = switched(&[
            r#"{"fault":"status","share":25,"code":503}"#,
            r#"{"fault":"stall_answers","on":true}"#,
            r#"{"fault":"refuse_points","metrics":["web.*","<b>"]}"#,
        ]);
        for part in [
            r#""status":25"#,
            r#""code":503"#,
            r#""stall_answers":true"#,
            r#""refuse_points":["web.*","<b>"]"#,
            r#""throttle":0"#,
        ] {
            assert!(shown.contains(part), "{part} is missing in {shown}");
        }
        let (shown, _) = switched(&[r#"{"fault":"throttle","share":100}"#, r#"{"fault":"none"}"#]);
        assert_eq!(shown, switched(&[]).0);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (wrong, words) in [
            (r#"{"fault":"fire"}"#, "fault: \"fire\""),
            (r#"{"on":true}"#, "fault: a name"),
            (r#"{"fault":"status","share":50}"#, "code: "),
            (r#"{"fault":"throttle","share":101}"#, "share: 101"),
        ] {
            let said = switched(&[wrong]).1.expect_err(wrong);
            assert!(said.contains(words), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_lock_the_page_out_ends_by_itself() {
        let (board, faults) = (
            Arc::new(Board::default()),
            Arc::new(FaultSwitch::new(Faults::default())),
        );
        let switch = |request: &str| board.switch(&parse(request.as_bytes()).expect("JSON"), &faults);
        switch(r#"{"fault":"down","seconds":5}"#).expect("it is known");
        switch(r#"{"fault":"stall_reading","seconds":9999}"#).expect("it is known");
        assert!(faults.now().is_down && faults.now().stalls_reading);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(!faults.now().is_down && faults.now().stalls_reading);
        tokio::time::sleep(Duration::from_secs(LONGEST)).await;
        assert!(!faults.now().stalls_reading, "however long it was to be");
    }
}

//! A query in a URL: `start`, `end`, `m=...`, `tsuid=...`, and flags that are given by being there.
//!
//! Called by `api.rs`; what is written down here is checked by `mod.rs`.

use potsdb_front::Parameters;

use crate::answers::Complaint;
use crate::query::downsample::Rate;
use crate::query::{Part, Query, metric};

impl Query {
    /// Reads the parameters of a GET query.
    pub(crate) fn from_parameters(parameters: &Parameters, now: i64) -> Result<Query, Complaint> {
        let given = |name| parameters.given(name);
        let mut query = Query {
            start_text: Some(required(parameters, "start")?.to_owned()),
            end_text: parameters.value("end").map(str::to_owned),
            padding: given("padding"),
            no_annotations: given("no_annotations"),
            global_annotations: given("global_annotations"),
            show_tsuids: given("show_tsuids"),
            show_query: given("show_query"),
            show_summary: given("show_summary"),
            show_stats: given("show_stats"),
            millis: given("ms"),
            arrays: given("arrays"),
            ..Query::default()
        };
        for text in parameters.all("tsuid") {
            query.parts.push(Part::of_tsuids(text)?);
        }
        for text in parameters.all("m") {
            query.parts.push(Part::of_metric(text)?);
        }
        if query.parts.is_empty() {
            return Err(Complaint::bad("Missing sub queries"));
        }
        query.check(now)?;
        Ok(query)
    }
}

/// A parameter that must be there, and not be empty.
pub(crate) fn required<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a str, Complaint> {
    let value = parameters.value(name).filter(|value| !value.is_empty());
    value.ok_or_else(|| Complaint::bad(format!("Missing parameter <code>{name}</code>")))
}

impl Part {
    /// Reads `aggregator:[downsample:][rate[{...}]:][explicit_tags:]metric[{tags}[{filters}]]`.
    fn of_metric(text: &str) -> Result<Part, Complaint> {
        if text.is_empty() {
            return Err(Complaint::bad("The query string was empty"));
        }
        let words = words(text)?;
        let (metric, filters) = metric::with_filters(words[words.len() - 1]).map_err(Complaint::internal)?;
        let mut part = Part {
            metric: Some(metric.to_owned()),
            filters,
            ..Part::default()
        };
        part.read_options(&words)?;
        Ok(part)
    }

    /// Reads the same with TSUIDs in place of the metric.
    fn of_tsuids(text: &str) -> Result<Part, Complaint> {
        if text.is_empty() {
            return Err(Complaint::bad("The tsuid query string was empty"));
        }
        let words = words(text)?;
        let tsuids = words[words.len() - 1].split(',').map(str::to_owned);
        let mut part = Part {
            tsuids: Some(tsuids.collect()),
            ..Part::default()
        };
        part.read_options(&words)?;
        Ok(part)
    }

    /// Reads the first word, and those up to the last; what none is taken for is not looked at.
    fn read_options(&mut self, words: &[&str]) -> Result<(), Complaint> {
        self.aggregator_name = Some(words[0].to_owned());
        for option in &words[1..words.len() - 1] {
            let lower = option.to_lowercase();
            if lower.starts_with("rate") {
                self.rate = true;
                if option.contains('{') {
                    self.rate_options = Some(rate(option).map_err(Complaint::bad)?);
                }
            } else if option.is_empty() {
                return Err(Complaint::internal("String index out of range: 0"));
            } else if option.starts_with(|c: char| c.is_ascii_digit()) {
                self.downsample_text = Some((*option).to_owned());
            } else if lower == "pre-agg" {
                self.pre_aggregate = true;
            } else if lower.starts_with("percentiles") {
                self.percentiles = Some(percentiles(option)?);
            } else if lower.starts_with("show-histogram-buckets") {
                self.show_histogram_buckets = true;
            } else if lower.starts_with("explicit_tags") {
                self.explicit_tags = true;
            }
        }
        Ok(())
    }
}

/// Two to five words between colons; one in a filter parts them, too.
fn words(text: &str) -> Result<Vec<&str>, Complaint> {
    let words: Vec<&str> = text.split(':').collect();
    let amount = match words.len() {
        ..2 => "not enough",
        2..=5 => return Ok(words),
        _ => "too many",
    };
    Err(Complaint::bad(format!(
        "Invalid parameter m={text} ({amount} :-separated parts)"
    )))
}

/// Reads `rate{counter,max,reset}`, with any of the numbers left out; a character stands where the closing brace does.
fn rate(text: &str) -> Result<Rate, String> {
    let length = text.chars().count();
    if length < 6 {
        return Err(format!("Invalid rate options specification: {text}"));
    }
    let inside: String = text.chars().skip(5).take(length - 6).collect();
    let words: Vec<&str> = inside.split(',').collect();
    if words.len() > 3 {
        return Err(format!(
            "Incorrect number of values in rate options specification, must be counter[,counter max value,reset value], \
             recieved: {} parts",
            words.len()
        ));
    }
    let number = |index: usize, otherwise: i64, what: &str| match words.get(index).filter(|word| !word.is_empty()) {
        None => Ok(otherwise),
        Some(word) => {
            let number = word.parse();
            number.map_err(|_| format!("{what} value of counter was not a number, received '{word}'"))
        }
    };
    Ok(Rate {
        counter: words[0].ends_with("counter"),
        counter_max: number(1, i64::MAX, "Max")?,
        reset_value: number(2, 0, "Reset")?,
        drop_resets: words[0] == "dropcounter",
    })
}

/// Reads `percentiles[50,99.9]`.
fn percentiles(text: &str) -> Result<Vec<f32>, Complaint> {
    let (Some(start), Some(end)) = (text.find('['), text.find(']')) else {
        return Err(Complaint::bad(format!(
            "Malformated percentile query paramater: {text}"
        )));
    };
    let inside = text.get(start + 1..end).unwrap_or_default();
    inside
        .split(',')
        .map(|word| {
            word.trim()
                .parse()
                .map_err(|_| Complaint::internal(format!("For input string: \"{}\"", word.trim())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::aggregate::Aggregator;

    fn read(m: &str) -> Result<Part, Complaint> {
        let parameters = Parameters::parse(&format!("start=1&m={m}"));
        Query::from_parameters(&parameters, 10_000).map(|mut query| query.parts.remove(0))
    }

    #[test]
    fn every_part_of_an_m_parameter_is_read() {
        let part = read("sum:1m-avg-zero:Rate{counter,1000,5}:explicit_tags:web.req{host=*,dc=eu|us}{x=regexp(^a)}");
        let part = part.expect("a query");
        assert_eq!(
            (part.metric.as_deref(), part.aggregator, part.explicit_tags, part.rate),
            (Some("web.req"), Aggregator::Sum, true, true)
        );
        assert!(part.downsample.is_some());
        assert_eq!(
            part.rate_options,
            Some(Rate {
                counter: true,
                counter_max: 1000,
                reset_value: 5,
                drop_resets: false
            })
        );
    }

    #[test]
    fn what_is_missing_is_said_with_its_status() {
        let cases = [
            ("m", 400, "Invalid parameter m=m (not enough :-separated parts)"),
            ("mean:m", 400, "No such aggregation function: mean"),
            ("sum:", 500, "Metric cannot be null or empty"),
            ("sum:m{host=a", 500, "Missing '}' at the end of: m{host=a"),
            ("sum:rate{:m", 400, "Invalid rate options specification: rate{"),
            (
                "sum:rate{counter,x}:m",
                400,
                "Max value of counter was not a number, received 'x'",
            ),
        ];
        for (m, status, message) in cases {
            let complaint = read(m).expect_err(m);
            assert_eq!((complaint.status, complaint.message.as_str()), (status, message), "{m}");
        }
        let complaint = Query::from_parameters(&Parameters::default(), 0).expect_err("no start");
        assert_eq!(complaint.message, "Missing parameter <code>start</code>");
    }
}

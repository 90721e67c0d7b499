//! The document: one page of HTML with its style and script in it, and what a browser may do with it.
//!
//! Put together at compile time from `web/`, served as it is: nothing is built, nothing else is fetched. Its policy
//! lets it run this script and no other, and connect to this server and no other. The script puts nothing into the page
//! but text.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use potsdb_front::Reply;

const DOCUMENT: &str = include_str!("web/index.html");

/// uPlot 1.6.32 by Leon Sorokin, under MIT: see `web/uplot/LICENSE`.
const UPLOT: [&str; 2] = [
    include_str!("web/uplot/uPlot.min.css"),
    include_str!("web/uplot/uPlot.iife.min.js"),
];

const STYLE: [&str; 2] = [UPLOT[0], include_str!("web/style.css")];

const SCRIPT: [&str; 10] = [
    include_str!("web/dom.js"),
    include_str!("web/model.js"),
    include_str!("web/series.js"),
    include_str!("web/copy.js"),
    include_str!("web/detail.js"),
    include_str!("web/refused.js"),
    include_str!("web/findings.js"),
    include_str!("web/connections.js"),
    include_str!("web/faults.js"),
    include_str!("web/main.js"),
];

/// What stands in the document for the number that the policy names. Nothing else in it is like that.
const NONCE: &str = "NONCE-OF-THIS-ANSWER";

static WHOLE: LazyLock<String> = LazyLock::new(|| {
    let uplot = UPLOT[1];
    let script = format!("{uplot}\n(() => {{\n\"use strict\";\n{}}})();\n", SCRIPT.concat());
    let whole = DOCUMENT.replace("/* STYLE */", &STYLE.join("\n"));
    whole.replace("/* SCRIPT */", &script)
});

/// The page.
pub(super) fn reply() -> Reply {
    let nonce = nonce();
    let mut reply = Reply::new(200, "text/html; charset=utf-8", WHOLE.replace(NONCE, &nonce));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    reply.head.push(("Content-Security-Policy", policy));
    reply.head.extend(PRIVATE.map(|(name, value)| (name, value.to_owned())));
    reply
}

/// What everything of the page says about itself.
pub(super) const PRIVATE: [(&str, &str); 5] = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
];

/// A number that no other answer has: the keys of std's hashers come from the system's random numbers.
fn nonce() -> String {
    let hash = || RandomState::new().hash_one(NONCE);
    format!("{:016x}{:016x}", hash(), hash())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_whole_and_its_policy_lets_nothing_else_in() {
        let (one, other) = (reply(), reply());
        let text = String::from_utf8(one.body).expect("UTF-8");
        assert!(!text.contains(NONCE) && !text.contains("/* STYLE */") && !text.contains("/* SCRIPT */"));
        let policy = |head: &[(&str, String)]| {
            let policy = head.iter().find(|(name, _)| *name == "Content-Security-Policy");
            policy.expect("there is one").1.clone()
        };
        let nonce = policy(&one.head).split("'nonce-").nth(1).expect("a nonce")[..32].to_owned();
        assert_eq!(
            text.matches(&format!("nonce=\"{nonce}\"")).count(),
            2,
            "a style and a script"
        );
        assert_ne!(policy(&one.head), policy(&other.head));
    }

    #[test]
    fn the_script_puts_nothing_but_text_into_the_page() {
        for script in SCRIPT {
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "srcdoc",
            ] {
                assert!(!script.contains(way), "{way} in a script");
            }
            assert!(!script.contains("</script"), "it would end the script");
        }
    }
}

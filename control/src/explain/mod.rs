//! `portcullis explain`.

mod arguments;
mod output;

use std::path::Path;
use std::process::ExitCode;

use authz::document::{self, Node};
use authz::{Authorizer, Decision, Effect, Explanation, Reason, RuleTrace, UnixTime};
use serde_json::Value;

use crate::source::{Source, SourceError};
use crate::test::load_case;
use crate::trial::{self, Defaults, Message, TestPolicy, Trial};
pub(crate) use arguments::Arguments;

/// The request was denied.
const DENIED: u8 = 1;
/// It could not be judged.
const NOT_JUDGED: u8 = 2;

/// What was decided about a request, and what became of each rule.
struct Judgement {
    method: String,
    /// Host and request target.
    target: String,
    revision: Value,
    decision: Decision,
    rules: Vec<RuleTrace>,
    /// The rule that came nearest to permitting a request that no rule permits.
    nearest: Option<RuleTrace>,
}

/// Explains the decision about one request.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let judgement = match judge(arguments) {
        Ok(judgement) => judgement,
        Err(error) => {
            eprintln!("{error}");
            return NOT_JUDGED.into();
        }
    };
    // Whoever stops reading (`| head`) has read enough; the exit code is what counts.
    drop(arguments.output.print(&judgement));
    match judgement.decision.effect() {
        Effect::Permit => ExitCode::SUCCESS,
        Effect::Deny => DENIED.into(),
    }
}

fn judge(arguments: &Arguments) -> Result<Judgement, SourceError> {
    let source = Source::load(&arguments.policy)?;
    // A credential that somebody was given is judged by the keys of the policy, one that is minted here by those of tests.
    let plugin = source.plugin_configuration()?;
    let policy = source.parse(TestPolicy::new)?;
    if let [file, name] = arguments.case.as_slice() {
        let trial = load_case(Path::new(file), name, &policy)?;
        return Ok(Judgement::of(&trial, &policy, &policy.authorizer));
    }
    let trial = read_trial(arguments, &policy)?;
    if arguments.mints() {
        return Ok(Judgement::of(&trial, &policy, &policy.authorizer));
    }
    let judgement = Judgement::of(&trial, &policy, &plugin.into_authorizer());
    match judgement.decision.reason() {
        Reason::IntrospectionFailed => Err(SourceError::Unreadable(
            "what the token says only its authorization server knows, which is not asked here; give what it would answer with `--issuer` and `--claims`"
                .to_owned(),
        )),
        _ => Ok(judgement),
    }
}

/// The trial of the command line, read as strictly as a case of a test file.
fn read_trial(arguments: &Arguments, policy: &TestPolicy) -> Result<Trial, SourceError> {
    let document = arguments.document().map_err(SourceError::Unreadable)?;
    let read = |node: &Node<'_>| {
        let fields = node.open_object()?;
        Trial::read(&fields, &Defaults::default(), policy)
    };
    document::read(document.to_string().as_bytes(), read)
        .map_err(|errors| SourceError::Unreadable(errors.to_string().trim_end().to_owned()))
}

impl Judgement {
    fn of(trial: &Trial, policy: &TestPolicy, authorizer: &Authorizer) -> Self {
        let message = Message::new(trial, 1, policy);
        let now = UnixTime::from_seconds(trial.now);
        // First, so that what has to be asked has been asked when it is explained.
        let decision = trial::decide(authorizer, &message, now).decision().clone();
        let explanation = authorizer.explain(&message.head(), now);
        let is_nearest = decision.effect() == Effect::Deny && decision.reason() != Reason::DeniedByRule;
        let nearest = explanation.nearest().filter(|_| is_nearest).cloned();
        let Explanation { rules, .. } = explanation;
        let (method, target) =
            (trial.request.method.clone(), format!("{}{}", trial.request.host, trial.request.target));
        Self { method, target, revision: policy.revision.clone(), decision, rules, nearest }
    }
}

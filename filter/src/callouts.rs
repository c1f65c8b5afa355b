//! Questions to authorization servers, and the exchanges that wait for the answers.
//!
//! One question is asked once, however many requests want the answer; it is asked by the root context, because a client
//! that goes away takes its request's calls with it, and others may be waiting. Both are bounded: a stranger can make
//! questions.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use authz::limits::MAX_INTROSPECTION_BYTES;
use authz::{Authorizer, Introspection, UnixTime};

use crate::exchange::Exchange;
use crate::host::{self, HostError};

/// Most questions that are open at a time, in each worker.
const MAX_OPEN: usize = 64;

/// How many of them are kept for tokens that were good before, so that a stranger cannot lock those out.
const FOR_RENEWALS: usize = 16;

/// Most exchanges that wait, in each worker, and for one answer.
const MAX_WAITING: usize = 1024;
const MAX_WAITING_FOR_ONE: usize = 256;

/// How soon questions are sent, in milliseconds: they belong to the root context, whose turn comes with a tick.
const TICK_MILLISECONDS: u32 = 1;

/// How often the log says that a server does not answer as it should, in seconds.
const LOG_SECONDS: u64 = 10;

/// All open questions of a plugin in one worker.
#[derive(Clone, Default)]
pub(crate) struct Callouts {
    questions: Rc<RefCell<Vec<Question>>>,
    /// Until when the log has been told enough.
    quiet_until: Rc<Cell<Option<UnixTime>>>,
    /// How often the root context is called when there is no question to send, in milliseconds; 0 for never.
    resting_tick: Rc<Cell<u32>>,
    /// Whether it is called sooner now.
    is_hurried: Rc<Cell<bool>>,
}

struct Question {
    /// Whose question it is: each revision has its own answers.
    authorizer: Rc<Authorizer>,
    introspection: Introspection,
    /// The host's token for the call; none while it is not sent.
    call: Option<u32>,
    waiting: Vec<Weak<Exchange>>,
}

impl Callouts {
    /// Lets an exchange wait for an answer. An error if there is no room.
    pub(crate) fn wait(
        &self,
        authorizer: &Rc<Authorizer>,
        introspection: Introspection,
        exchange: &Rc<Exchange>,
    ) -> Result<(), HostError> {
        let mut questions = self.questions.try_borrow_mut().map_err(|_| HostError)?;
        // Those who went away make room.
        questions.iter_mut().for_each(|question| question.waiting.retain(|waiting| waiting.strong_count() > 0));
        questions.retain(|question| question.call.is_some() || !question.waiting.is_empty());
        let waiting = questions.iter().map(|question| question.waiting.len()).fold(0, usize::saturating_add);
        if waiting >= MAX_WAITING {
            return Err(HostError);
        }
        let same = questions.iter_mut().find(|question| {
            Rc::ptr_eq(&question.authorizer, authorizer) && question.introspection.is_same_as(&introspection)
        });
        if let Some(question) = same {
            if question.waiting.len() >= MAX_WAITING_FOR_ONE {
                return Err(HostError);
            }
            question.waiting.push(Rc::downgrade(exchange));
            return Ok(());
        }
        let room = if introspection.is_renewal() { MAX_OPEN } else { MAX_OPEN - FOR_RENEWALS };
        if questions.len() >= room {
            return Err(HostError);
        }
        // The next tick belongs to the root context.
        host::set_tick_period_milliseconds(TICK_MILLISECONDS)?;
        self.is_hurried.set(true);
        let waiting = vec![Rc::downgrade(exchange)];
        questions.push(Question { authorizer: Rc::clone(authorizer), introspection, call: None, waiting });
        Ok(())
    }

    /// Sets how often the root context is called when there is no question. There is one timer for all that wait for it, and
    /// Kong's host wants it set once: questions, which set it again, are for Envoy only.
    pub(crate) fn rest_at(&self, period: u32) -> Result<(), HostError> {
        if self.resting_tick.get() != period {
            // Where a question is in a hurry, it is set when that has been sent.
            if !self.is_hurried.get() {
                host::set_tick_period_milliseconds(period)?;
            }
            self.resting_tick.set(period);
        }
        Ok(())
    }

    /// Sends the questions that are not sent yet. To be called in the root context.
    pub(crate) fn send(&self) {
        if self.is_hurried.get() {
            // Should this fail, the next tick tries again.
            self.is_hurried.set(host::set_tick_period_milliseconds(self.resting_tick.get()).is_err());
        }
        let Ok(mut questions) = self.questions.try_borrow_mut() else { return };
        for question in questions.iter_mut().filter(|question| question.call.is_none()) {
            let asked = &question.introspection;
            let body = asked.body();
            question.call =
                host::dispatch(asked.cluster(), asked.headers(), Some(body.as_bytes()), asked.timeout()).ok();
        }
        let unsent: Vec<_> = questions.extract_if(.., |question| question.call.is_none()).collect();
        drop(questions);
        for question in unsent {
            self.complain(&question, "there is no such cluster, or it cannot be reached");
            question.answer(None);
        }
    }

    /// Takes the answer to a call, and lets those go on who wait for it. To be called in the root context.
    pub(crate) fn answered(&self, call: u32, body_bytes: usize) {
        let Ok(mut questions) = self.questions.try_borrow_mut() else { return };
        let question = questions.extract_if(.., |question| question.call == Some(call)).next();
        drop(questions);
        if let Some(question) = question {
            let response = host::call_response(body_bytes, MAX_INTROSPECTION_BYTES).ok().flatten();
            match response.as_ref().map(host::CallResponse::status) {
                Some(200) => {}
                Some(status) => self.complain(&question, &format!("it answers {status}")),
                None => self.complain(&question, "no answer in time"),
            }
            question.answer(response.as_ref());
        }
    }

    /// Tells the proxy's log what an operator has to know, once in a while: the client only gets 503.
    fn complain(&self, question: &Question, problem: &str) {
        let Ok(now) = host::now() else { return };
        if self.quiet_until.get().is_none_or(|until| until <= now) {
            self.quiet_until.set(Some(now.plus_seconds(LOG_SECONDS)));
            let cluster = question.introspection.cluster();
            host::log_error(&format!(
                "portcullis: tokens cannot be introspected at the cluster `{cluster}`: {problem}"
            ));
        }
    }
}

impl Question {
    /// Tells the answer to the authorizer, which asks nobody twice, and lets the exchanges go on.
    fn answer(self, response: Option<&host::CallResponse>) {
        if let Ok(now) = host::now() {
            let response = response.map(host::CallResponse::introspection);
            self.authorizer.introspected(&self.introspection, response, now);
        }
        for exchange in self.waiting.iter().filter_map(Weak::upgrade) {
            exchange.resume();
        }
    }
}
